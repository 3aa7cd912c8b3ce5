package cli

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
)

// aggregateArgs makes a command one that is given an aggregate and its id.
func (c *Context) aggregateArgs(cmd *cobra.Command) {
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 2 {
			return Usage("give the aggregate and its id")
		}
		return nil
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return c.aggregateNames(), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// checkAggregate finds misspelt names before anything is asked.
func (c *Context) checkAggregate(args []string) error {
	if _, err := c.knownAggregate(args[0]); err != nil {
		return err
	}
	if err := foldlog.CheckAggregateID(args[1]); err != nil {
		return Usage("%w", err)
	}
	return nil
}

// exampleAggregate returns the aggregate and the id that examples are about.
func (c *Context) exampleAggregate() string {
	if len(c.App.Examples) > 0 {
		return c.App.Examples[0].Aggregate + " " + c.App.Examples[0].ID
	}
	return "AGGREGATE ID"
}

// moment reads a flag that is a version, at least one, or a time.
func moment(flag, text string) (*client.Moment, error) {
	if version, err := strconv.ParseInt(text, 10, 64); err == nil && version >= 1 {
		return &client.Moment{Version: version}, nil
	}
	at, err := parseTime(flag, text)
	if err != nil {
		return nil, Usage("--%s %q: use a version such as 3 or a time such as 2026-01-31T12:00:00Z", flag, text)
	}
	return &client.Moment{At: at}, nil
}

func parseTime(flag, text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, Usage("--%s %q: use a time such as 2026-01-31T12:00:00Z", flag, text)
	}
	return at, nil
}

// shortTime is how tables show a time.
func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
