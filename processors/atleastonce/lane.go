package atleastonce

import (
	"errors"
	"sync"
	"time"

	"github.com/lovoo/goka"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/topology"
)

// announceAfter is how long progress is gathered before it is written: a record for many steps instead of one for each.
const announceAfter = 10 * time.Millisecond

// lane is one assigned partition. Goka calls it from one goroutine; announcements come from another.
type lane struct {
	group     step.Group
	partition int32
	producer  *producer
	index     map[string]any // used by Goka's goroutine only
	purged    time.Time

	mu       sync.Mutex                  // orders announcements after the records that they speak of
	progress map[progressSource]int64    // not yet announced
	held     []func(error)               // commits that wait for the announcement
	keys     map[progressSource][]string // topology.ProgressKeys, by source
}

type progressSource struct {
	name      string
	partition int32
}

func newLane(group step.Group, partition int32, p *producer) *lane {
	return &lane{group: group, partition: partition, producer: p, index: map[string]any{}, purged: time.Now(),
		progress: map[progressSource]int64{}, keys: map[progressSource][]string{}}
}

// apply makes a step happen. Goka's commit is released when everything has been acknowledged.
func (l *lane) apply(ctx goka.Context, s step.Step, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pending := newCountdown(len(s.Records)+1, done)
	for i := range s.Records {
		l.producer.produce(&s.Records[i], pending.arrived)
	}
	if s.Row != nil {
		ctx.SetValue(s.Row.Encoded)
	}
	if s.Remember != nil {
		l.index[s.Remember.Key] = s.Remember.Value
		l.purge()
	}
	if s.Progress == nil || l.group.ProgressTopic == "" {
		pending.arrived(nil)
		return
	}
	source := progressSource{s.Progress.Source, s.Progress.Partition}
	l.progress[source] = max(l.progress[source], s.Progress.Offset)
	if l.held = append(l.held, pending.arrived); len(l.held) == 1 {
		time.AfterFunc(announceAfter, l.announce)
	}
}

// announce writes the gathered progress: into the lane's own partition of a table, or into every partition of another topic.
func (l *lane) announce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	held, progress := l.held, l.progress
	l.held, l.progress = nil, map[progressSource]int64{}
	var records []record.Record
	for source, offset := range progress {
		text := []byte(foldlog.Position{Aggregate: source.name, Partition: source.partition, Offset: offset}.String())
		for partition, key := range l.progressKeys(source) {
			if l.group.Table != nil && int32(partition) != l.partition {
				continue
			}
			records = append(records, record.Record{Topic: l.group.ProgressTopic, Key: []byte(key), Value: text,
				Headers: []record.Header{{Key: codecs.HeaderProgress, Value: text}}})
		}
	}
	release := func(err error) {
		for _, arrived := range held {
			arrived(err)
		}
	}
	pending := newCountdown(len(records), release)
	for i := range records {
		l.producer.produce(&records[i], pending.arrived)
	}
}

func (l *lane) progressKeys(source progressSource) []string {
	keys := l.keys[source]
	if keys == nil {
		keys = topology.ProgressKeys(source.name, source.partition, l.group.Partitions)
		l.keys[source] = keys
	}
	return keys
}

// purge drops, now and then, what the index need not retain.
func (l *lane) purge() {
	if time.Since(l.purged) < time.Hour {
		return
	}
	l.purged = time.Now()
	for key, value := range l.index {
		if !l.group.Index.Retain(step.IndexEntry{Key: key, Value: value}) {
			delete(l.index, key)
		}
	}
}

// countdown calls done once, when n things have arrived, with their errors.
type countdown struct {
	mu   sync.Mutex
	left int
	errs error
	done func(error)
}

func newCountdown(n int, done func(error)) *countdown { return &countdown{left: n, done: done} }

func (c *countdown) arrived(err error) {
	c.mu.Lock()
	c.left--
	c.errs = errors.Join(c.errs, err)
	last, errs := c.left == 0, c.errs
	c.mu.Unlock()
	if last {
		c.done(errs)
	}
}
