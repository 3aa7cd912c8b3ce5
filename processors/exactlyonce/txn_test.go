package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// unlucky is a client to which one thing happens once.
type unlucky struct {
	producer
	// a record fails with it while others are written; for nil the answer to a commit is lost
	fails error
	done  *atomic.Int32
}

func (u unlucky) Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	if u.fails != nil && u.done.CompareAndSwap(1, 2) { // the second record
		promise(r, u.fails)
		return
	}
	if u.fails != nil {
		u.done.CompareAndSwap(0, 1)
	}
	u.producer.Produce(ctx, r, promise)
}

func (u unlucky) EndTransaction(ctx context.Context, commit kgo.TransactionEndTry) error {
	err := u.producer.EndTransaction(ctx, commit)
	if err == nil && u.fails == nil && bool(commit) && u.done.CompareAndSwap(0, 2) {
		return io.EOF
	}
	return err
}

// among is a client of several brokers, to which the answer of the first request that adds
// partitions is lost.
type among struct {
	producer
	done  *atomic.Int32
	added *atomic.Int32 // the most topics that one request added
}

func (a among) DiscoveredBrokers() []*kgo.Broker { return make([]*kgo.Broker, 3) }

func (a among) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	resp, err := a.producer.Request(ctx, req)
	add, ok := req.(*kmsg.AddPartitionsToTxnRequest)
	if err != nil || !ok {
		return resp, err
	}
	a.added.Store(max(a.added.Load(), int32(len(add.Topics))))
	if a.done.CompareAndSwap(0, 2) {
		return nil, io.EOF
	}
	return resp, nil
}

// What brokers that move make fail costs neither a restart nor a record: not a record that could
// not be written beside others that were, and not the answer to a commit.
func TestTransactionsOutlastBrokersThatMove(t *testing.T) {
	const addingAll = "the answer to adding all partitions is lost"
	var added atomic.Int32
	for name, wrap := range map[string]func(producer, *atomic.Int32) producer{
		"a record fails":                 func(p producer, done *atomic.Int32) producer { return unlucky{p, errors.New(unknownBroker), done} },
		"a record says to abort":         func(p producer, done *atomic.Int32) producer { return unlucky{p, kerr.TransactionAbortable, done} },
		"the answer to a commit is lost": func(p producer, done *atomic.Int32) producer { return unlucky{p, nil, done} },
		addingAll:                        func(p producer, done *atomic.Int32) producer { return among{p, done, &added} },
	} {
		misfortune := func(t *testing.T, p protocol) {
			w := newWorld(t, 1)
			setup := w.pause(pointSetup)
			defer setup.goOn()
			r := w.start("a", setup.set, func(c *Config) { c.TransactionsV1 = p == transactionsV1 })
			setup.await()
			var done atomic.Int32
			for _, txn := range r.engine().txns.txns {
				f := txn.(*franzTxn)
				f.client = wrap(f.client, &done)
			}
			setup.goOn()
			w.send(50, 5)
			w.eventually(30*time.Second, "the misfortune", func() error {
				if done.Load() != 2 {
					return fmt.Errorf("%s", r.status())
				}
				return nil
			})
			w.send(50, 5)
			w.awaitHandled(r)
			mustNotFail(t, r.stop())
			w.check()
			if name == addingAll && added.Load() < 3 {
				t.Errorf("no request added more than %d topics: events, outcomes and table are in a transaction together", added.Load())
			}
		}
		for _, p := range protocols() {
			t.Run(fmt.Sprintf("%s, %s", name, p), func(t *testing.T) { misfortune(t, p) })
		}
	}
}

// franz-go has no name for this error, so that its text is what we go by.
func TestABrokerThatIsNotListedIsWaitedFor(t *testing.T) {
	w := newWorld(t, 1)
	_, err := w.client.Broker(4711).Request(t.Context(), kmsg.NewPtrMetadataRequest())
	if err == nil || !isForNow(err) {
		t.Errorf("a broker that there is not: %v is not among the errors that pass", err)
	}
}
