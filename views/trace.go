package views

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/localdb"
)

// Bounds of a trace.
const (
	// MaxTrace is the largest number of events, together with commands without events, that a trace
	// is made of. The oldest ones of a conversation are taken.
	MaxTrace = 1000
	// maxTraceBytes bounds a trace of large events.
	maxTraceBytes = 8 << 20
)

// Trace is what is known of a conversation: which command led to which events, and which event to
// which commands.
type Trace struct {
	// CorrelationIDs are those of the conversations that the id was found in: one, unless the id
	// was used more than once.
	CorrelationIDs []string
	// Commands are those that follow from no event that is shown, in the order of their time.
	Commands []*TracedCommand
	// Truncated says that there is more than a trace may have.
	Truncated bool
	// Position is contained in the trace.
	Position foldlog.Token
}

// TracedCommand is a command with its outcome and its events.
type TracedCommand struct {
	Aggregate     string
	AggregateID   string
	CommandID     string
	CorrelationID string
	// Type is the command's name. It is "" if its outcome is beyond the horizon: events do not name
	// it.
	Type string
	// Actor is who asked, "" if it is not known: an old outcome without events does not say it,
	// unless it was a policy.
	Actor string
	// RecordedAt is the time of the events, or of the outcome if there are none.
	RecordedAt time.Time
	Accepted   bool
	// Rejection says why the command was refused; nil if it was accepted.
	Rejection *foldlog.Rejection
	Events    []*TracedEvent
}

// TracedEvent is an event with the commands that policies sent because of it, in the order of their
// time.
type TracedEvent struct {
	HistoryEvent
	Commands []*TracedCommand
}

// Trace returns all conversations in which the id is a command's, an event's or the correlation id,
// once after is visible. Commands without events are known within the horizon. The trace of an
// unknown id is empty. Trace fails as [History.Page] does.
func (s *Set) Trace(ctx context.Context, id string, after foldlog.Token) (Trace, error) {
	t := &tracer{set: s, commands: map[commandKey]*TracedCommand{}, left: MaxTrace, bytes: maxTraceBytes}
	var position foldlog.Token
	for _, name := range slices.Sorted(maps.Keys(s.histories)) {
		h := s.histories[name]
		if err := h.await(ctx, after, func(e foldlog.Position) []int32 { return []int32{e.Partition} }); err != nil {
			return Trace{}, err
		}
		position = append(position, h.ownPosition()...)
	}
	if err := t.gather(ctx, id); err != nil {
		return Trace{}, err
	}
	conversations := t.correlationIDs()
	for _, other := range conversations {
		if other == id {
			continue // those of the id itself are there
		}
		if err := t.gather(ctx, other); err != nil {
			return Trace{}, err
		}
	}
	if err := t.nameCommands(ctx); err != nil {
		return Trace{}, err
	}
	return Trace{CorrelationIDs: conversations, Commands: t.tree(), Truncated: t.truncated, Position: position}, nil
}

// commandKey is the scope of a command's id.
type commandKey struct{ aggregate, aggregateID, commandID string }

// tracer gathers the parts of a trace.
type tracer struct {
	set         *Set
	commands    map[commandKey]*TracedCommand
	left, bytes int // how much more may be gathered
	truncated   bool
}

// lead is a record that the index names: an event, or an outcome without events.
type lead struct {
	clue
	aggregate string
	outcome   bool
}

// gather adds all events and outcomes that an id leads to, the oldest first.
func (t *tracer) gather(ctx context.Context, id string) error {
	var leads []lead
	find := func(r *replica, aggregate string, outcome bool) error {
		return r.use(func(st *store) error {
			clues, err := st.clues(id, MaxTrace+1)
			for _, c := range clues {
				leads = append(leads, lead{c, aggregate, outcome})
			}
			return err
		})
	}
	for name := range t.set.histories {
		if err := errors.Join(find(t.set.histories[name].replica, name, false), find(t.set.outcomes[name].replica, name, true)); err != nil {
			return err
		}
	}
	slices.SortFunc(leads, func(a, b lead) int {
		return cmp.Or(cmp.Compare(a.micros, b.micros), cmp.Compare(a.aggregate, b.aggregate), slices.Compare(a.suffix, b.suffix))
	})
	for _, l := range leads {
		if t.truncated {
			return nil
		}
		add := t.addEvent
		if l.outcome {
			add = t.addOutcome
		}
		if err := add(ctx, id, l); err != nil {
			return err
		}
	}
	return nil
}

func (t *tracer) addEvent(ctx context.Context, id string, l lead) error {
	h := t.set.histories[l.aggregate]
	at, err := parseEventSuffix(l.suffix)
	if err != nil {
		return fmt.Errorf("%w: %w", localdb.ErrDamaged, err)
	}
	var raw *rawEvent
	if err := h.replica.use(func(s *store) error {
		stored, err := s.get(at.key())
		if err != nil || stored == nil {
			return err // gone: the store was rebuilt in the meantime
		}
		event, err := decodeStoredEvent(stored)
		raw = &rawEvent{at, event}
		return err
	}); err != nil || raw == nil {
		return err
	}
	event, err := h.decode(ctx, *raw)
	if err != nil || event.CommandID != id && event.EventID != id && event.CorrelationID != id {
		return err
	}
	key := commandKey{l.aggregate, event.AggregateID, event.CommandID}
	if before := t.commands[key]; before != nil &&
		slices.ContainsFunc(before.Events, func(e *TracedEvent) bool { return e.Version == event.Version }) {
		return nil // another id led here before
	}
	if !t.take(len(raw.value)) {
		return nil
	}
	command := t.command(key)
	command.CorrelationID, command.Actor, command.RecordedAt, command.Accepted = event.CorrelationID, event.Actor, event.RecordedAt, true
	command.Events = append(command.Events, &TracedEvent{HistoryEvent: event})
	return nil
}

func (t *tracer) addOutcome(ctx context.Context, id string, l lead) error {
	at, err := parseOutcomeSuffix(l.suffix)
	if err != nil {
		return fmt.Errorf("%w: %w", localdb.ErrDamaged, err)
	}
	outcome, found, err := t.set.outcomes[l.aggregate].Get(ctx, at.aggregateID, at.commandID)
	if err != nil || !found || outcome.CommandID != id && outcome.CorrelationID != id {
		return err
	}
	key := commandKey{l.aggregate, at.aggregateID, at.commandID}
	if t.commands[key] != nil || !t.take(0) {
		return nil
	}
	command := t.command(key)
	command.CorrelationID, command.RecordedAt, command.Accepted = outcome.CorrelationID, outcome.RecordedAt, outcome.Accepted
	command.Type, command.Actor, command.Rejection = outcome.CommandType, outcome.Actor, outcome.Rejection()
	return nil
}

// take makes room for one more, or notes that there is none.
func (t *tracer) take(bytes int) bool {
	if t.left <= 0 || t.bytes <= 0 {
		t.truncated = true
		return false
	}
	t.left--
	t.bytes -= bytes
	return true
}

func (t *tracer) command(key commandKey) *TracedCommand {
	c := t.commands[key]
	if c == nil {
		c = &TracedCommand{Aggregate: key.aggregate, AggregateID: key.aggregateID, CommandID: key.commandID}
		t.commands[key] = c
	}
	return c
}

func (t *tracer) correlationIDs() []string {
	ids := map[string]bool{}
	for _, c := range t.commands {
		ids[c.CorrelationID] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// nameCommands fills in what events do not say of their commands.
func (t *tracer) nameCommands(ctx context.Context) error {
	for key, c := range t.commands {
		if c.Type != "" {
			continue
		}
		outcome, found, err := t.set.outcomes[key.aggregate].Get(ctx, key.aggregateID, key.commandID)
		if err != nil {
			return err
		}
		if found && outcome.Accepted {
			c.Type = outcome.CommandType
		}
	}
	return nil
}
