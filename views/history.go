package views

import (
	"context"
	"fmt"

	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/localdb"
	"github.com/foldlog/foldlog/topology"
)

// History is the events of one aggregate type, by aggregate id in the order of their versions.
// Reading costs as much as it returns, however many other events there are. It is safe for
// concurrent use.
type History struct {
	follower
	codec *codecs.Aggregate
}

// HistoryEvent is an event with its place in the log.
type HistoryEvent struct {
	foldlog.Event[any]
	// Partition and Offset are the record's place in the topic of events.
	Partition int32
	Offset    int64
	// Chain is the event's link in its aggregate's hash chain, and Cause the place of its command,
	// both from the record's headers. They are empty if the record had none.
	Chain []byte
	Cause string
}

// HistoryQuery selects a page of an aggregate's events.
type HistoryQuery struct {
	// After is the version behind which the page starts; 0 is the beginning.
	After int64
	// Limit is the largest number of events; 0 means DefaultLimit, and more than MaxLimit means
	// MaxLimit.
	Limit int
	// Token must be visible in the page.
	Token foldlog.Token
}

// HistoryPage is a page of an aggregate's events.
type HistoryPage struct {
	// Events have consecutive versions, the first one behind After.
	Events []HistoryEvent
	// Next is the version to give as After for the next page; 0 if this is the last one. A page of
	// large events may be shorter than asked for and still have a next one.
	Next int64
	// Newest is the aggregate's newest version; 0 if it has no events.
	Newest int64
	// Position is contained in the page.
	Position foldlog.Token
}

// Page returns events of an aggregate once the query's token is visible. Of the token, entries of
// other aggregate types and of partitions that cannot hold the aggregate are ignored.
//
// It fails with ErrNotReady, with a RowError if an event cannot be decoded, and with a GapError if
// a version is missing. It fails with ErrNotYetVisible if ctx ends before the token is visible, and
// at once if it never can be.
func (h *History) Page(ctx context.Context, id string, q HistoryQuery) (HistoryPage, error) {
	if err := h.awaitID(ctx, id, q.Token); err != nil {
		return HistoryPage{}, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	raw, err := h.read(id, q.After, min(limit, MaxLimit))
	if err != nil {
		return HistoryPage{}, err
	}
	page := HistoryPage{Newest: raw.newest, Position: raw.position}
	for _, r := range raw.events {
		event, err := h.decode(ctx, r)
		if err != nil {
			return HistoryPage{}, err
		}
		page.Events = append(page.Events, event)
	}
	if n := len(raw.events); n > 0 && raw.more {
		page.Next = raw.events[n-1].version
	}
	return page, nil
}

// awaitID waits until the token is visible in the partition of the aggregate's events.
func (h *History) awaitID(ctx context.Context, id string, token foldlog.Token) error {
	home := h.home(id)
	return h.await(ctx, token, func(e foldlog.Position) []int32 {
		if e.Partition == home {
			return []int32{home}
		}
		return nil
	})
}

func (h *History) home(id string) int32 {
	return topology.PartitionOf([]byte(id), h.replica.partitions)
}

// rawEvents are consecutive events of an aggregate in their stored form.
type rawEvents struct {
	events   []rawEvent
	more     bool // there are further ones
	newest   int64
	position foldlog.Token
}

type rawEvent struct {
	eventID
	storedEvent
}

// read returns events behind a version, at most limit and at most maxPageBytes, but at least one.
func (h *History) read(id string, after int64, limit int) (raw rawEvents, err error) {
	err = h.replica.use(func(s *store) error {
		// The position comes first: a later write may be in the page and not in the position, never
		// the other way round.
		raw.position = h.token(h.progress.of(h.home(id), h.source))
		if foldlog.CheckAggregateID(id) != nil {
			return nil // no event has such an id, and with a zero byte it would match others' keys
		}
		iter := s.db.NewIterator(util.BytesPrefix(append(append([]byte{kindEvent}, id...), 0)), nil)
		defer iter.Release()
		if iter.Last() {
			if raw.newest, err = versionAt(iter); err != nil {
				return err
			}
		}
		size := 0
		for ok := iter.Seek(eventID{id, after + 1}.key()); ok; ok = iter.Next() {
			if len(raw.events) == limit || size >= maxPageBytes {
				raw.more = true
				break
			}
			version, err := versionAt(iter)
			if err != nil {
				return err
			}
			if want := after + 1 + int64(len(raw.events)); version != want {
				return &GapError{Topic: h.replica.topic, Partition: h.home(id), AggregateID: id, Version: want, Next: version}
			}
			stored, err := decodeStoredEvent(iter.Value())
			if err != nil {
				return err
			}
			raw.events = append(raw.events, rawEvent{eventID{id, version}, stored})
			size += len(iter.Value())
		}
		return s.failure("scan", iter.Error())
	})
	return raw, err
}

func versionAt(iter iterator.Iterator) (int64, error) {
	id, err := parseEventSuffix(iter.Key()[1:])
	if err != nil {
		return 0, fmt.Errorf("%w: %w", localdb.ErrDamaged, err)
	}
	return id.version, nil
}

func (h *History) decode(ctx context.Context, raw rawEvent) (HistoryEvent, error) {
	event, err := h.codec.DecodeEvent(ctx, raw.value)
	if err != nil {
		return HistoryEvent{}, &RowError{Topic: h.replica.topic, Partition: h.home(raw.aggregateID),
			Key: fmt.Sprintf("%s version %d", raw.aggregateID, raw.version), Err: err}
	}
	return HistoryEvent{Event: event, Partition: h.home(raw.aggregateID), Offset: raw.offset, Chain: raw.chain, Cause: string(raw.cause)}, nil
}
