package scenario

import (
	"fmt"
	"reflect"
	"time"

	"github.com/foldlog/foldlog"
)

// TB is the part of a *testing.T or *testing.B that the kit uses.
type TB interface {
	Helper()
	// Errorf reports a failure and goes on.
	Errorf(format string, args ...any)
	// Fatalf reports a failure and does not return.
	Fatalf(format string, args ...any)
}

// Option sets a part of the metadata of the events and commands that follow. Defaults are the
// aggregate id "id-1", the actor "tester" and the recorded time 2026-01-02T03:04:05Z.
type Option func(*foldlog.Meta)

// At sets the recorded time. It is turned into UTC with microseconds, as the log does.
func At(recorded time.Time) Option {
	return func(m *foldlog.Meta) { m.RecordedAt = recorded.UTC().Truncate(time.Microsecond) }
}

// By sets the actor.
func By(actor string) Option { return func(m *foldlog.Meta) { m.Actor = actor } }

// ID sets the aggregate id.
func ID(aggregateID string) Option { return func(m *foldlog.Meta) { m.AggregateID = aggregateID } }

// log hands out metadata as the engine would: a version and a command id for each event.
type log struct {
	meta     foldlog.Meta
	versions map[string]int64
	commands int
	given    []string // what was recorded, for messages
}

func newLog() *log {
	return &log{
		meta: foldlog.Meta{
			AggregateID: "id-1", CorrelationID: "conversation-1", Actor: "tester",
			RecordedAt: time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC),
		},
		versions: map[string]int64{},
	}
}

func (l *log) with(options []Option) {
	for _, o := range options {
		o(&l.meta)
	}
}

// command returns the metadata of the next command.
func (l *log) command() foldlog.Meta {
	l.commands++
	m := l.meta
	m.CommandID = fmt.Sprintf("command-%d", l.commands)
	return m
}

// record returns the events of one command with their metadata, and counts them.
func record[E any](l *log, command foldlog.Meta, events []E) []foldlog.Event[E] {
	recorded := make([]foldlog.Event[E], len(events))
	for i, data := range events {
		l.versions[command.AggregateID]++
		meta := command
		meta.CausationID = command.CommandID
		recorded[i] = foldlog.Event[E]{
			Meta:    meta,
			EventID: foldlog.EventID(command.CommandID, command.AggregateID, i),
			Type:    typeName(data),
			Version: l.versions[command.AggregateID],
			Data:    data,
		}
	}
	return recorded
}

// typeName returns the name of the value's Go type without its package. The kit does not know the
// topology, so this stands in for the declared name.
func typeName(value any) string {
	if value == nil {
		return "nil"
	}
	return reflect.TypeOf(value).Name()
}
