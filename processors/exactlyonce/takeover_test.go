package exactlyonce

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A process that comes back aborts what its crash left open, under either of its ids, before it
// reads anything.
func TestReturningInstanceAbortsWhatItLeftOpen(t *testing.T) {
	for n := range 2 {
		t.Run(fmt.Sprintf("id %d", n), func(t *testing.T) {
			w := newWorld(t, 1)
			w.write(w.other(transactionalID("", w.name, "a", n)), "k0", "99 99", 0, nil)
			initialised := w.pause(pointInitialised)
			defer initialised.goOn()
			r := w.start("a", initialised.set)
			initialised.await()
			var ends [2]int64
			for i, isolation := range []int8{readCommitted, readUncommitted} {
				var err error
				if ends[i], err = listOffset(t.Context(), w.client, w.table(), 0, -1, isolation); err != nil {
					t.Fatal(err)
				}
			}
			if ends[0] < ends[1] {
				t.Errorf("both ids are initialised, and a transaction is still open at offset %d of %d", ends[0], ends[1])
			}
			initialised.goOn()
			w.send(20, 4)
			w.awaitHandled(r)
			mustNotFail(t, r.stop())
			w.check()
		})
	}
}

// A member without a table that dies leaves an open transaction on the topics that it writes to,
// and no reader gets past it: the commands of a dead policy hold up the aggregate. The transaction
// would expire after ten minutes.
func TestWhatADeadMemberLeftOpenAnywhereIsAborted(t *testing.T) {
	w := newWorld(t, 1)
	group := w.group()
	group.Table, group.Index, group.ProgressTopic, group.Handle = nil, nil, "", w.handleWithoutIndex
	dead, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.TransactionalID(transactionalID("", w.name, "dead", 1)), kgo.TransactionTimeout(10*time.Minute),
		kgo.MaxVersions(transactionsV1.versions()))
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	if err = dead.BeginTransaction(); err == nil {
		err = dead.ProduceSync(t.Context(), &kgo.Record{Topic: w.events(), Key: []byte("k"), Value: []byte("v")}).FirstErr()
	}
	if err != nil {
		t.Fatal(err)
	}
	r := w.startGroup(group, "a")
	w.awaitRecovered(r)
	w.eventually(30*time.Second, "the abort", func() error {
		stable, err := listOffset(t.Context(), w.client, w.events(), 0, -1, readCommitted)
		if err == nil && stable == 0 {
			err = errors.New("the transaction of the dead member is open still")
		}
		return err
	})
	mustNotFail(t, r.stop())
}

// A deletion that somebody wrote while the store was away is found by the restore.
func TestDeletionsAreRestored(t *testing.T) {
	w := newWorld(t, 1)
	w.send(10, 2)
	r := w.start("a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.produce(&kgo.Record{Topic: w.table(), Key: []byte("k0")})
	r = w.start("a")
	w.produce(&kgo.Record{Topic: w.commands(), Key: []byte("k0"), Value: []byte("x 1")})
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	outcomes := w.read(w.outcomes())[0]
	if got := string(outcomes[len(outcomes)-1].Value); got != "x 1 first" {
		t.Errorf("outcome %q: the row was deleted, so this was its first version", got)
	}
}

// Offsets that an open transaction may still change are waited for: to go on from the old ones
// would be to handle inputs twice.
func TestOffsetsOfAnOpenTransactionAreWaitedFor(t *testing.T) {
	if !onKafka {
		t.Skip("the embedded broker says no offset is unstable; Apache Kafka does")
	}
	w := newWorld(t, 1)
	w.send(10, 2)
	r := w.start("a")
	w.awaitHandled(r)
	mustNotFail(t, r.stop())
	w.send(10, 2)
	stranger := w.newTxn(w.name+"-stranger", transactionsV2)
	err := stranger.client.BeginTransaction()
	if err == nil { // a record, since an empty transaction would not be ended
		stranger.client.Produce(t.Context(), &kgo.Record{Topic: w.deadLetters(), Partition: -1, Key: []byte("k"), Value: []byte("v")}, nil)
		err = stranger.client.Flush(t.Context())
	}
	if err == nil {
		err = stranger.sendOffsets(t.Context(), Offsets{Group: w.name, Topic: w.commands(), Next: map[int32]int64{0: 20}, Generation: -1})
	}
	if err != nil {
		t.Fatal(err)
	}
	setup := w.pause(pointSetup)
	defer setup.goOn()
	r = w.start("b", setup.set)
	select {
	case <-setup.reached:
		t.Error("a generation began from offsets that a transaction may still change")
	case <-time.After(5 * time.Second): // what must not happen would be there after one
	}
	if err := stranger.client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	setup.goOn()
	w.awaitHandled(r)
	w.awaitRecovered(r)
	mustNotFail(t, r.stop())
	if n := w.outcomesCommitted(); n != 10 {
		t.Errorf("%d outcomes, want 10: the stranger's transaction took the other ten commands", n)
	}
}
