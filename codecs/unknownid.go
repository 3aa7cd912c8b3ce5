package codecs

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/foldlog/foldlog/schemas"
)

// UnknownIDs decides what becomes of the records of a topic whose schema id the registry does not
// know. A replica of the registry may be some seconds behind, so the answer may pass. But anybody
// can write any id, and what stands behind the record in its partition waits with it.
//
// A record that was written in a transaction is most likely one of our own groups': it waits until
// its schema is known. Any other waits for 5 s, and a partition waits for no more than that in a
// minute. It is safe for concurrent use.
type UnknownIDs struct {
	mu    sync.Mutex
	waits map[int32]*wait // by partition
	now   func() time.Time
}

const (
	idPatience = 5 * time.Second
	idWindow   = time.Minute
)

// wait is the last wait of a partition.
type wait struct {
	offset int64
	since  time.Time
}

// NewUnknownIDs returns the patience for one topic.
func NewUnknownIDs() *UnknownIDs { return &UnknownIDs{waits: map[int32]*wait{}, now: time.Now} }

// Retry returns an error that wraps schemas.ErrUnavailable if the record is to be read again, or
// nil if err stands: it says something else than that the id is unknown, or it was waited for.
func (u *UnknownIDs) Retry(in *Record, err error) error {
	if !errors.Is(err, schemas.ErrUnknownID) {
		return nil
	}
	again := fmt.Errorf("%w: %w", schemas.ErrUnavailable, err)
	if in.Transactional {
		return again
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	now, last := u.now(), u.waits[in.Partition]
	if last == nil || last.offset != in.Offset && now.Sub(last.since) > idWindow {
		u.waits[in.Partition] = &wait{in.Offset, now}
		return again
	}
	if last.offset == in.Offset && now.Sub(last.since) < idPatience {
		return again
	}
	return nil
}
