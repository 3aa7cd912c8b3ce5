package scenario_test

import (
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/transfer"
	"github.com/foldlog/foldlog/scenario"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// collector stands in for a *testing.T and keeps the errors.
type collector struct {
	recorder
	errors []string
}

func (c *collector) Errorf(format string, args ...any) {
	c.errors = append(c.errors, fmt.Sprintf(format, args...))
}

// unhandled makes a function of the domain one that has no case for some type.
func unhandled[T any](data any) {
	if _, is := data.(T); is {
		panic(foldlog.Unhandled(data))
	}
}

func TestComplete(t *testing.T) {
	for name, c := range map[string]struct {
		change func(system *topology.Topology, files fstest.MapFS)
		want   []string
	}{
		"nothing is missing": {func(*topology.Topology, fstest.MapFS) {}, nil},
		"another order of commands and events": {func(s *topology.Topology, _ fstest.MapFS) {
			for _, a := range s.Aggregates {
				slices.Reverse(a.Commands)
				slices.Reverse(a.Events)
			}
		}, nil},
		"a command without a case": {func(s *topology.Topology, _ fstest.MapFS) {
			decide := s.Aggregates[0].Decider.Decide
			s.Aggregates[0].Decider.Decide = func(state any, c foldlog.Command[any]) ([]any, error) {
				if _, is := c.Data.(account.Freeze); is {
					return nil, foldlog.Unhandled(c.Data)
				}
				return decide(state, c)
			}
		}, []string{"aggregate account: Decide does not handle the command freeze: account.Freeze is declared"}},
		"an event without a case in two places": {func(s *topology.Topology, _ fstest.MapFS) {
			a := s.Aggregate("transfer")
			evolve := a.Decider.Evolve
			a.Decider.Evolve = func(state any, e foldlog.Event[any]) any {
				unhandled[transfer.Returned](e.Data)
				return evolve(state, e)
			}
			p := s.Policy("transfer-steps")
			react := p.Policy.React
			p.Policy.React = func(e foldlog.Event[any]) []foldlog.Send {
				unhandled[transfer.Returned](e.Data)
				return react(e)
			}
		}, []string{
			"aggregate transfer: Evolve does not handle the event TransferReturned: transfer.Returned is declared",
			"policy transfer-steps does not handle the event TransferReturned: transfer.Returned is declared",
		}},
		"an event that only the key does not know": {func(s *topology.Topology, _ fstest.MapFS) {
			p := s.Projection("daily-turnover")
			key := p.Projection.Key
			p.Projection.Key = func(e foldlog.Event[any]) string {
				unhandled[account.Frozen](e.Data)
				return key(e)
			}
		}, []string{"projection daily-turnover does not handle the event AccountFrozen: account.Frozen is declared"}},
		"a projection that knows only the events with a key": {func(s *topology.Topology, _ fstest.MapFS) {
			p := s.Projection("daily-turnover")
			p.Projection.Key = func(e foldlog.Event[any]) string {
				deposited, _ := e.Data.(account.Deposited)
				return deposited.Channel
			}
			p.Projection.Project = func(_ any, e foldlog.Event[any]) any { return e.Data.(account.Deposited) }
		}, nil},
		"a policy that sends what is not declared": {func(s *topology.Topology, _ fstest.MapFS) {
			s.Policy("transfer-steps").Policy.React = func(e foldlog.Event[any]) []foldlog.Send {
				if _, is := e.Data.(transfer.Requested); is {
					return []foldlog.Send{{Aggregate: "account", ID: "a", Command: transfer.ConfirmDebit{}}}
				}
				return nil
			}
		}, []string{"policy transfer-steps does not handle the event TransferRequested: it sends a transfer.ConfirmDebit, which is not"}},
		"a command and its record": {func(s *topology.Topology, _ fstest.MapFS) {
			type Burn struct{}
			s.Aggregates[0].Commands = append(s.Aggregates[0].Commands, topology.Command[Burn]("burn"))
		}, []string{
			"schemas: account.commands/v2.avsc: data has no record Burn for the declared command burn [schema]",
			"aggregate account: Decide does not handle the command burn: interface conversion",
		}},
		"a field": {func(s *topology.Topology, _ fstest.MapFS) {
			p := s.Projection("daily-turnover")
			fields := append(reflect.VisibleFields(p.Row), reflect.StructField{Name: "Fees", Type: reflect.TypeFor[int64](), Tag: `json:"fees"`})
			p.Row, p.Projection.Project = reflect.StructOf(fields), func(row any, _ foldlog.Event[any]) any { return row }
		}, []string{`schemas: projection daily-turnover, row: struct`}},
		"a doc": {func(_ *topology.Topology, files fstest.MapFS) {
			file := files["daily-turnover-table/v1.avsc"]
			file.Data = []byte(strings.Replace(string(file.Data), `"doc"`, `"remark"`, 2))
			delete(files, "schemas.lock")
		}, []string{
			"daily-turnover-table/v1.avsc: the record DailyTurnoverRow has no doc",
			"daily-turnover-table/v1.avsc: the field date has no doc",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			system, files := bank.Topology(), schemaFiles(t)
			c.change(system, files)
			var got collector
			scenario.Complete(&got, system, files)
			if !slices.EqualFunc(got.errors, c.want, strings.HasPrefix) {
				t.Fatalf("got\n%s\nwant\n%s", strings.Join(got.errors, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func schemaFiles(t *testing.T) fstest.MapFS {
	files := fstest.MapFS{}
	err := fs.WalkDir(bankschemas.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := bankschemas.Files.ReadFile(name)
		files[name] = &fstest.MapFile{Data: text}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
