package codecs

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/foldlog/foldlog/schemas"
)

// A schema that the registry does not know yet is waited for, a flood of made-up ids is not, and an
// own event is never given up.
func TestUnknownIDs(t *testing.T) {
	now := time.Now()
	u := NewUnknownIDs()
	u.now = func() time.Time { return now }
	unknown := &Undecodable{Cause: fmt.Errorf("schema id 7: %w", schemas.ErrUnknownID)}
	waits := func(partition int32, offset int64, transactional bool) bool {
		return u.Retry(&Record{Partition: partition, Offset: offset, Transactional: transactional}, unknown) != nil
	}
	if !waits(0, 1, false) {
		t.Error("the first input is given up at once")
	}
	now = now.Add(idPatience - time.Second)
	if !waits(0, 1, false) || !waits(1, 1, false) {
		t.Error("an input is given up too early")
	}
	now = now.Add(2 * time.Second)
	if waits(0, 1, false) {
		t.Error("an input waits for longer than its patience")
	}
	if waits(0, 2, false) || waits(0, 3, false) {
		t.Error("the inputs behind it wait, too")
	}
	if !waits(0, 4, true) {
		t.Error("an own event is given up")
	}
	now = now.Add(idWindow)
	if !waits(0, 5, false) {
		t.Error("nothing waits any more")
	}
	if err := u.Retry(&Record{}, &Undecodable{Cause: errors.New("no Avro")}); err != nil {
		t.Errorf("what is no Avro waits: %v", err)
	}
}
