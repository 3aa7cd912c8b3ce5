package exactlyonce

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// simBrokers is a cluster as its clients see it: logs, a transaction coordinator and a group
// coordinator.
type simBrokers struct {
	sim       *sim
	topics    map[string]*simTopic
	order     []*simTopic
	txns      map[string]*simTxn
	txnOrder  []*simTxn
	producers int64
	begun     int         // transactions so far
	ended     map[int]int // transaction -> the place of its commit among all commits
	group     simGroup
}

type simTopic struct {
	name       string
	id         string
	partitions []*simPartition
	rows       map[string]bool // of a table: "key=value" of each row that was ever committed
}

// simPartition is a log with transactions.
type simPartition struct {
	topic  string
	number int32
	log    []*simRecord
	start  int64
	end    int64
	open   map[int64]int64 // producer -> first offset of its open transaction
	epochs map[int64]int16
}

type simDecision int8

const (
	undecided simDecision = iota
	decidedCommitted
	decidedAborted
)

type simRecord struct {
	*kgo.Record
	producer int64
	txn      int // the transaction's number, in the order in which they begin
	state    simDecision
	horizon  time.Time // of a deletion: when compaction may remove it
}

func newSimBrokers(s *sim, partitions int, topics ...string) *simBrokers {
	b := &simBrokers{sim: s, topics: map[string]*simTopic{}, txns: map[string]*simTxn{}, ended: map[int]int{}}
	b.group.init(s)
	for _, name := range topics {
		b.create(name, partitions)
	}
	return b
}

func (b *simBrokers) create(name string, partitions int) {
	t := &simTopic{name: name, id: fmt.Sprintf("%s#%d", name, len(b.order))}
	for p := range partitions {
		t.partitions = append(t.partitions, &simPartition{topic: name, number: int32(p), open: map[int64]int64{}, epochs: map[int64]int16{}})
	}
	if strings.HasSuffix(name, "-table") {
		t.rows = map[string]bool{}
	}
	b.topics[name] = t
	b.order = append(b.order, t)
}

func (b *simBrokers) partition(topic string, number int32) *simPartition {
	return b.topics[topic].partitions[number]
}

// append writes a record. A producer below zero writes outside of transactions.
func (b *simBrokers) append(p *simPartition, r *kgo.Record, producer int64, state simDecision) int64 {
	c := *r
	c.Headers = slices.Clone(r.Headers) // the client uses them anew
	c.Topic, c.Partition, c.Offset, c.Timestamp = p.topic, p.number, p.end, time.Now()
	txn := 0
	if producer >= 0 && state == undecided {
		txn = b.ofProducer(producer).number
		if _, open := p.open[producer]; !open {
			p.open[producer] = p.end
		}
	}
	p.log = append(p.log, &simRecord{Record: &c, producer: producer, txn: txn, state: state})
	p.end++
	return c.Offset
}

// stable is the last stable offset.
func (p *simPartition) stable() int64 {
	stable := p.end
	for _, first := range p.open {
		stable = min(stable, first)
	}
	return stable
}

// read returns some of what is committed from a place on, markers included, and the place after all
// that was looked at.
func (p *simPartition) read(at int64, most int) (records []*kgo.Record, next int64, err error) {
	if at < p.start || at > p.end {
		return nil, at, kerr.OffsetOutOfRange
	}
	next = at
	stable := p.stable()
	for _, r := range p.from(at) {
		if r.Offset >= stable || most == 0 {
			break
		}
		next = r.Offset + 1
		most--
		if r.state != decidedAborted {
			records = append(records, r.Record)
		}
	}
	return records, next, nil
}

func (p *simPartition) from(at int64) []*simRecord {
	i, _ := slices.BinarySearchFunc(p.log, at, func(r *simRecord, at int64) int { return int(r.Offset - at) })
	return p.log[i:]
}

// readable reports whether a reader at a place would get anything.
func (p *simPartition) readable(at int64) bool {
	rest := p.from(at)
	return len(rest) > 0 && rest[0].Offset < p.stable()
}

// visible returns the records that a read_committed reader of the whole log gets.
func (p *simPartition) visible() []*kgo.Record {
	var all []*kgo.Record
	for _, r := range p.log {
		if r.state == decidedCommitted && !r.Attrs.IsControl() {
			all = append(all, r.Record)
		}
	}
	return all
}

// mark writes a transaction's marker.
func (b *simBrokers) mark(p *simPartition, t *simTxn) {
	decision := decidedAborted
	if t.state == txnPrepareCommit {
		decision = decidedCommitted
	}
	first, open := p.open[t.producer]
	if open {
		for _, r := range p.from(first) {
			if r.producer == t.producer && r.state == undecided {
				r.state = decision
			}
		}
		delete(p.open, t.producer)
	}
	p.epochs[t.producer] = t.epoch
	b.append(p, &kgo.Record{Attrs: controlAttrs}, t.producer, decidedCommitted)
}

var controlAttrs = kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Transactional: true, Control: true})

// simDeleteRetention is delete.retention.ms.
const simDeleteRetention = 24 * time.Hour

// compact removes what a table's compaction may remove below the last stable offset: rows that a
// later one replaces, aborted records, markers and deletions that it came across a while ago.
func (p *simPartition) compact() {
	stable := p.stable()
	last := map[string]int64{}
	deletions := func(r *simRecord) bool {
		if r.Value == nil && r.horizon.IsZero() {
			r.horizon = time.Now().Add(simDeleteRetention)
		}
		return r.Value == nil && time.Now().After(r.horizon)
	}
	for _, r := range p.log {
		if r.Offset < stable && r.state == decidedCommitted && !r.Attrs.IsControl() {
			last[string(r.Key)] = r.Offset
		}
	}
	p.log = slices.DeleteFunc(p.log, func(r *simRecord) bool {
		if r.Offset >= stable {
			return false
		}
		return r.state == decidedAborted || r.Attrs.IsControl() || last[string(r.Key)] != r.Offset || deletions(r)
	})
}

// Transactions, as the coordinator has them.

type simTxnState int8

const (
	txnEmpty simTxnState = iota
	txnOngoing
	txnPrepareCommit
	txnPrepareAbort
	txnComplete
)

type simTxn struct {
	id        string
	number    int
	producer  int64
	epoch     int16
	state     simTxnState
	committed bool // how the last one ended
	raised    bool // that end raised the epoch
	parts     []*simPartition
	offsets   bool
	began     int // step
}

func (t *simTxn) preparing() bool { return t.state == txnPrepareCommit || t.state == txnPrepareAbort }

// initialiseFor is InitProducerId for a producer that is believed to hold the id. As in Kafka, the
// epoch is looked at if no transaction is ongoing.
func (b *simBrokers) initialiseFor(id string, producer int64, epoch int16) error {
	t := b.txns[id]
	if producer >= 0 && t != nil && t.producer == producer && t.state == txnComplete && t.repeats(epoch) {
		return nil // the answer is the same again
	}
	if producer >= 0 && (t == nil || t.producer != producer || t.state != txnOngoing && !t.preparing() && t.epoch != epoch) {
		return kerr.ProducerFenced
	}
	_, _, err := b.initialise(id)
	return err
}

// initialise is InitProducerId.
func (b *simBrokers) initialise(id string) (int64, int16, error) {
	t := b.txns[id]
	if t == nil {
		t = &simTxn{id: id, producer: b.producers, epoch: -1}
		b.producers++
		b.txns[id] = t
		b.txnOrder = append(b.txnOrder, t)
	}
	switch {
	case t.state == txnOngoing:
		t.epoch++
		t.state, t.committed, t.raised = txnPrepareAbort, false, false
		return 0, 0, kerr.ConcurrentTransactions
	case t.preparing():
		return 0, 0, kerr.ConcurrentTransactions
	}
	t.epoch++
	t.state, t.raised = txnEmpty, false
	return t.producer, t.epoch, nil
}

func (b *simBrokers) holder(id string, producer int64, epoch int16) (*simTxn, error) {
	t := b.txns[id]
	switch {
	case t == nil || t.producer != producer:
		return nil, kerr.InvalidProducerIDMapping
	case t.epoch != epoch:
		return nil, kerr.ProducerFenced
	case t.preparing():
		return nil, kerr.ConcurrentTransactions
	}
	return t, nil
}

// add is AddPartitionsToTxn, or for nil AddOffsetsToTxn.
func (b *simBrokers) add(id string, producer int64, epoch int16, p *simPartition) error {
	t, err := b.holder(id, producer, epoch)
	if err != nil {
		return err
	}
	if t.state != txnOngoing {
		b.begun++
		t.state, t.parts, t.offsets, t.began, t.number = txnOngoing, nil, false, b.sim.step, b.begun
	}
	switch {
	case p == nil:
		t.offsets = true
	case !slices.Contains(t.parts, p):
		t.parts = append(t.parts, p)
	}
	return nil
}

// produce appends a batch of a transaction, which the partition joins by that under transactions
// V2.
func (b *simBrokers) produce(id string, producer int64, epoch int16, p *simPartition, records []*kgo.Record, agreed protocol) (int64, error) {
	if p.epochs[producer] > epoch {
		return 0, kerr.InvalidProducerEpoch
	}
	// brokers verify the first batch of a transaction
	if _, open := p.open[producer]; !open || p.epochs[producer] != epoch {
		if agreed == transactionsV2 {
			if err := b.add(id, producer, epoch, p); err != nil {
				return 0, err
			}
		}
		t := b.txns[id]
		if t == nil || t.producer != producer || t.epoch != epoch || t.state != txnOngoing || !slices.Contains(t.parts, p) {
			return 0, kerr.InvalidTxnState
		}
	}
	p.epochs[producer] = epoch
	first := p.end
	for _, r := range records {
		b.append(p, r, producer, undecided)
	}
	return first, nil
}

// repeats reports whether an epoch is that of an end that was asked for already and raised it.
func (t *simTxn) repeats(epoch int16) bool { return t.raised && t.epoch == epoch+1 }

// end is EndTxn. It returns the producer's epoch from then on. The markers follow later.
func (b *simBrokers) end(id string, producer int64, epoch int16, commit bool, agreed protocol) (int16, error) {
	if t := b.txns[id]; t != nil && t.producer == producer && agreed == transactionsV2 {
		switch {
		case t.repeats(epoch) && t.committed != commit:
			return epoch, kerr.InvalidTxnState
		case t.repeats(epoch) && t.preparing():
			return epoch, kerr.ConcurrentTransactions
		case t.repeats(epoch) && t.state == txnComplete:
			return t.epoch, nil
		case t.epoch == epoch && t.state == txnComplete:
			return epoch, kerr.InvalidTxnState
		}
	}
	t, err := b.holder(id, producer, epoch)
	if err != nil {
		return epoch, err
	}
	was := t.state
	switch {
	case t.state == txnOngoing && commit:
		t.state, t.committed = txnPrepareCommit, true
		b.sim.stats.commits++
		b.ended[t.number] = b.sim.stats.commits
		b.durable(t)
	case t.state == txnOngoing:
		t.state, t.committed = txnPrepareAbort, false
	case t.state == txnComplete && t.committed == commit: // asked again
	default:
		return epoch, kerr.InvalidTxnState
	}
	if t.raised = agreed == transactionsV2; t.raised && was == txnOngoing {
		t.epoch++
	}
	return t.epoch, nil
}

// durable notes the rows of a transaction whose commit is decided.
func (b *simBrokers) durable(t *simTxn) {
	for _, p := range t.parts {
		if rows := b.topics[p.topic].rows; rows != nil {
			for _, r := range p.from(p.open[t.producer]) {
				if r.producer == t.producer && r.state == undecided {
					rows[string(r.Key)+"="+string(r.Value)] = true
				}
			}
		}
	}
}

func (b *simBrokers) ofProducer(producer int64) *simTxn {
	for _, t := range b.txnOrder {
		if t.producer == producer {
			return t
		}
	}
	return nil
}

// expire is what the coordinator does with a transaction whose owner is silent.
func (b *simBrokers) expire(t *simTxn) {
	t.epoch++
	t.state, t.committed, t.raised = txnPrepareAbort, false, false
	b.sim.log("the coordinator aborts %s", t.id)
}

// progress writes one of the markers that are due, and reports whether there was one.
func (b *simBrokers) progress() bool {
	var due []*simTxn
	for _, t := range b.txnOrder {
		if t.preparing() {
			due = append(due, t)
		}
	}
	if len(due) == 0 {
		return false
	}
	t := due[b.sim.rng.IntN(len(due))]
	places := len(t.parts)
	if t.offsets {
		places++
	}
	if places > 0 {
		if i := b.sim.rng.IntN(places); i < len(t.parts) {
			b.mark(t.parts[i], t)
			b.sim.log("marker of %s (commit %t) in %s/%d", t.id, t.state == txnPrepareCommit, t.parts[i].topic, t.parts[i].number)
			t.parts = append(t.parts[:i:i], t.parts[i+1:]...)
		} else {
			b.group.decide(t.producer, t.state == txnPrepareCommit)
			b.sim.log("marker of %s (commit %t) in the group's offsets: %v", t.id, t.state == txnPrepareCommit, b.group.committed)
			t.offsets = false
		}
		places--
	}
	if places == 0 {
		t.state = txnComplete
	}
	return true
}

// deciding reports whether a transaction is open or its markers are due.
func (b *simBrokers) deciding() bool {
	return slices.ContainsFunc(b.txnOrder, func(t *simTxn) bool { return t.state == txnOngoing || t.preparing() })
}

func (b *simBrokers) states() []string {
	var all []string
	for _, t := range b.txnOrder {
		if t.state == txnOngoing || t.preparing() {
			all = append(all, fmt.Sprintf("transaction %s in state %d", t.id, t.state))
		}
	}
	g := &b.group
	return append(all, fmt.Sprintf("group: generation %d, state %d, %d members, offsets %v, pending %v", g.generation, g.state, len(g.members), g.committed, g.pending))
}
