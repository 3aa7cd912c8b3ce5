package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/topology"
)

func (c *Context) sendCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "send AGGREGATE ID COMMAND [JSON]",
		Short: "Send a command and print its outcome",
		Long: `Send a command over HTTP and print its outcome. The fields of the command are a JSON object, given as the last argument or with
--file. A rejection is exit code 1.

A command that may or may not have been executed (no answer in time) can be sent again with the same --command-id: it is
executed once.`,
		Example: c.examples(c.sendExamples()),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 3 && len(args) != 4 {
				return Usage("give the aggregate, its id, the command and its fields in JSON")
			}
			return nil
		},
		ValidArgsFunction: c.completeSend,
	}
	file := cmd.Flags().StringP("file", "f", "", "read the fields from a `file`; - is standard input")
	commandID := cmd.Flags().String("command-id", "", "`id` of the command; default a new one")
	expected := cmd.Flags().Int64("expected-version", 0, "`version` that the aggregate must have; 0 means that it must not exist yet; default any")
	correlationID := cmd.Flags().String("correlation-id", "", "`id` of the conversation; default the command's")
	c.AddFlags(cmd, ClientFlags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		command := client.Command{Aggregate: args[0], ID: args[1], Type: args[2], CommandID: *commandID, CorrelationID: *correlationID}
		if cmd.Flags().Changed("expected-version") {
			command.ExpectedVersion = expected
		}
		var err error
		if command.Data, err = c.payload(args[3:], *file); err != nil {
			return err
		}
		if err := c.checkCommand(command); err != nil {
			return err
		}
		cl, err := c.Client(shortPatience)
		if err != nil {
			return err
		}
		outcome, err := cl.Send(cmd.Context(), command)
		if err == nil {
			return c.printOutcome(outcome)
		}
		err = clientError(err)
		var problem *client.Problem
		switch {
		case exitCode(err, true) != ExitFinding:
			return Infrastructure("%w; to send the same command again, in case it was executed: --command-id %s", err, outcome.CommandID)
		case c.JSON() && errors.As(err, &problem):
			if printErr := c.PrintJSON(rejectedJSON(outcome.CommandID, problem)); printErr != nil {
				return printErr
			}
		}
		return err
	}
	return cmd
}

// payload returns the command's fields, read and checked to be a JSON object.
func (c *Context) payload(args []string, file string) (json.RawMessage, error) {
	var text []byte
	var err error
	switch {
	case len(args) > 0 && file != "":
		return nil, Usage("give the fields as an argument or with --file, not both")
	case len(args) > 0:
		text = []byte(args[0])
	case file == "-":
		text, err = io.ReadAll(io.LimitReader(c.In, topology.MaxCommandBytes+1))
	case file != "":
		text, err = os.ReadFile(file)
	default:
		text = []byte("{}")
	}
	if err != nil {
		return nil, Usage("read the fields: %w", err)
	}
	var object map[string]json.RawMessage
	err = json.Unmarshal(text, &object)
	if err == nil && object == nil {
		err = errors.New("it is null")
	}
	if err != nil {
		return nil, Usage(`the fields are not a JSON object such as '{"name": "value"}': %w`, err)
	}
	return bytes.TrimSpace(text), nil
}

// checkCommand finds misspelt names before anything is sent.
func (c *Context) checkCommand(command client.Command) error {
	a, err := c.knownAggregate(command.Aggregate)
	if err != nil {
		return err
	}
	public := publicCommands(a)
	if !slices.Contains(public, command.Type) {
		return Usage("%s has no command %q that can be sent; did you mean %q?", a.Name, command.Type, nearest(command.Type, public))
	}
	if err := foldlog.CheckAggregateID(command.ID); err != nil {
		return Usage("%w", err)
	}
	for _, id := range []string{command.CommandID, command.CorrelationID} {
		if id != "" {
			if err := foldlog.CheckCommandID(id); err != nil {
				return Usage("%w", err)
			}
		}
	}
	return nil
}

// outcomeJSON is the form of an outcome for programs. NB: must not change.
type outcomeJSON struct {
	CommandID    string     `json:"command_id"`
	Accepted     bool       `json:"accepted"`
	FirstVersion int64      `json:"first_version,omitempty"`
	Version      int64      `json:"version,omitempty"`
	EventIDs     []string   `json:"event_ids,omitempty"`
	RecordedAt   *time.Time `json:"recorded_at,omitempty"`
	Token        string     `json:"token,omitempty"`
	Repeat       bool       `json:"repeat"`
	Code         string     `json:"code,omitempty"`
	Detail       string     `json:"detail,omitempty"`
	Field        string     `json:"field,omitempty"`
}

func rejectedJSON(commandID string, p *client.Problem) outcomeJSON {
	return outcomeJSON{CommandID: commandID, Repeat: p.Repeat, Code: p.Code, Detail: p.Detail, Field: p.Field}
}

func (c *Context) printOutcome(o client.Outcome) error {
	if c.JSON() {
		return c.PrintJSON(outcomeJSON{CommandID: o.CommandID, Accepted: true, FirstVersion: o.FirstVersion, Version: o.Version, EventIDs: o.EventIDs,
			RecordedAt: &o.RecordedAt, Token: o.Token.String(), Repeat: o.Repeat})
	}
	said := "accepted"
	if o.Repeat {
		said = "accepted before, under the same command id; nothing changed now"
	}
	pairs := [][2]string{
		{"outcome", said},
		{"version", strconv.FormatInt(o.Version, 10)},
		{"command id", o.CommandID},
		{"event ids", strings.Join(o.EventIDs, ", ")},
		{"recorded at", o.RecordedAt.Format(time.RFC3339Nano)},
		{"token", o.Token.String()},
	}
	if len(o.EventIDs) == 0 { // accepted without effect
		pairs = slices.DeleteFunc(pairs, func(p [2]string) bool { return p[1] == "" })
	}
	return c.PrintFields(pairs...)
}

func (c *Context) sendExamples() string {
	var b strings.Builder
	for _, e := range c.App.Examples {
		fmt.Fprintf(&b, "{{name}} send %s %s %s '%s'\n", e.Aggregate, e.ID, e.Command, e.Body)
	}
	if len(c.App.Examples) > 0 {
		e := c.App.Examples[0]
		fmt.Fprintf(&b, "{{name}} send %s %s %s --file fields.json --command-id %s-1 --expected-version 0\n", e.Aggregate, e.ID, e.Command, e.Command)
	}
	return b.String()
}

// completeSend offers aggregates and commands; ids are unknown here.
func (c *Context) completeSend(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return c.aggregateNames(), cobra.ShellCompDirectiveNoFileComp
	case 2:
		if a := c.App.Topology.Aggregate(args[0]); a != nil {
			return publicCommands(a), cobra.ShellCompDirectiveNoFileComp
		}
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
