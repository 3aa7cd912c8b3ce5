package counter

import (
	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/topology"
)

// Max is the highest that a counter goes.
const Max = 1_000_000_000

// Codes of refusals, in order of precedence; invalid_field comes before them.
//
// NB: must not change. They are stored in outcomes.
const (
	CodeAboveMax  = "above_max"
	CodeBelowZero = "below_zero"
)

// Command is a command to a counter.
type Command interface{ isCommand() }

// Increment makes the counter go up. Codes: above_max.
type Increment struct {
	By int64 `json:"by"`
}

// Decrement makes the counter go down. Codes: below_zero.
type Decrement struct {
	By int64 `json:"by"`
}

// Reset makes the counter zero. If it is zero already, nothing happens.
type Reset struct{}

func (Increment) isCommand() {}
func (Decrement) isCommand() {}
func (Reset) isCommand()     {}

// Validate implements [foldlog.Validator].
func (c Increment) Validate() error { return checkStep(c.By) }

// Validate implements [foldlog.Validator].
func (c Decrement) Validate() error { return checkStep(c.By) }

func checkStep(by int64) error {
	if by < 1 || by > Max {
		return foldlog.InvalidField("by", "is %d; use 1 to %d", by, int64(Max))
	}
	return nil
}

// Event is an event of a counter.
type Event interface{ isEvent() }

// Changed says that the counter went up, or down if Delta is negative.
type Changed struct {
	Delta int64 `json:"delta"`
}

// WasReset says that the counter went from From to zero.
type WasReset struct {
	From int64 `json:"from"`
}

func (Changed) isEvent()  {}
func (WasReset) isEvent() {}

// State is a counter.
type State struct {
	Value int64 `json:"value"`
}

// Decider returns the counter's write model.
func Decider() foldlog.Decider[State, Command, Event] {
	return foldlog.Decider[State, Command, Event]{Decide: decide, Evolve: evolve}
}

func decide(s State, c foldlog.Command[Command]) ([]Event, error) {
	switch c := c.Data.(type) {
	case Increment:
		if s.Value > Max-c.By {
			return nil, foldlog.Reject(CodeAboveMax, "%d more than %d is above %d", c.By, s.Value, int64(Max))
		}
		return []Event{Changed{Delta: c.By}}, nil
	case Decrement:
		if s.Value < c.By {
			return nil, foldlog.Reject(CodeBelowZero, "%d less than %d is below zero", c.By, s.Value)
		}
		return []Event{Changed{Delta: -c.By}}, nil
	case Reset:
		if s.Value == 0 {
			return nil, nil
		}
		return []Event{WasReset{From: s.Value}}, nil
	}
	return nil, foldlog.Unhandled(c.Data)
}

func evolve(s State, e foldlog.Event[Event]) State {
	switch e := e.Data.(type) {
	case Changed:
		s.Value += e.Delta
	case WasReset:
		s.Value = 0
	default:
		panic(foldlog.Unhandled(e))
	}
	return s
}

// CountsRow is a row of the view counts.
type CountsRow struct {
	Value int64 `json:"value"`
	// Changes is how often the counter changed.
	Changes int64 `json:"changes"`
}

// Counts returns the projection behind the view counts.
func Counts() foldlog.Projection[CountsRow, Event] {
	return foldlog.Projection[CountsRow, Event]{Project: count}
}

func count(row CountsRow, e foldlog.Event[Event]) CountsRow {
	return CountsRow{Value: evolve(State{Value: row.Value}, e).Value, Changes: row.Changes + 1}
}

// Topology returns the declared system.
//
// NB: names must not change.
func Topology() *topology.Topology {
	return topology.New("counter",
		topology.Aggregate("counter", Decider(),
			topology.Commands(
				topology.Command[Increment]("increment"),
				topology.Command[Decrement]("decrement"),
				topology.Command[Reset]("reset"),
			),
			topology.Events(
				topology.Event[Changed]("Changed"),
				topology.Event[WasReset]("WasReset"),
			),
		),
		topology.Projection("counts", "counter", Counts()),
	)
}
