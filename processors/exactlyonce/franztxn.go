package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/retry"
)

// producer is the part of franz-go's client that franzTxn uses: the seam behind which the
// simulation has brokers of its own.
type producer interface {
	kmsg.Requestor // AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn, OffsetCommit
	DiscoveredBrokers() []*kgo.Broker
	ProducerID(ctx context.Context) (id int64, epoch int16, err error)
	BeginTransaction() error
	Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error))
	Flush(ctx context.Context) error
	EndTransaction(ctx context.Context, commit kgo.TransactionEndTry) error
	Close()
}

// franzTxn is a Txn on franz-go.
type franzTxn struct {
	client     producer
	id         string
	protocol   protocol
	partitions int                               // of each topic that it writes to
	open       func(id string) (producer, error) // makes a client
	try        time.Duration                     // how long one request may go without an answer

	spent bool // the client does not know how its last transaction ended

	mu   sync.Mutex
	err  error // the first failure of a record
	left int   // records that the client has not finished
}

func newFranzProducer(c Config, id string, p protocol) (producer, error) {
	opts, err := producerOptions(c, id, p)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	if err := assertProducer(client, p); err != nil {
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

// write begins a transaction and writes the records. If that fails for now, or gets no answer in
// time, all of it is done again by a new client that looks for the coordinator anew: franz-go gives
// up if a coordinator is no longer among the brokers, and stays with a frozen one. The new client
// initialises the id first, which aborts the records of the old one. None of them can have been
// committed, since the end was not asked for.
func (t *franzTxn) write(ctx context.Context, w *Work) error {
	for {
		if t.spent {
			if err := t.renew(ctx); err != nil {
				return failf(CauseTransaction, "begin anew as %s: %w", t.id, err)
			}
		}
		if err := t.client.BeginTransaction(); err != nil {
			return failf(CauseTransaction, "begin a transaction as %s: %w", t.id, err)
		}
		err := t.addAll(ctx, w)
		if err == nil {
			err = t.produce(ctx, w)
		}
		// and that is what a new client does
		again := isForNow(err) || errors.Is(err, kerr.TransactionAbortable)
		if err == nil || !again || ctx.Err() != nil {
			return err
		}
		t.spent = true
	}
}

// end commits the open transaction. If the answer gets lost, for instance because the coordinator
// dies, it asks again in the name of the same producer and epoch until there is an answer. That
// cannot commit anything else. A committed transaction answers without an error; an aborted one, or
// one whose id went to another process, refuses. Under transactions V1 the epoch stays until the id
// is initialised anew. Under V2 the end raises the epoch, and the coordinator knows the one before
// it as that of a repetition (TransactionCoordinator.endTransaction in Apache Kafka).
func (t *franzTxn) end(ctx context.Context) error {
	id, epoch, err := t.client.ProducerID(ctx)
	if err != nil {
		return err
	}
	lost := t.inTime(ctx, func(ctx context.Context) error { return t.client.EndTransaction(ctx, kgo.TryCommit) })
	if lost == nil || !isForNow(lost) {
		return lost
	}
	t.spent = true
	err = t.ask(ctx, func(ctx context.Context, client kmsg.Requestor) error {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = t.id, id, epoch, true
		resp, err := req.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	if err != nil {
		return fmt.Errorf("%w, when asked again after: %w", err, lost)
	}
	return nil
}

// errNoAnswer is the error of a request that got no answer in its time.
var errNoAnswer = errors.New("no answer in time")

// inTime bounds one try. If the try's time ends before the caller's, the error is errNoAnswer.
func (t *franzTxn) inTime(ctx context.Context, f func(context.Context) error) error {
	if t.try == 0 {
		return f(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, t.try)
	defer cancel()
	err := f(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return err
}

// ask repeats a request while it fails for now. After a try without an answer, each further try has
// a client of its own: franz-go would ask the same coordinator again, which may accept connections
// and be frozen.
func (t *franzTxn) ask(ctx context.Context, request func(context.Context, kmsg.Requestor) error) error {
	var other producer
	defer func() {
		if other != nil {
			other.Close()
		}
	}()
	return patiently(ctx, func() error {
		client := t.client
		if other != nil {
			client = other
		}
		err := t.inTime(ctx, func(ctx context.Context) error { return request(ctx, client) })
		if errors.Is(err, errNoAnswer) {
			next, openErr := t.open(t.id)
			if openErr != nil {
				return fmt.Errorf("%w (%w)", openErr, err)
			}
			if other != nil {
				other.Close()
			}
			other = next
		}
		return err
	})
}

// renew replaces the client by a new one that has initialised the id.
func (t *franzTxn) renew(ctx context.Context) error {
	return patiently(ctx, func() error {
		t.client.Close()
		if err := t.awaitFinished(ctx); err != nil {
			return err
		}
		client, err := t.open(t.id)
		if err != nil {
			return err
		}
		t.client = client
		if err := t.inTime(ctx, t.Init); err != nil {
			return err
		}
		t.spent = false
		return nil
	})
}

// awaitFinished waits until a closed client has released all records. Another client gets them
// next.
func (t *franzTxn) awaitFinished(ctx context.Context) error {
	left := 0
	for range retry.Attempts(ctx, time.Millisecond, time.Millisecond) {
		t.mu.Lock()
		left = t.left
		t.mu.Unlock()
		if left == 0 {
			return nil
		}
	}
	return fmt.Errorf("%d records are not finished: %w", left, ctx.Err())
}

// produce writes the records and waits until the brokers have them all.
func (t *franzTxn) produce(ctx context.Context, w *Work) error {
	t.err, t.left = nil, 0
	for _, run := range w.Outputs {
		t.left += len(run)
	}
	for i := range w.Track {
		if w.Track[i] != "" {
			w.Reached[i] = map[int32]int64{}
		}
	}
	promise := func(r *kgo.Record, err error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.left--
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
	if err := t.inTime(ctx, t.client.Flush); err != nil {
		return failf(CauseTransaction, "wait for the records of a transaction of %s: %w", t.id, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return fail(CauseTransaction, t.err)
}
