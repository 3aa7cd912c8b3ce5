package views

import (
	"sync"
	"time"
)

// noticeEvery bounds how often a replica logs about records. Metrics count all of them.
const noticeEvery = 10 * time.Second

// notices lets one notice through now and then.
type notices struct {
	mu   sync.Mutex
	last time.Time
}

func (n *notices) due() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := time.Now(); now.Sub(n.last) > noticeEvery {
		n.last = now
		return true
	}
	return false
}

// ignored logs a record that was skipped.
func (r *replica) ignored(rec record, why string) {
	if r.skipped.due() {
		r.log.Warn("a record was ignored", "partition", rec.partition, "offset", rec.offset, "key", rec.key, "why", why)
	}
}

// retried logs a record that could not be decoded yet.
func (r *replica) retried(rec record, err error) {
	if r.waited.due() {
		r.log.Warn("a record cannot be decoded yet, trying again", "partition", rec.partition, "offset", rec.offset, "error", err)
	}
}
