package views

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/topology"
)

// perAccount is how many events each account has.
const perAccount = 100

// BenchmarkHistory reads 100 events of a random account, in a page and folded, and the trace of a
// random event. What it takes should not depend on how many events of others there are.
func BenchmarkHistory(b *testing.B) {
	for _, total := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("events=%d", total), func(b *testing.B) {
			set, h := filledHistory(b, total)
			draw := rand.New(rand.NewPCG(1, 1))
			id := func() string { return fmt.Sprintf("account-%d", draw.IntN(total/perAccount)) }
			b.Run("page", func(b *testing.B) {
				for b.Loop() {
					if page, err := h.Page(context.Background(), id(), HistoryQuery{Limit: perAccount}); err != nil || len(page.Events) != perAccount {
						b.Fatalf("%d events, %v", len(page.Events), err)
					}
				}
			})
			b.Run("asof", func(b *testing.B) {
				for b.Loop() {
					if past, err := h.AsOf(context.Background(), id(), Moment{Version: perAccount}, nil); err != nil || !past.Found {
						b.Fatalf("%+v, %v", past, err)
					}
				}
			})
			b.Run("trace", func(b *testing.B) {
				for b.Loop() {
					if trace, err := set.Trace(context.Background(), id()+"-50", nil); err != nil || len(trace.Commands) != perAccount {
						b.Fatalf("%d commands, %v", len(trace.Commands), err)
					}
				}
			})
		})
	}
}

// filledHistory is a history whose store was filled as a restore does, without a log to read.
func filledHistory(b *testing.B, total int) (*Set, *History) {
	b.Helper()
	dev, err := devcluster.Start(b.Context(), devcluster.Config{Dir: b.TempDir(), KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = dev.Close() })
	settings := topology.Settings{Partitions: partitions, ReplicationFactor: 1}
	settings.EnsureDefaults()
	set, err := Open(Config{Topology: bank.Topology(), Settings: settings, Codecs: bankCodecs(b, dev.RegistryURL()), DataDir: b.TempDir(),
		Cluster: cluster.Config{Brokers: dev.Brokers()}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = set.Close() })
	for _, r := range set.replicas {
		if err := r.open(); err != nil {
			b.Fatal(err)
		}
		r.recovered = true
		b.Cleanup(func() { _ = r.release() })
	}
	h := set.History("account")
	fillHistory(b, h, total)
	return set, h
}

func fillHistory(b *testing.B, h *History, total int) {
	b.Helper()
	r := h.replica
	c := newChanges()
	offset := int64(0)
	for version := int64(1); version <= perAccount; version++ { // accounts take turns, as in a log
		for account := range total / perAccount {
			id := fmt.Sprintf("account-%d", account)
			e := deposited(id, version, fmt.Sprintf("%s-%d", id, version))
			if version == 1 {
				e = opened(id)
			}
			value, err := h.codec.EncodeEvent(e)
			if err != nil {
				b.Fatal(err)
			}
			cause := []byte(foldlog.Position{Aggregate: "account", Partition: homeOf(id), Offset: offset}.String())
			stage, err := r.index.prepare(context.Background(), record{partition: homeOf(id), offset: offset, key: id, value: value,
				chain: chainOf(e), cause: cause, progress: cause})
			if err == nil {
				err = stage(r.store, c)
			}
			if offset++; err == nil && offset%restoreBatchRecords == 0 {
				err = r.flush(c)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := r.flush(c); err != nil {
		b.Fatal(err)
	}
	if err := r.store.db.CompactRange(util.Range{}); err != nil { // its cost belongs to the filling
		b.Fatal(err)
	}
}
