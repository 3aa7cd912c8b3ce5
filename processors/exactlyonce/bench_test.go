package exactlyonce

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func commandsToSend(b *testing.B) int {
	n, err := strconv.Atoi(os.Getenv("FOLDLOG_BENCH_COMMANDS"))
	if err != nil || n == 0 {
		return 200_000
	}
	b.Logf("%d commands", n)
	return n
}

// BenchmarkEngine handles preloaded commands: an event, an outcome and a row each. On the embedded
// broker the processor time includes the broker's.
func BenchmarkEngine(b *testing.B) {
	for _, c := range []struct {
		name  string
		keys  int
		index bool
	}{{"1000-keys", 1000, false}, {"1M-keys", 1_000_000, false}, {"1000-keys-and-index", 1000, true}} {
		b.Run(c.name, func(b *testing.B) {
			n := commandsToSend(b)
			for range b.N {
				w := newWorld(b, 4)
				for sent := 0; sent < n; sent += 50_000 {
					w.send(min(50_000, n-sent), c.keys)
				}
				g := w.group()
				if !c.index {
					g.Index = nil
					g.Handle = w.handleWithoutIndex
				}
				var mu sync.Mutex
				var sum TransactionStats
				transactions := 0
				r := w.startGroup(g, "a", func(c *Config) {
					c.FlushInterval = time.Second
					c.Metrics.Transaction = func(s TransactionStats) {
						mu.Lock()
						defer mu.Unlock()
						transactions++
						sum.Cut, sum.Run, sum.Apply = sum.Cut+s.Cut, sum.Run+s.Run, sum.Apply+s.Apply
						sum.Records, sum.Rows = sum.Records+s.Records, sum.Rows+s.Rows
					}
				})
				w.awaitRecovered(r)
				began, used := time.Now(), cpu()
				w.awaitHandled(r)
				took, spent := time.Since(began), cpu()-used
				mustNotFail(b, r.stop())
				b.ReportMetric(float64(n)/took.Seconds(), "commands/s")
				b.ReportMetric(spent.Seconds()*1e6/float64(n), "cpu-s/M")
				b.ReportMetric(float64(transactions), "transactions")
				b.ReportMetric(float64(sum.Rows)/float64(n), "rows/command")
				b.ReportMetric(float64(sum.Run.Milliseconds())/float64(max(transactions, 1)), "run-ms")
				b.ReportMetric(float64(sum.Apply.Milliseconds())/float64(max(transactions, 1)), "apply-ms")
			}
		})
	}
}

// BenchmarkLatency sends commands at a steady rate and measures the time to the outcome that a
// reader sees.
func BenchmarkLatency(b *testing.B) {
	for _, rate := range []int{200, 2000} {
		b.Run(fmt.Sprintf("%d-per-second", rate), func(b *testing.B) {
			w := newWorld(b, 4)
			g := w.group()
			r := w.startGroup(g, "a", func(c *Config) { c.FlushInterval = time.Second })
			w.awaitRecovered(r)
			for range b.N {
				all := w.latencies(rate, 5*time.Second)
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
				b.ReportMetric(float64(all[len(all)*999/1000].Microseconds())/1000, "p99.9-ms")
			}
			mustNotFail(b, r.stop())
		})
	}
}

func (w *world) latencies(rate int, how time.Duration) []time.Duration {
	starts := map[int32]kgo.Offset{}
	for p := range int32(w.partitions) {
		starts[p] = kgo.NewOffset().AtEnd()
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{w.outcomes(): starts}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		w.t.Fatal(err)
	}
	defer reader.Close()
	ctx := w.t.Context()
	_ = reader.Ping(ctx)
	time.Sleep(500 * time.Millisecond) // for the reader to be at the end
	var mu sync.Mutex
	sent := map[string]time.Time{}
	var all []time.Duration
	n := int(how.Seconds() * float64(rate))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for len(all) < n {
			fetches := reader.PollFetches(ctx)
			if ctx.Err() != nil {
				return
			}
			now := time.Now()
			mu.Lock()
			fetches.EachRecord(func(r *kgo.Record) {
				id := string(r.Value)
				id = id[:slices.Index(r.Value, ' ')]
				all = append(all, now.Sub(sent[id]))
			})
			mu.Unlock()
		}
	}()
	began := time.Now()
	base := w.sent.Add(int64(n)) - int64(n)
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		id := fmt.Sprintf("c%d", base+int64(i))
		mu.Lock()
		sent[id] = time.Now()
		mu.Unlock()
		w.client.Produce(ctx, &kgo.Record{Topic: w.commands(), Key: []byte(fmt.Sprintf("k%d", i%1000)), Value: []byte(id + " 1")}, nil)
	}
	<-done
	return all
}
