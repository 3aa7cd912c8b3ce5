package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// fold is an aggregate as its events make it.
type fold struct {
	state               state
	version, recordedAt int64
	chain               []byte
	last                spot // the last event
	cause               spot // its command
}

// folding is what folding all events gives.
type folding struct {
	folds map[string]map[string]*fold // aggregate type, id
	rows  rows
	money *ledger
}

// watch is called for each version that an aggregate came to.
type watch func(aggregate, id string, version int64, s state)

// foldEvents folds the events and checks that they are whole (I2).
func (d *dump) foldEvents(seen watch) *folding {
	f := &folding{folds: map[string]map[string]*fold{}, money: newLedger()}
	projector := newProjector()
	for _, a := range aggregates {
		topic := d.names.events(a)
		f.folds[a] = map[string]*fold{}
		ids := map[string]spot{}
		for _, e := range d.events[a] {
			d.checked(Versions, 1)
			where := e.in(topic)
			if e.key != e.aggregateID {
				d.violate(Versions, where, "the record's key is %q, the event's aggregate %q", e.key, e.aggregateID)
			}
			if want := partitionOf(e.aggregateID, d.run.Partitions); want != e.partition {
				d.violate(Versions, where, "%s %s belongs to partition %d", a, e.aggregateID, want)
			}
			if first, twice := ids[e.id]; twice {
				d.violate(Versions, where, "event %s of %s %s is there already, at %s", e.id, a, e.aggregateID, first.in(topic))
			}
			ids[e.id] = e.spot
			if e.copies != "" {
				d.violate(Versions, where, "the headers are no copy of the event: %s", e.copies)
			}
			if cause := (position{a, e.cause.partition, e.cause.offset}).String(); e.progress != cause {
				d.violate(Versions, where, "header %s is %q, not %s", headerProgress, e.progress, cause)
			}
			now := f.folds[a][e.aggregateID]
			if now == nil {
				now = &fold{chain: make([]byte, sha256.Size)}
				f.folds[a][e.aggregateID] = now
			}
			d.checkChain(topic, now, e)
			if e.version != now.version+1 {
				d.violate(Versions, where, "%s %s has version %d after %d", a, e.aggregateID, e.version, now.version)
			}
			if e.recordedAt < now.recordedAt {
				d.violate(Versions, where, "%s %s: recorded_at went back by %d us", a, e.aggregateID, now.recordedAt-e.recordedAt)
			}
			if e.version <= now.version {
				continue // what was folded stays
			}
			now.state = evolve(now.state, e.kind, e.payload)
			now.version, now.recordedAt, now.last, now.cause = e.version, e.recordedAt, e.spot, e.cause
			projector.add(e)
			f.money.add(e)
			if seen != nil {
				seen(a, e.aggregateID, e.version, now.state)
			}
		}
	}
	f.rows = projector.rows(f.folds)
	return f
}

// checkChain checks the event's link of the chain, and goes on from the one that it has.
func (d *dump) checkChain(topic string, now *fold, e *event) {
	h := sha256.New()
	_, _ = h.Write(now.chain)
	print := d.schemas.writer(int(binary.BigEndian.Uint32(e.value[1:5]))).fingerprint
	_, _ = h.Write(print[:])
	_, _ = h.Write(e.value[5:])
	if want := h.Sum(nil); !bytes.Equal(e.chain, want) {
		d.violate(Versions, e.in(topic), "header %s is %x, not %x: an event before it or this one was changed, removed or added", headerChain, e.chain, want)
	}
	if e.version > now.version {
		now.chain = e.chain
	}
}
