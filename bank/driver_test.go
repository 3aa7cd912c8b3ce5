package bank_test

import (
	"fmt"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/transfer"
	"github.com/foldlog/foldlog/topology"
)

// world runs the declared bank in memory: it executes one command at a time, as the engine would,
// and keeps what policies send until somebody decides that it arrives.
type world struct {
	topology *topology.Topology
	rows     map[string]*row
	// pending are the commands that policies have sent, in no particular order of arrival.
	pending []delivery
	// executed are the ids of commands that have arrived. What arrives again changes nothing.
	executed map[string]bool
	// reactions is whether policies run.
	reactions bool
	commands  int
}

type row struct {
	state   any
	version int64
}

// delivery is a command on its way.
type delivery struct {
	aggregate, id string
	commandID     string
	command       any
}

func newWorld() *world {
	return &world{topology: bank.Topology(), rows: map[string]*row{}, executed: map[string]bool{}, reactions: true}
}

func (w *world) row(aggregate, id string) *row {
	key := aggregate + "/" + id
	if w.rows[key] == nil {
		w.rows[key] = &row{state: w.topology.Aggregate(aggregate).Decider.Initial()}
	}
	return w.rows[key]
}

func (w *world) account(id string) account.Account {
	return w.row("account", id).state.(account.Account)
}

func (w *world) transfer(id string) transfer.Transfer {
	return w.row("transfer", id).state.(transfer.Transfer)
}

// execute has the aggregate decide a command and puts what policies send in reply among the pending
// ones.
func (w *world) execute(d delivery) ([]any, error) {
	w.commands++
	w.executed[d.commandID] = true
	if v, ok := d.command.(foldlog.Validator); ok {
		if err := v.Validate(); err != nil {
			return nil, err
		}
	}
	meta := foldlog.Meta{AggregateID: d.id, CommandID: d.commandID, RecordedAt: time.Unix(int64(w.commands), 0).UTC()}
	events, err := w.topology.Aggregate(d.aggregate).Decider.Decide(w.row(d.aggregate, d.id).state, foldlog.Command[any]{Meta: meta, Data: d.command})
	if err != nil {
		return nil, err
	}
	for i, data := range events {
		w.record(d.aggregate, meta, i, data)
	}
	return events, nil
}

// happened adds an event that no command caused.
func (w *world) happened(aggregate, id string, data any) {
	w.commands++
	w.record(aggregate, foldlog.Meta{AggregateID: id, CommandID: fmt.Sprintf("given-%d", w.commands)}, 0, data)
}

func (w *world) record(aggregate string, meta foldlog.Meta, index int, data any) {
	spec, row := w.topology.Aggregate(aggregate), w.row(aggregate, meta.AggregateID)
	row.version++
	event := foldlog.Event[any]{Meta: meta, EventID: foldlog.EventID(meta.CommandID, meta.AggregateID, index), Version: row.version, Data: data}
	row.state = spec.Decider.Evolve(row.state, event)
	if !w.reactions {
		return
	}
	for _, p := range w.topology.Policies {
		if p.Source != aggregate {
			continue
		}
		for i, send := range p.Policy.React(event) {
			w.pending = append(w.pending, delivery{send.Aggregate, send.ID, foldlog.PolicyCommandID(p.Name, event.EventID, i), send.Command})
		}
	}
}

// arrive takes one of the pending commands. It reports false for one that has arrived before.
func (w *world) arrive(which int) (d delivery, first bool) {
	d = w.pending[which]
	w.pending = append(w.pending[:which:which], w.pending[which+1:]...)
	return d, !w.executed[d.commandID]
}
