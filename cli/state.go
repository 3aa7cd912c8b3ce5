package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
)

func (c *Context) stateCommand() *cobra.Command {
	example := c.exampleAggregate()
	cmd := &cobra.Command{
		Use:   "state AGGREGATE ID",
		Short: "Print the state of an aggregate, now or as of a version or a time",
		Example: c.examples(`
{{name}} state ` + example + `
{{name}} state ` + example + ` --version 1
{{name}} state ` + example + ` --at 2026-01-31T12:00:00Z
{{name}} state ` + example + ` --json | jq .state
{{name}} state ` + example + ` --after TOKEN
`),
	}
	c.aggregateArgs(cmd)
	after := cmd.Flags().String("after", "", "wait until what the `token` of an outcome stands for is visible")
	version := cmd.Flags().Int64("version", 0, "the state after the event of this `version`")
	at := cmd.Flags().String("at", "", "the state at this `time`, such as 2026-01-31T12:00:00Z: after the last event that was recorded then or before")
	c.AddFlags(cmd, ClientFlags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.checkAggregate(args); err != nil {
			return err
		}
		token, err := foldlog.ParseToken(*after)
		if err != nil {
			return Usage("--after: %w", err)
		}
		var asked *client.Moment
		switch {
		case cmd.Flags().Changed("version") && cmd.Flags().Changed("at"):
			return Usage("give --version or --at, not both")
		case cmd.Flags().Changed("version"):
			if *version < 1 {
				return Usage("--version %d: versions count from 1", *version)
			}
			asked = &client.Moment{Version: *version}
		case cmd.Flags().Changed("at"):
			asked = &client.Moment{}
			if asked.At, err = parseTime("at", *at); err != nil {
				return err
			}
		}
		cl, err := c.Client(shortPatience)
		if err != nil {
			return err
		}
		state, err := stateAsOf(cmd.Context(), cl, args, asked, token)
		if err != nil {
			return clientError(err)
		}
		return c.printState(args[0], state)
	}
	return cmd
}

// stateAsOf returns the state at a moment; nil is now.
func stateAsOf(ctx context.Context, cl *client.Client, args []string, asked *client.Moment, token foldlog.Token) (client.State, error) {
	if asked == nil {
		return cl.State(ctx, args[0], args[1], token)
	}
	return cl.StateAsOf(ctx, args[0], args[1], *asked, token)
}

func (c *Context) printState(aggregate string, state client.State) error {
	if c.JSON() {
		return c.PrintJSON(struct {
			client.State
			Position string `json:"position"`
		}{state, state.Position.String()})
	}
	err := c.PrintFields(
		[2]string{aggregate, state.AggregateID},
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
