package exactlyonce

import (
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/record"
)

// carrierSize is the number of inputs that Goka gets as one message: its path from the claim to the
// callback is paid once for all of them.
const carrierSize = 512

// inboxLimit is the number of inputs that may wait in front of a lane. With more, its partition is
// not fetched for a while.
const inboxLimit = 8 * carrierSize

// carrier is a run of inputs of one partition.
type carrier struct {
	records []record.Record
	first   int64 // offset by which Goka's message and the carrier know each other
	next    int64 // offset after the last record, control records included
	bytes   int64 // of memory
}

// carriers splits fetched records. Control records are left out, but count for the place in the
// log.
func carriers(fetched []*kgo.Record) []*carrier {
	var all []*carrier
	for len(fetched) > 0 {
		n := min(len(fetched), carrierSize)
		c := &carrier{records: make([]record.Record, 0, n), first: fetched[0].Offset, next: fetched[n-1].Offset + 1}
		for _, r := range fetched[:n] {
			if r.Attrs.IsControl() {
				continue
			}
			in := record.Of(r)
			c.records = append(c.records, in)
			c.bytes += memoryOf(&in)
		}
		all = append(all, c)
		fetched = fetched[n:]
	}
	return all
}

// memoryOf returns about how many bytes of memory an input takes.
func memoryOf(r *record.Record) int64 { return int64(256 + r.Size() + 40*len(r.Headers)) }

// inbox is the carriers in front of a lane. Goka gets a token for each through the claim's
// messages.
type inbox struct {
	mu       sync.Mutex
	carriers []*carrier
	inputs   int
	limit    int64        // in bytes
	bytes    atomic.Int64 // of the carriers here and the one that is being handled
	paused   atomic.Bool  // nothing is fetched for the lane
	taken    chan struct{}
	tokens   chan *sarama.ConsumerMessage
}

func (b *inbox) init(limit int64) {
	b.limit = limit
	b.taken = make(chan struct{}, 1)
	// Every carrier in the inbox has its token in the channel or with Goka, so the channel never
	// blocks the fetcher for one lane.
	b.tokens = make(chan *sarama.ConsumerMessage, 4096)
}

// put adds a carrier.
func (b *inbox) put(c *carrier, topic string, partition int32) {
	b.mu.Lock()
	b.carriers = append(b.carriers, c)
	b.inputs += len(c.records) + 1
	b.bytes.Add(c.bytes)
	b.mu.Unlock()
	b.tokens <- &sarama.ConsumerMessage{Topic: topic, Partition: partition, Offset: c.first}
}

// take returns the carrier of the token that Goka brings, or nil if there is none.
func (b *inbox) take() *carrier {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.carriers) == 0 {
		return nil
	}
	c := b.carriers[0]
	b.carriers[0] = nil
	b.carriers = b.carriers[1:]
	b.inputs -= len(c.records) + 1
	notify(b.taken)
	return c
}

func (b *inbox) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inputs > inboxLimit || len(b.carriers) > cap(b.tokens)/2 || b.bytes.Load() > b.limit
}
