package topology

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Settings are the numbers behind the topics. The zero value of each field means its default.
type Settings struct {
	// Prefix is [Names.Prefix]; default none.
	Prefix string
	// Partitions is the partition count of every topic that follows from an aggregate type; default
	// 12. It is part of the contract: keys would move away from their state if it changed, so
	// processes refuse to start on another count.
	Partitions int
	// ReplicationFactor of every topic; default 3.
	ReplicationFactor int
	// MinISR is min.insync.replicas of every topic; default 2, or 1 if the replication factor is 1.
	MinISR int
	// Horizon is how long a command id is remembered, by recorded time; default 7 days.
	Horizon time.Duration
	// OutcomeRetention is how long outcomes are kept; default a day longer than Horizon, and never
	// less than it: processors read the command ids that they know back from the outcomes.
	OutcomeRetention time.Duration
	// CommandRetention is how long commands are kept; default 30 days.
	CommandRetention time.Duration
	// DeadLetterRetention is how long dead letters are kept; default 90 days.
	DeadLetterRetention time.Duration
}

const day = 24 * time.Hour

// EnsureDefaults sets each zero field to its default.
func (s *Settings) EnsureDefaults() {
	s.Partitions = cmp.Or(s.Partitions, 12)
	s.ReplicationFactor = cmp.Or(s.ReplicationFactor, 3)
	if s.ReplicationFactor == 1 {
		s.MinISR = cmp.Or(s.MinISR, 1)
	}
	s.MinISR = cmp.Or(s.MinISR, 2)
	s.Horizon = cmp.Or(s.Horizon, 7*day)
	s.OutcomeRetention = cmp.Or(s.OutcomeRetention, s.Horizon+day)
	s.CommandRetention = cmp.Or(s.CommandRetention, 30*day)
	s.DeadLetterRetention = cmp.Or(s.DeadLetterRetention, 90*day)
}

// Validate returns all that is wrong with the settings, after EnsureDefaults.
func (s Settings) Validate() error {
	var all []error
	if s.Prefix != "" && !topicName.MatchString(s.Prefix) {
		all = append(all, fmt.Errorf("topic prefix %q: use ASCII letters, digits, '.', '_' and '-'", s.Prefix))
	}
	if s.Partitions < 1 || s.Partitions > 1024 {
		all = append(all, fmt.Errorf("partitions %d: use 1 to 1024", s.Partitions))
	}
	if s.ReplicationFactor < 1 {
		all = append(all, fmt.Errorf("replication factor %d: use at least 1 (3 in production)", s.ReplicationFactor))
	}
	if s.MinISR < 1 || s.MinISR > s.ReplicationFactor {
		all = append(all, fmt.Errorf("min ISR %d: use 1 to the replication factor, %d", s.MinISR, s.ReplicationFactor))
	}
	if s.Horizon < time.Hour {
		all = append(all, fmt.Errorf("horizon %s: use at least an hour; command ids repeated after it are executed again", s.Horizon))
	}
	if s.OutcomeRetention < s.Horizon {
		all = append(all, fmt.Errorf("outcome retention %s: use at least the horizon, %s; the outcomes are what repeated command ids are recognised by", s.OutcomeRetention, s.Horizon))
	}
	if s.CommandRetention < day || s.DeadLetterRetention < day {
		all = append(all, errors.New("retention of commands and dead letters: use at least a day"))
	}
	return errors.Join(all...)
}
