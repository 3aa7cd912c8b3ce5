package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
)

func (c *Context) traceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace ID",
		Short: "Print what a command led to, and what led to an event, as a tree",
		Long: `Print the conversation that a command, an event or a correlation id belongs to: commands, under them their events, under those the
commands that policies sent because of them, across all aggregates. Refused commands are known within the horizon.`,
		Example: c.examples(`
{{name}} trace COMMAND_ID
{{name}} trace EVENT_ID --json
`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return Usage("give the id of a command, an event or a conversation")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.AddFlags(cmd, ClientFlags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := foldlog.CheckCommandID(args[0]); err != nil {
			return Usage("%w", err)
		}
		cl, err := c.Client(shortPatience)
		if err != nil {
			return err
		}
		trace, err := cl.Trace(cmd.Context(), args[0], nil)
		if err != nil {
			return clientError(err)
		}
		if c.JSON() {
			return c.PrintJSON(trace)
		}
		var rows [][]string
		for _, command := range trace.Commands {
			rows = append(rows, commandRows(command, "", "")...)
		}
		if err := c.PrintTable([]string{"WHAT", "RECORDED", "ACTOR", "ID", "DATA"}, rows); err != nil {
			return err
		}
		if trace.Truncated {
			fmt.Fprintln(c.Err, "there is more than one answer can have: this is the oldest part")
		}
		return nil
	}
	return cmd
}

// commandRows returns the rows of a command and of all that it led to. Lead is drawn before its own
// row, indent before those below it.
func commandRows(command client.TracedCommand, lead, indent string) [][]string {
	name := command.CommandType
	if name == "" {
		name = "a command to"
	}
	what := fmt.Sprintf("%s%s %s %s", lead, name, command.Aggregate, command.AggregateID)
	detail := ""
	if !command.Accepted {
		what, detail = what+": "+command.Code, oneLine(command.Detail, longestData)
	}
	actor := command.Actor
	if actor == "" {
		actor = "-"
	}
	rows := [][]string{{what, shortTime(command.RecordedAt), actor, command.CommandID, detail}}
	for i, event := range command.Events {
		lead, below := branch(indent, i == len(command.Events)-1)
		rows = append(rows, []string{lead + event.EventType + " " + strconv.FormatInt(event.Version, 10), "", "", event.EventID, oneLine(string(event.Data), longestData)})
		for n, next := range event.Commands {
			lead, below := branch(below, n == len(event.Commands)-1)
			rows = append(rows, commandRows(next, lead, below)...)
		}
	}
	return rows
}

// branch returns what is drawn before an entry of a tree and before what is below it.
func branch(indent string, last bool) (lead, below string) {
	if last {
		return indent + "└─ ", indent + "   "
	}
	return indent + "├─ ", indent + "│  "
}
