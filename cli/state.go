package cli

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog"
)

func (c *Context) stateCommand() *cobra.Command {
	id := "ID"
	aggregate := "AGGREGATE"
	if len(c.App.Examples) > 0 {
		aggregate, id = c.App.Examples[0].Aggregate, c.App.Examples[0].ID
	}
	cmd := &cobra.Command{
		Use:   "state AGGREGATE ID",
		Short: "Print the state of an aggregate",
		Example: c.examples(`
{{name}} state ` + aggregate + ` ` + id + `
{{name}} state ` + aggregate + ` ` + id + ` --json | jq .state
{{name}} state ` + aggregate + ` ` + id + ` --after TOKEN
`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return Usage("give the aggregate and its id")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return c.aggregateNames(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	after := cmd.Flags().String("after", "", "wait until what the `token` of an outcome stands for is visible")
	c.AddFlags(cmd, ClientFlags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := c.knownAggregate(args[0]); err != nil {
			return err
		}
		if err := foldlog.CheckAggregateID(args[1]); err != nil {
			return Usage("%w", err)
		}
		token, err := foldlog.ParseToken(*after)
		if err != nil {
			return Usage("--after: %w", err)
		}
		cl, err := c.Client(shortPatience)
		if err != nil {
			return err
		}
		state, err := cl.State(cmd.Context(), args[0], args[1], token)
		if err != nil {
			return clientError(err)
		}
		if c.JSON() {
			return c.PrintJSON(struct {
				AggregateID string          `json:"aggregate_id"`
				Version     int64           `json:"version"`
				RecordedAt  time.Time       `json:"recorded_at"`
				State       json.RawMessage `json:"state"`
				Position    string          `json:"position"`
			}{state.AggregateID, state.Version, state.RecordedAt, state.Data, state.Position.String()})
		}
		err = c.PrintFields(
			[2]string{args[0], state.AggregateID},
			[2]string{"version", strconv.FormatInt(state.Version, 10)},
			[2]string{"recorded at", state.RecordedAt.Format(time.RFC3339Nano)},
		)
		if err != nil {
			return err
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, state.Data, "", "  "); err != nil {
			return Infrastructure("the state is not JSON: %w", err)
		}
		return c.Printf("%s\n", indented.String())
	}
	return cmd
}
