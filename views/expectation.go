package views

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foldlog/foldlog"
)

// maxKept bounds the outcomes that an expectation keeps, in case somebody floods the log with the
// same command id before the caller waits. The oldest ones go first.
const maxKept = 1024

// Expectation waits for the answer to one command. It belongs to one goroutine.
type Expectation struct {
	all *Expectations
	id  outcomeID

	mu      sync.Mutex
	arrived []arrival
	wake    chan struct{} // has room for one
}

type arrival struct {
	cause   foldlog.Position
	outcome foldlog.Outcome
}

// Wait returns the outcome of the command at that position, whether it has arrived or arrives
// later. If ctx ends first, the error wraps its cause: the outcome is unknown. Wait may be called
// again.
func (e *Expectation) Wait(ctx context.Context, at foldlog.Position) (foldlog.Outcome, error) {
	for {
		if outcome, ok := e.take(at); ok {
			return outcome, nil
		}
		select {
		case <-e.wake:
		case <-ctx.Done():
			return foldlog.Outcome{}, fmt.Errorf("outcome of command %s to %s at %s: %w", e.id.commandID, e.id.aggregateID, at, context.Cause(ctx))
		}
	}
}

// Close unregisters the expectation. It may be called more than once.
func (e *Expectation) Close() { e.all.remove(e) }

func (e *Expectation) take(at foldlog.Position) (foldlog.Outcome, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.arrived {
		if a.cause == at {
			return a.outcome, true
		}
	}
	return foldlog.Outcome{}, false
}

func (e *Expectation) put(a arrival) {
	e.mu.Lock()
	if len(e.arrived) == maxKept {
		e.arrived = slices.Delete(e.arrived, 0, 1)
	}
	e.arrived = append(e.arrived, a)
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Expectations are all open expectations of an aggregate type. They are safe for concurrent use.
type Expectations struct {
	waiters prometheus.Gauge
	mu      sync.Mutex
	byID    map[outcomeID][]*Expectation
}

// NewExpectations counts the open expectations in a gauge.
func NewExpectations(waiters prometheus.Gauge) *Expectations {
	return &Expectations{waiters: waiters, byID: map[outcomeID][]*Expectation{}}
}

// Expect registers for the outcomes of a command.
func (x *Expectations) Expect(aggregateID, commandID string) *Expectation {
	id := outcomeID{aggregateID, commandID}
	e := &Expectation{all: x, id: id, wake: make(chan struct{}, 1)}
	x.mu.Lock()
	x.byID[id] = append(x.byID[id], e)
	x.mu.Unlock()
	x.waiters.Inc()
	return e
}

func (x *Expectations) remove(e *Expectation) {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := x.byID[e.id]
	i := slices.Index(list, e)
	if i < 0 {
		return
	}
	if len(list) == 1 {
		delete(x.byID, e.id)
	} else {
		// arrived may still be iterating over the old slice.
		x.byID[e.id] = slices.Delete(slices.Clone(list), i, i+1)
	}
	x.waiters.Dec()
}

// For reports whether anybody expects an outcome of the aggregate.
func (x *Expectations) For(aggregateID string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id := range x.byID {
		if id.aggregateID == aggregateID {
			return true
		}
	}
	return false
}

// Arrived hands an outcome to everyone who expects it. The cause is the text of the record's
// header: the place of the command. It is nil in a record that Foldlog did not write.
func (x *Expectations) Arrived(aggregateID string, cause []byte, outcome foldlog.Outcome) {
	at := outcome.Position
	if position, err := foldlog.ParsePosition(string(cause)); err == nil {
		at = position
	}
	x.mu.Lock()
	list := x.byID[outcomeID{aggregateID, outcome.CommandID}]
	x.mu.Unlock()
	for _, e := range list {
		e.put(arrival{at, outcome})
	}
}
