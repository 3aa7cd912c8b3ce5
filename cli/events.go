package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/client"
)

// longestData is how much of an event's data a table shows.
const longestData = 80

func (c *Context) eventsCommand() *cobra.Command {
	example := c.exampleAggregate()
	cmd := &cobra.Command{
		Use:   "events AGGREGATE ID",
		Short: "List the events of an aggregate, oldest first",
		Example: c.examples(`
{{name}} events ` + example + `
{{name}} events ` + example + ` --after 100 --limit 10
{{name}} events ` + example + ` --json | jq '.events[].data'
`),
	}
	c.aggregateArgs(cmd)
	after := cmd.Flags().Int64("after", 0, "start behind this `version`")
	limit := cmd.Flags().Int("limit", 100, "at most `n` events")
	c.AddFlags(cmd, ClientFlags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.checkAggregate(args); err != nil {
			return err
		}
		if *after < 0 {
			return Usage("--after %d: use 0 or more", *after)
		}
		if *limit < 1 {
			return Usage("--limit %d: use at least 1", *limit)
		}
		cl, err := c.Client(shortPatience)
		if err != nil {
			return err
		}
		page, err := events(cmd.Context(), cl, args, *after, *limit)
		if err != nil {
			return clientError(err)
		}
		if c.JSON() {
			return c.PrintJSON(page) // as the HTTP interface has it
		}
		if len(page.Events) == 0 {
			return c.Printf("no events behind version %d\n", *after)
		}
		if err := c.printEvents(page.Events); err != nil {
			return err
		}
		if page.Next != 0 {
			fmt.Fprintf(c.Err, "more events follow: --after %d\n", page.Next)
		}
		return nil
	}
	return cmd
}

// largestPage is the largest page that a server gives.
const largestPage = 1000

// events returns at most limit events behind a version, of as many pages as that takes.
func events(ctx context.Context, cl *client.Client, args []string, after int64, limit int) (client.EventPage, error) {
	all := client.EventPage{Events: []client.Event{}}
	for {
		page, err := cl.EventPage(ctx, args[0], args[1], client.EventQuery{After: after, Limit: min(limit-len(all.Events), largestPage)})
		if err != nil {
			return all, err
		}
		all.Events, all.Next = append(all.Events, page.Events...), page.Next
		if after = page.Next; after == 0 || len(all.Events) >= limit {
			return all, nil
		}
	}
}

func (c *Context) printEvents(events []client.Event) error {
	rows := make([][]string, len(events))
	for i, e := range events {
		rows[i] = []string{strconv.FormatInt(e.Version, 10), shortTime(e.RecordedAt), e.EventType, e.Actor, e.CommandID, oneLine(string(e.Data), longestData)}
	}
	return c.PrintTable([]string{"VERSION", "RECORDED", "EVENT", "ACTOR", "COMMAND", "DATA"}, rows)
}
