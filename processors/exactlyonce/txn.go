package exactlyonce

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/planted"
	"github.com/foldlog/foldlog/internal/record"
)

// Txn is a transactional producer: the seam behind which the way to the brokers can change. Calls come one after the other.
type Txn interface {
	// Init fences and aborts whatever an earlier holder of the same transactional id left open.
	Init(ctx context.Context) error
	// Commit writes a transaction. It returns [errGenerationOver] if the group refused the offsets; then the transaction was aborted. After any
	// other error the outcome is unknown, and the Txn must not be used again.
	Commit(ctx context.Context, w *Work) error
	// CommitOffsets commits offsets of inputs that led to nothing. That needs no transaction, but the same fence; errors are those of Commit.
	CommitOffsets(ctx context.Context, o Offsets) error
	// Close lets go. An open transaction stays open until its id is initialised again.
	Close()
}

// Work is the content of one transaction.
type Work struct {
	// Outputs are written in this order. Where Partition is negative, the key decides.
	Outputs []Output
	Offsets Offsets
	// Reached has, once committed, the offset after the last record written, for the topics asked for in Track.
	Track   [2]string
	Reached [2]map[int32]int64
	// Produced and Sent are called when the brokers have all records, and when they have the offsets.
	Produced, Sent func()
}

// Output is a record on its way, with the partition that it must go to.
type Output struct {
	*record.Record
	Partition int32
}

// franzTxn is a Txn on franz-go.
type franzTxn struct {
	client *kgo.Client
	id     string

	mu      sync.Mutex
	err     error // the first failure of a record
	slab    []kgo.Record
	headers []kgo.RecordHeader
}

func newFranzTxn(c Config, id string) (*franzTxn, error) {
	opts, err := producerOptions(c, id)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	if err := assertProducer(client); err != nil {
		client.Close()
		return nil, fail(CauseConfiguration, err)
	}
	return &franzTxn{client: client, id: id}, nil
}

func (t *franzTxn) Init(ctx context.Context) error {
	if _, _, err := t.client.ProducerID(ctx); err != nil {
		return failf(CauseTransaction, "initialise the transactional id %s: %w", t.id, err)
	}
	return nil
}

func (t *franzTxn) Close() { t.client.Close() }

func (t *franzTxn) Commit(ctx context.Context, w *Work) error {
	if err := t.client.BeginTransaction(); err != nil {
		return failf(CauseTransaction, "begin a transaction as %s: %w", t.id, err)
	}
	if err := t.produce(ctx, w); err != nil {
		return err
	}
	w.Produced()
	switch err := t.sendOffsets(ctx, w.Offsets); {
	case err == nil:
	case isGenerationOver(err):
		if abortErr := t.client.EndTransaction(ctx, kgo.TryAbort); abortErr != nil {
			return failf(CauseTransaction, "abort a transaction of %s that the group refused (%w): %w", t.id, err, abortErr)
		}
		return fmt.Errorf("%w: %w", errGenerationOver, err)
	default:
		return failf(CauseTransaction, "send offsets in a transaction of %s: %w", t.id, err)
	}
	w.Sent()
	if err := t.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return failf(CauseTransaction, "commit a transaction of %s: the outcome is unknown and is learned from the log: %w", t.id, err)
	}
	return nil
}

// produce writes the records and waits until the brokers have them all.
func (t *franzTxn) produce(ctx context.Context, w *Work) error {
	t.convert(w.Outputs)
	t.err = nil
	for i := range w.Track {
		if w.Track[i] != "" {
			w.Reached[i] = map[int32]int64{}
		}
	}
	promise := func(r *kgo.Record, err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if err != nil {
			if t.err == nil {
				t.err = fmt.Errorf("write a record of %d bytes with key %.100q to %s: %w", len(r.Value), r.Key, r.Topic, err)
			}
			return
		}
		for i := range w.Track {
			if r.Topic == w.Track[i] && r.Offset >= w.Reached[i][r.Partition] {
				w.Reached[i][r.Partition] = r.Offset + 1
			}
		}
	}
	for i := range t.slab {
		t.client.Produce(ctx, &t.slab[i], promise)
	}
	if err := t.client.Flush(ctx); err != nil {
		return failf(CauseTransaction, "wait for the records of a transaction of %s: %w", t.id, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return fail(CauseTransaction, t.err)
}

// convert fills the slab with records as franz-go wants them. It is used anew for each transaction: nothing holds on to a record after
// it was acknowledged.
func (t *franzTxn) convert(outputs []Output) {
	headers := 0
	for i := range outputs {
		headers += len(outputs[i].Headers)
	}
	if cap(t.slab) < len(outputs) {
		t.slab = make([]kgo.Record, len(outputs), len(outputs)+len(outputs)/4)
	}
	if cap(t.headers) < headers {
		t.headers = make([]kgo.RecordHeader, headers, headers+headers/4)
	}
	clear(t.slab[len(outputs):cap(t.slab)])
	t.slab, t.headers = t.slab[:len(outputs)], t.headers[:0]
	for i := range outputs {
		o := &outputs[i]
		r := &t.slab[i]
		*r = kgo.Record{Topic: o.Topic, Partition: o.Partition, Key: o.Key, Value: o.Value, Timestamp: o.Timestamp}
		if len(o.Headers) > 0 {
			from := len(t.headers)
			for _, h := range o.Headers {
				t.headers = append(t.headers, kgo.RecordHeader(h))
			}
			r.Headers = t.headers[from:len(t.headers):len(t.headers)]
		}
	}
}

// pair alternates between two transactional producers: the brokers still write the markers of one's last transaction when the other's
// next one begins.
type pair struct {
	txns [2]Txn
	turn int
}

func (p *pair) next() Txn {
	p.turn = 1 - p.turn
	return p.txns[p.turn]
}

func (p *pair) close() {
	for _, t := range p.txns {
		if t != nil {
			t.Close()
		}
	}
}

// newPair returns both producers of an instance, initialised.
func newPair(ctx context.Context, c Config, group string, point func(string)) (*pair, error) {
	p := &pair{}
	for i := range p.txns {
		t, err := newFranzTxn(c, transactionalID(c.TransactionalIDPrefix, group, c.Instance, i))
		if err == nil {
			p.txns[i] = t
			initCtx, cancel := context.WithTimeout(ctx, c.Patience)
			if i == 0 || !planted.Has(planted.OneIDInitialised) {
				err = t.Init(initCtx)
			}
			cancel()
		}
		if err != nil {
			p.close()
			return nil, err
		}
		if i == 0 {
			point(PointOneIDInitialised)
		}
	}
	point(PointInitialised)
	return p, nil
}

// transactionalID names one of an instance's two producers.
//
// NB: must not change. An instance takes its predecessor's open transactions over by these names.
func transactionalID(prefix, group, instance string, n int) string {
	return fmt.Sprintf("%s%s/%d", transactionalIDs(prefix, group), instance, n)
}

// transactionalIDs is what all transactional ids of a group start with. A group's name starts with the prefix already in this project.
func transactionalIDs(prefix, group string) string {
	if !strings.HasPrefix(group, prefix) {
		group = prefix + group
	}
	return group + "/"
}

// instanceOf returns the instance in a transactional id of the group, or "".
func instanceOf(prefix, group, id string) string {
	rest, ok := strings.CutPrefix(id, transactionalIDs(prefix, group))
	instance, n, found := strings.Cut(rest, "/")
	if !ok || !found || (n != "0" && n != "1") {
		return ""
	}
	return instance
}

// within returns a context for work at the brokers that a session's end must not cut off in the middle.
func within(patience time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
