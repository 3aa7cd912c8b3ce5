package exactlyonce

import (
	"sync/atomic"
	"time"
)

// Metrics are called when something happened. Nil functions are skipped. They must return at once
// and may be called from several goroutines.
type Metrics struct {
	// Transaction is called after each transaction.
	Transaction func(TransactionStats)
	// Restored is called after the restore of a partition.
	Restored func(RestoreStats)
	// Flushed is called after committed rows went to the local store.
	Flushed func(rows int, took time.Duration)
	// Rebalanced is called for each new assignment, with the number of partitions.
	Rebalanced func(partitions int)
	// StoreRebuilt is called when a local store could not be trusted, with the reason.
	StoreRebuilt func(partition int32, reason string)
	// Foreign is called for each record of the group's own topics that it cannot have written.
	Foreign func(topic string)
	// Retried is called each time a handler's error makes an input wait.
	Retried func(partition int32, err error)
}

// TransactionStats describes one transaction.
type TransactionStats struct {
	// Cut is the time to take the batches from the lanes, Run the time of the transaction at the
	// brokers, Apply the time to hand the committed rows to the store.
	Cut, Run, Apply time.Duration
	Inputs          int
	Records         int // all that were written, rows and progress included
	Rows            int
	Bytes           int
	Lanes           int
	// OffsetsOnly is true if no step had an effect: then offsets were committed without a
	// transaction.
	OffsetsOnly bool
}

// RestoreStats describes the restore of one partition.
type RestoreStats struct {
	Topic     string
	Partition int32
	From, To  int64
	Records   int
	Took      time.Duration
	Fenced    int // transactions of dead owners that were aborted
}

// Stats is the present state of a group.
type Stats struct {
	// Lag is the number of offsets between the last handled input and the end of the input, by
	// assigned partition.
	Lag map[int32]int64
	// Waiting holds the next input of each partition that is not handled yet. In a group that keeps
	// up it is there for less than a second.
	Waiting map[int32]Wait
	// OldestTransaction is the time for which the transaction that is being committed has been
	// running; 0 if there is none.
	OldestTransaction time.Duration
	// Unflushed is the number of committed rows that are not in the local store yet.
	Unflushed int64
	// Restoring holds the number of remaining records for each partition that is being restored.
	Restoring map[int32]int64
}

func (m *Metrics) transaction(s TransactionStats) {
	if m.Transaction != nil {
		m.Transaction(s)
	}
}

func (m *Metrics) restored(s RestoreStats) {
	if m.Restored != nil {
		m.Restored(s)
	}
}

func (m *Metrics) flushed(rows int, took time.Duration) {
	if m.Flushed != nil {
		m.Flushed(rows, took)
	}
}

func (m *Metrics) rebalanced(partitions int) {
	if m.Rebalanced != nil {
		m.Rebalanced(partitions)
	}
}

func (m *Metrics) storeRebuilt(partition int32, reason string) {
	if m.StoreRebuilt != nil {
		m.StoreRebuilt(partition, reason)
	}
}

func (m *Metrics) foreign(topic string) {
	if m.Foreign != nil {
		m.Foreign(topic)
	}
}

func (m *Metrics) retried(partition int32, err error) {
	if m.Retried != nil {
		m.Retried(partition, err)
	}
}

// clock is the time when something began, or zero if nothing is under way.
type clock struct{ began atomic.Int64 }

func (c *clock) start() { c.began.Store(time.Now().UnixNano()) }
func (c *clock) stop()  { c.began.Store(0) }

func (c *clock) age() time.Duration {
	began := c.began.Load()
	if began == 0 {
		return 0
	}
	return time.Since(time.Unix(0, began))
}
