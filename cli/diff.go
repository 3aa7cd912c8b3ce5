package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/client"
)

// mostDiffEvents is how many events between two states are shown.
const mostDiffEvents = 1000

func (c *Context) diffCommand() *cobra.Command {
	example := c.exampleAggregate()
	cmd := &cobra.Command{
		Use:   "diff AGGREGATE ID --from VERSION|TIME [--to VERSION|TIME]",
		Short: "Compare two states of an aggregate, with the events between them",
		Long: `Compare the state of an aggregate at two moments field by field, and list the events that lie between them. A moment is a version, or a
time such as 2026-01-31T12:00:00Z. From version 0, or from a time before the first event, everything is new.`,
		Example: c.examples(`
{{name}} diff ` + example + ` --from 1
{{name}} diff ` + example + ` --from 1 --to 2
{{name}} diff ` + example + ` --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z --json
`),
	}
	c.aggregateArgs(cmd)
	from := cmd.Flags().String("from", "", "the earlier `moment`: a version or a time")
	to := cmd.Flags().String("to", "", "the later `moment`: a version or a time; default now")
	c.AddFlags(cmd, ClientFlags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.checkAggregate(args); err != nil {
			return err
		}
		if *from == "" {
			return Usage("give --from: a version or a time")
		}
		d := difference{Events: []client.Event{}}
		var first, last *client.Moment
		var err error
		if *from != "0" { // before the first event
			if first, err = moment("from", *from); err != nil {
				return err
			}
		}
		if *to != "" {
			if last, err = moment("to", *to); err != nil {
				return err
			}
		}
		cl, err := c.Client(shortPatience)
		if err != nil {
			return err
		}
		if first != nil {
			state, err := cl.StateAsOf(cmd.Context(), args[0], args[1], *first, nil)
			switch {
			case err == nil:
				d.From = newSide(state)
			case first.Version > 0 || !isNotFound(err):
				return clientError(err)
			}
		}
		state, err := stateAsOf(cmd.Context(), cl, args, last, nil)
		if err != nil {
			return clientError(err)
		}
		if d.To = newSide(state); d.From.Version > d.To.Version {
			return Usage("--from is version %d, --to is version %d: swap them", d.From.Version, d.To.Version)
		}
		if d.Changes, err = changes(d.From.State, d.To.State); err != nil {
			return Infrastructure("the states are not JSON objects: %w", err)
		}
		if between := d.To.Version - d.From.Version; between > 0 {
			page, err := events(cmd.Context(), cl, args, d.From.Version, int(min(between, mostDiffEvents)))
			if err != nil {
				return clientError(err)
			}
			d.Events, d.More = page.Events, between-int64(len(page.Events))
		}
		if c.JSON() {
			return c.PrintJSON(d)
		}
		return c.printDifference(args, d)
	}
	return cmd
}

func isNotFound(err error) bool {
	problem, is := errors.AsType[*client.Problem](err)
	return is && problem.Status == http.StatusNotFound
}

// difference is what diff finds, in its form for programs. NB: must not change.
type difference struct {
	From    side           `json:"from"`
	To      side           `json:"to"`
	Changes []change       `json:"changes"`
	Events  []client.Event `json:"events"`
	// More is how many further events lie between the states.
	More int64 `json:"more_events,omitempty"`
}

// side is one of the two states. Before the first event it has version 0 and neither time nor
// state.
type side struct {
	Version    int64           `json:"version"`
	RecordedAt *time.Time      `json:"recorded_at,omitempty"`
	State      json.RawMessage `json:"state,omitempty"`
}

func newSide(s client.State) side { return side{s.Version, &s.RecordedAt, s.Data} }

func (s side) String() string {
	if s.RecordedAt == nil {
		return "before the first event"
	}
	return fmt.Sprintf("version %d, recorded at %s", s.Version, s.RecordedAt.Format(time.RFC3339Nano))
}

// change is a field that differs. What is not there is null.
type change struct {
	Field string          `json:"field"`
	From  json.RawMessage `json:"from"`
	To    json.RawMessage `json:"to"`
}

// changes returns the fields that differ, those of objects within with a dot, in the order of their
// names.
func changes(from, to json.RawMessage) ([]change, error) {
	before, after := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if err := errors.Join(flatten(before, "", from), flatten(after, "", to)); err != nil {
		return nil, err
	}
	all := []change{}
	for field, value := range after {
		if !bytes.Equal(before[field], value) {
			all = append(all, change{field, before[field], value})
		}
	}
	for field, value := range before {
		if _, still := after[field]; !still {
			all = append(all, change{field, value, nil})
		}
	}
	slices.SortFunc(all, func(a, b change) int { return cmp.Compare(a.Field, b.Field) })
	return all, nil
}

// flatten collects the fields of an object and of the objects within. Numbers stay as they are
// written.
func flatten(into map[string]json.RawMessage, prefix string, object json.RawMessage) error {
	if object == nil {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil {
		return err
	}
	for name, value := range fields {
		if bytes.HasPrefix(value, []byte("{")) {
			if err := flatten(into, prefix+name+".", value); err != nil {
				return err
			}
			continue
		}
		into[prefix+name] = value
	}
	return nil
}

func (c *Context) printDifference(args []string, d difference) error {
	err := c.PrintFields([2]string{args[0], args[1]}, [2]string{"from", d.From.String()}, [2]string{"to", d.To.String()})
	if err != nil {
		return err
	}
	if len(d.Changes) == 0 {
		err = c.Printf("\nno field differs\n")
	} else {
		var rows [][]string
		for _, change := range d.Changes {
			rows = append(rows, []string{change.Field, cell(change.From), cell(change.To)})
		}
		if err = c.Printf("\n"); err == nil {
			err = c.PrintTable([]string{"FIELD", "FROM", "TO"}, rows)
		}
	}
	if err != nil || len(d.Events) == 0 {
		return err
	}
	if err := c.Printf("\n"); err != nil {
		return err
	}
	if err := c.printEvents(d.Events); err != nil {
		return err
	}
	if d.More > 0 {
		fmt.Fprintf(c.Err, "%s more between the states: see 'events' --after %d\n", plural(int(d.More), "event"), d.Events[len(d.Events)-1].Version)
	}
	return nil
}

// cell shows a value in a table.
func cell(value json.RawMessage) string {
	if value == nil {
		return "-"
	}
	return oneLine(string(value), longestData)
}
