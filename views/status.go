package views

import (
	"context"
	"fmt"
	"sync"
	"time"
)

type phase int

const (
	phaseStopped phase = iota
	phaseConnecting
	phaseRecovering
	phaseTailing
	phaseFailed
)

// status says what a replica is doing, for readiness and for the monitor. It is safe for concurrent
// use. Its zero value is a replica that was not started.
type status struct {
	mu        sync.Mutex
	phase     phase
	remaining int64  // records that the restore still has to read
	waits     string // what the restore waits for
	err       error  // why the last attempt failed
	lost      time.Time
	topicID   string
	ends      map[int32]int64 // the committed end of each partition as of endsAt
	endsAt    time.Time
	cancel    context.CancelCauseFunc
}

func (s *status) connecting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = phaseConnecting
}

func (s *status) recovering(remaining int64, waits string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase, s.remaining, s.waits = phaseRecovering, remaining, waits
}

// tailing notes that the replica follows the log. Calling interrupt makes it connect anew.
func (s *status) tailing(d description, interrupt context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase, s.remaining, s.waits, s.err, s.cancel = phaseTailing, 0, "", nil, interrupt
	s.topicID, s.ends, s.endsAt = d.id, d.end, d.at
	s.lost = time.Time{}
}

func (s *status) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase, s.err, s.cancel = phaseFailed, err, nil
	if s.lost.IsZero() {
		s.lost = time.Now()
	}
}

func (s *status) stopped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase, s.cancel = phaseStopped, nil
}

// interrupt ends the replica's tailing, if it tails, with a cause.
func (s *status) interrupt(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel(cause)
	}
}

// followed returns the id of the topic that the replica tails. ok is false if it does not tail.
func (s *status) followed() (topicID string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topicID, s.phase == phaseTailing
}

// observed notes the committed ends of the log.
func (s *status) observed(ends map[int32]int64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends, s.endsAt = ends, at
}

// freshness returns the last known ends and their time, and the time since which the replica has
// not followed its topic (zero if it follows).
func (s *status) freshness() (ends map[int32]int64, at, lost time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends, s.endsAt, s.lost, s.err
}

// describe says what the replica is doing, for people.
func (s *status) describe() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := ""
	switch s.phase {
	case phaseStopped:
		return "it is not running"
	case phaseConnecting:
		text = "connecting to Kafka"
	case phaseRecovering:
		text = fmt.Sprintf("recovering, %d records left", s.remaining)
		if s.waits != "" {
			return text + ": " + s.waits
		}
	case phaseTailing:
		return "following the log"
	case phaseFailed:
		text = "about to connect again"
	}
	if s.err != nil {
		text += fmt.Sprintf(" (the last attempt failed: %s)", oneLine(s.err))
	}
	return text
}
