package views

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/localdb"
)

// historyIndex is the index of an events topic: events by aggregate id and version, the ids for
// tracing, and progress.
type historyIndex struct {
	progressIndex
	unknownIDs *codecs.UnknownIDs
	decode     func(ctx context.Context, value []byte) (foldlog.Event[any], error) // the envelope
	ignored    func(r record, why string)
	retried    func(r record, err error)
}

func (x *historyIndex) prepare(ctx context.Context, r record) (func(*store, *changes) error, error) {
	if r.key == "" || r.value == nil {
		return skip(r, "it has no key or no value", x.ignored), nil
	}
	if why := x.homeless(r.key, r.partition); why != "" {
		return skip(r, why, x.ignored), nil
	}
	// Only the envelope is decoded: an event of a type that only a newer release knows must be here
	// when that release comes.
	event, err := patiently(ctx, r, x.unknownIDs, x.retried, x.decode)
	if ended := ctx.Err(); err != nil && ended != nil {
		return nil, ended
	}
	if err == nil {
		err = foldlog.CheckAggregateID(event.AggregateID)
	}
	if err == nil && event.AggregateID != r.key {
		err = fmt.Errorf("its key is not the id of its aggregate, %q", event.AggregateID)
	}
	if err != nil {
		return skip(r, err.Error(), x.ignored), nil
	}
	return func(s *store, c *changes) error { return x.stageEvent(s, c, event, r) }, nil
}

// stageEvent keeps the event unless there is one of its version. That one stands: only its
// aggregate's processor writes a version, and writes it once.
func (x *historyIndex) stageEvent(s *store, c *changes, event foldlog.Event[any], r record) error {
	id := eventID{event.AggregateID, event.Version}
	key := id.key()
	have, err := c.get(s, key)
	if err != nil {
		return err
	}
	if have != nil {
		why := fmt.Sprintf("version %d of %s is there already, from another record", id.version, id.aggregateID)
		return skip(r, why, x.ignored)(s, c)
	}
	c.put(key, storedEvent{r.offset, r.chain, r.cause, r.value}.encode())
	traceIDsOf(event.CommandID, event.CorrelationID, event.EventID).each(event.RecordedAt, id.suffix(), func(key []byte) { c.put(key, nil) })
	c.count(kindNameEvent)
	if r.progress == nil {
		return nil
	}
	position, err := foldlog.ParsePosition(string(r.progress))
	if err != nil { // not one of ours: freshness is understated, nothing else
		return nil
	}
	return x.stage(s, c, r.partition, position)
}

// storedEvent is the stored form of an event: its record, without the parts that follow from its
// key.
type storedEvent struct {
	offset int64
	chain  []byte // header foldlog-chain
	cause  []byte // header foldlog-cause
	value  []byte
}

func (e storedEvent) encode() []byte {
	b := make([]byte, 0, len(e.chain)+len(e.cause)+len(e.value)+3*binary.MaxVarintLen32)
	b = binary.AppendUvarint(b, uint64(e.offset))
	for _, header := range [][]byte{e.chain, e.cause} {
		b = append(binary.AppendUvarint(b, uint64(len(header))), header...)
	}
	return append(b, e.value...)
}

// decodeStoredEvent reads the bytes that encode returned, into memory of its own.
func decodeStoredEvent(stored []byte) (storedEvent, error) {
	rest := slices.Clone(stored)
	offset, size := binary.Uvarint(rest)
	if size < 1 {
		return storedEvent{}, fmt.Errorf("%w: an event of %d bytes", localdb.ErrDamaged, len(stored))
	}
	e := storedEvent{offset: int64(offset)}
	rest = rest[size:]
	for _, header := range []*[]byte{&e.chain, &e.cause} {
		n, size := binary.Uvarint(rest)
		if size < 1 || n > uint64(len(rest)-size) {
			return storedEvent{}, fmt.Errorf("%w: an event of %d bytes", localdb.ErrDamaged, len(stored))
		}
		end := size + int(n)
		*header, rest = rest[size:end:end], rest[end:]
	}
	e.value = rest
	return e, nil
}
