package views

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/foldlog/foldlog/internal/kafkalog"
)

const (
	// lookEvery is the interval between two comparisons of stores and log.
	lookEvery = time.Second
	// lookTimeout bounds one comparison.
	lookTimeout = 10 * time.Second
	// stalledAfter is the time for which a tail may have readable records before it without moving.
	stalledAfter = 20 * time.Second
	// syncEvery is the interval at which a store notes that it is in step with the log.
	syncEvery = time.Minute
)

// errFound ends a probe at the first record.
var errFound = errors.New("found a record")

// monitor compares the replicas with the log: lag, re-created and truncated topics, stalled tails.
type monitor struct {
	admin  *kadm.Client
	probes *kafkalog.Log
	log    *slog.Logger
	seen   []*sight
}

// sight is what the monitor remembers of one replica.
type sight struct {
	r         *replica
	positions []int64   // at the last look
	moved     time.Time // when they last changed, or had nothing before them
	// The store has everything that was in the log at the time sampled once its positions reach
	// sample.
	sample    map[int32]int64
	sampled   time.Time
	persisted time.Time
}

func newMonitor(admin *kadm.Client, probes *kafkalog.Log, log *slog.Logger, replicas []*replica) *monitor {
	m := &monitor{admin: admin, probes: probes, log: log}
	for _, r := range replicas {
		m.seen = append(m.seen, &sight{r: r})
	}
	return m
}

func (m *monitor) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := m.look(ctx); err != nil && ctx.Err() == nil {
			m.log.Debug("compare views with the log", "error", err)
		}
	}
}

// look compares every replica that follows its topic with the log.
func (m *monitor) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var topics []string
	// taken before the ends are listed, so that none can be beyond its end
	positions := map[*sight][]int64{}
	for _, s := range m.seen {
		if _, follows := s.r.status.followed(); !follows {
			s.positions = nil
			// of a projection: it was dropped, or has not begun. What does not follow does not lag
			if s.r.version != nil {
				s.r.metrics.lag.DeletePartialMatch(prometheus.Labels{"topic": s.r.topic})
			}
			continue
		}
		topics = append(topics, s.r.topic)
		positions[s] = s.r.positions()
	}
	if len(topics) == 0 {
		return nil
	}
	at := time.Now()
	details, err := m.admin.ListTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("describe topics: %w", err)
	}
	ends, err := m.admin.ListCommittedOffsets(ctx, topics...)
	if err != nil && len(ends) == 0 {
		return fmt.Errorf("list committed offsets: %w", err)
	}
	for s, before := range positions {
		if err := m.compare(ctx, s, before, details[s.r.topic], ends, at); err != nil {
			m.log.Debug("compare a view with its topic", "topic", s.r.topic, "error", err)
		}
	}
	return nil
}

func (m *monitor) compare(ctx context.Context, s *sight, before []int64, detail kadm.TopicDetail, listed kadm.ListedOffsets, at time.Time) error {
	r := s.r
	id, follows := r.status.followed()
	switch {
	case !follows:
		return nil
	case errors.Is(detail.Err, kerr.UnknownTopicOrPartition):
		r.status.interrupt(fmt.Errorf("topic %s does not exist any more", r.topic))
		return nil
	case detail.Err != nil:
		return detail.Err
	case detail.ID.String() != id:
		r.status.interrupt(fmt.Errorf("topic %s was created anew", r.topic))
		return nil
	}
	ends := map[int32]int64{}
	for p := range int32(r.partitions) {
		end, ok := listed.Lookup(r.topic, p)
		if !ok {
			return fmt.Errorf("committed offset of %s/%d: no answer", r.topic, p)
		}
		if end.Err != nil {
			return fmt.Errorf("committed offset of %s/%d: %w", r.topic, p, end.Err)
		}
		if ends[p] = end.Offset; end.Offset < before[p] {
			r.status.interrupt(fmt.Errorf("%s/%d ends at %d, but the view has read up to %d", r.topic, p, end.Offset, before[p]))
			return nil
		}
	}
	r.status.observed(ends, at)
	for p, end := range ends {
		r.metrics.lag.WithLabelValues(r.topic, strconv.Itoa(int(p))).Set(float64(max(0, end-r.position(p))))
	}
	if err := m.step(s, ends, at); err != nil {
		return err
	}
	return m.examine(ctx, s, before, ends)
}

// step notes in the store the time since which it has everything.
func (m *monitor) step(s *sight, ends map[int32]int64, at time.Time) error {
	if !s.r.compacted {
		return nil
	}
	if s.sample == nil {
		s.sample, s.sampled = ends, at
	}
	for p, end := range s.sample {
		if s.r.position(p) < end {
			return nil
		}
	}
	since := s.sampled
	s.sample, s.sampled = ends, at
	if since.Sub(s.persisted) < syncEvery {
		return nil
	}
	err := s.r.use(func(st *store) error { return st.setSynced(since) })
	if err == nil {
		s.persisted = since
	}
	return err
}

// examine looks at the log between a tail that does not move and the end. Markers, aborted records
// and holes are no lag: the position moves behind them. Records are lag, and after a while the
// replica has to connect again.
func (m *monitor) examine(ctx context.Context, s *sight, before []int64, ends map[int32]int64) error {
	r := s.r
	from, to := map[int32]int64{}, map[int32]int64{}
	for p, end := range ends {
		if s.positions != nil && before[p] == s.positions[p] && before[p] < end {
			from[p], to[p] = before[p], end
		}
	}
	s.positions = before
	if len(from) == 0 {
		s.moved = time.Now()
		return nil
	}
	lacks := false
	for p := range from {
		err := m.probes.Read(ctx, r.topic, p, from[p], to[p], func(part kafkalog.Part) error {
			if len(part.Records) > 0 {
				return errFound
			}
			return nil
		})
		switch {
		case errors.Is(err, errFound):
			lacks = true
			if time.Since(s.moved) > stalledAfter {
				r.status.interrupt(fmt.Errorf("the view of %s/%d has not moved from %d for %s although records follow", r.topic, p, from[p], stalledAfter))
			}
		case err != nil:
			return err
		case r.next[p].CompareAndSwap(from[p], to[p]):
			s.positions[p] = to[p]
		}
	}
	if !lacks {
		s.moved = time.Now()
	}
	return nil
}

// positions returns, for each partition, the next offset to apply.
func (r *replica) positions() []int64 {
	all := make([]int64, r.partitions)
	for p := range all {
		all[p] = r.position(int32(p))
	}
	return all
}

// sumLag returns how many committed records the store lacks, as far as ends are known.
func (r *replica) sumLag(ends map[int32]int64) (total int64) {
	for p, end := range ends {
		total += max(0, end-r.position(p))
	}
	return total
}
