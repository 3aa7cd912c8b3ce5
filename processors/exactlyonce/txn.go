package exactlyonce

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/planted"
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
	// Outputs are runs of records, written in this order. Where a record's Partition is negative, its key decides. They belong to the Txn
	// until Commit returns without an error.
	Outputs [][]kgo.Record
	Offsets Offsets
	// Reached has, once committed, the offset after the last record written, for the topics asked for in Track.
	Track   [2]string
	Reached [2]map[int32]int64
	// Produced and Sent are called when the brokers have all records, and when they have the offsets.
	Produced, Sent func()
}

// producer is what franzTxn uses of franz-go's client: the seam behind which the simulation has brokers of its own.
type producer interface {
	kmsg.Requestor // AddOffsetsToTxn, TxnOffsetCommit, EndTxn, OffsetCommit
	ProducerID(ctx context.Context) (id int64, epoch int16, err error)
	BeginTransaction() error
	Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error))
	Flush(ctx context.Context) error
	EndTransaction(ctx context.Context, commit kgo.TransactionEndTry) error
	Close()
}

// franzTxn is a Txn on franz-go.
type franzTxn struct {
	client producer
	id     string
	open   func(id string) (producer, error) // makes the client anew

	confirmed bool // the last transaction's commit was confirmed by hand: franz-go takes its end for unknown

	mu  sync.Mutex
	err error // the first failure of a record
}

func newFranzProducer(c Config, id string) (producer, error) {
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
	return client, nil
}

func (t *franzTxn) Init(ctx context.Context) error {
	if _, _, err := t.client.ProducerID(ctx); err != nil {
		return failf(CauseTransaction, "initialise the transactional id %s: %w", t.id, err)
	}
	return nil
}

func (t *franzTxn) Close() { t.client.Close() }

func (t *franzTxn) Commit(ctx context.Context, w *Work) error {
	if err := t.write(ctx, w); err != nil {
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
	if err := t.end(ctx); err != nil {
		return failf(CauseTransaction, "commit a transaction of %s: the outcome is unknown and is learned from the log: %w", t.id, err)
	}
	return nil
}

// write begins a transaction and writes the records. franz-go gives some errors up that pass: when the coordinator of the transaction is down and no
// longer among the brokers, for one. Then the id is initialised anew, which aborts what was written, and all is written again. Nothing of it can have been
// committed, since the end was not asked for.
func (t *franzTxn) write(ctx context.Context, w *Work) error {
	for {
		if err := t.begin(ctx); err != nil {
			return failf(CauseTransaction, "begin a transaction as %s: %w", t.id, err)
		}
		err := t.produce(ctx, w)
		for err != nil && planted.Has(planted.WrittenAgainInside) && isForNow(err) && ctx.Err() == nil {
			err = t.produce(ctx, w)
		}
		if err == nil || !isForNow(err) || ctx.Err() != nil {
			return err
		}
		if renewErr := t.renew(ctx); renewErr != nil {
			return failf(CauseTransaction, "begin anew as %s (%w) after: %w", t.id, renewErr, err)
		}
	}
}

// renew replaces the client and initialises the id, for as long as it takes.
func (t *franzTxn) renew(ctx context.Context) error {
	t.client.Close()
	client, err := t.open(t.id)
	if err != nil {
		return err
	}
	t.client, t.confirmed = client, false
	return patiently(ctx, func() error { return t.Init(ctx) })
}

// begin begins a transaction. Where the end of the last one was confirmed by hand, franz-go is told to abort it first: it then initialises its id
// anew and sends nothing else.
func (t *franzTxn) begin(ctx context.Context) error {
	if t.confirmed {
		if err := t.client.EndTransaction(ctx, kgo.TryAbort); err != nil {
			return err
		}
		t.confirmed = false
	}
	return t.client.BeginTransaction()
}

// end commits the open transaction. Where the answer gets lost, because the coordinator dies, say, it asks again in the name of the same producer
// and epoch until there is an answer. That cannot commit anything else: under transactions V1 the epoch stays until the id is initialised anew, a
// transaction that is committed already answers without an error, and one that was aborted or whose id went to somebody else refuses
// (TransactionCoordinator.endTransaction in Apache Kafka).
func (t *franzTxn) end(ctx context.Context) error {
	id, epoch, err := t.client.ProducerID(ctx)
	if err != nil {
		return err
	}
	lost := t.client.EndTransaction(ctx, kgo.TryCommit)
	if lost == nil || !isForNow(lost) {
		return lost
	}
	if planted.Has(planted.UnknownEndAsAborted) || planted.Has(planted.UnknownEndAsCommitted) {
		t.confirmed = true
		return lost
	}
	err = patiently(ctx, func() error {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = t.id, id, epoch, true
		resp, err := req.RequestWith(ctx, t.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	if err != nil {
		return fmt.Errorf("%w, when asked again after: %w", err, lost)
	}
	t.confirmed = true
	return nil
}

// produce writes the records and waits until the brokers have them all.
func (t *franzTxn) produce(ctx context.Context, w *Work) error {
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
	now := time.Now() // one for all: franz-go would ask the clock for each
	for _, run := range w.Outputs {
		for i := range run {
			if run[i].Timestamp.IsZero() {
				run[i].Timestamp = now
			}
			t.client.Produce(ctx, &run[i], promise)
		}
	}
	if err := t.client.Flush(ctx); err != nil {
		return failf(CauseTransaction, "wait for the records of a transaction of %s: %w", t.id, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return fail(CauseTransaction, t.err)
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
func newPair(ctx context.Context, c Config, group string, point func(string), open func(c Config, id string) (producer, error)) (*pair, error) {
	p := &pair{}
	for i := range p.txns {
		t := &franzTxn{
			id:   transactionalID(c.TransactionalIDPrefix, group, c.Instance, i),
			open: func(id string) (producer, error) { return open(c, id) },
		}
		var err error
		if t.client, err = t.open(t.id); err == nil {
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
