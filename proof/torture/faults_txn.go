package torture

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/proof/torture/load"
)

// openTransactions leaves transactions open on tables, as an owner does that died inside one, and
// then lets a processor restore. Those with the group's own ids are aborted by the restore; a
// stranger's must be waited for. None of what they wrote may ever be seen.
func openTransactions(ctx context.Context, r *run) error {
	return r.each(ctx, func(n int) error {
		id, timeout, label := fmt.Sprintf("account/ghost-%d/0", n), 60*time.Second, "open-transaction"
		if n%3 == 2 {
			id, timeout, label = fmt.Sprintf("stranger-%d", n), 10*time.Second, "open-transaction stranger"
		}
		client, err := r.system.Client(kgo.TransactionalID(id), kgo.TransactionTimeout(timeout), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			return err
		}
		defer client.Close() // without an abort: the transaction stays open
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		r.inflicted(hit{kind: "open-transaction", target: id, detail: "on account-table and account.outcomes", label: label})
		for partition := range partitions {
			key := keyOf(partition)
			for _, topic := range []string{"account-table", "account.outcomes", "balances-table"} {
				record := &kgo.Record{Topic: topic, Partition: int32(partition), Key: []byte(key), Value: []byte("never committed")}
				if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
					return err
				}
			}
		}
		victim := pick(r, r.processors())
		if err := r.kill(victim); err != nil {
			return err
		}
		if err := victim.Wipe(); err != nil {
			return err
		}
		if err := r.bootReady(ctx, victim, "with nothing, below an open transaction"); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return r.wait(ctx, 0, 3*time.Second)
	})
}

// keyOf returns a key of a partition.
func keyOf(partition int) string {
	for n := 0; ; n++ {
		if key := fmt.Sprintf("ghost-%d", n); load.PartitionOf(key, partitions) == partition {
			return key
		}
	}
}
