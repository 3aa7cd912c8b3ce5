package torture

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/foldlog/foldlog/proof/history"
	"github.com/foldlog/foldlog/proof/torture/system"
)

// sampleEvery is the pace of samples. What an instance counts between the last one and its death is
// not seen.
const sampleEvery = time.Second

// sampler asks instances for their metrics.
type sampler struct {
	dir    string
	system *system.System
	cancel context.CancelFunc
	done   chan struct{}
	failed error

	mu sync.Mutex
	// seen are the counters of an instance's engine restarts as of the last sample, and sum those
	// of all its lives.
	seen map[string]map[string]float64
	sum  map[string]int
}

func startSampler(dir string, s *system.System) *sampler {
	ctx, cancel := context.WithCancel(context.Background())
	m := &sampler{dir: dir, system: s, cancel: cancel, done: make(chan struct{}), seen: map[string]map[string]float64{}, sum: map[string]int{}}
	go m.run(ctx)
	return m
}

func (m *sampler) run(ctx context.Context) {
	defer close(m.done)
	out, err := history.Create(m.dir, "samples.jsonl")
	if err != nil {
		m.failed = err
		return
	}
	ticks := time.NewTicker(sampleEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			m.failed = errors.Join(m.failed, out.Close())
			return
		case <-ticks.C:
		}
		for _, i := range m.system.Instances() {
			if !i.Responsive() {
				continue
			}
			if sample, ok := m.ask(ctx, i); ok {
				m.failed = errors.Join(m.failed, out.Write(sample))
			}
		}
	}
}

// ask takes a sample. An instance that does not answer has none.
func (m *sampler) ask(ctx context.Context, i *system.Instance) (history.Sample, bool) {
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	metrics, err := i.Metrics(limited)
	if err != nil {
		return history.Sample{}, false
	}
	m.restarts(i.Name, metrics.Sums("foldlog_group_restarts_total", "cause"))
	return history.Sample{At: history.Now(), Instance: i.Name, RSS: int64(metrics.Value("process_resident_memory_bytes")), FDs: int(metrics.Value("process_open_fds")),
		Goroutines: int(metrics.Value("go_goroutines")), Ready: i.Ready(limited) == nil}, true
}

// restarts adds what was counted since the last sample. A counter that fell is that of a new
// process.
func (m *sampler) restarts(instance string, counted map[string]float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.seen[instance]
	for cause, n := range before {
		if counted[cause] < n {
			before = nil // died and came back
			break
		}
	}
	for cause, n := range counted {
		if more := n - before[cause]; more > 0 {
			m.sum[cause] += int(more)
		}
	}
	m.seen[instance] = counted
}

// counted returns the engine's restarts by cause so far.
func (m *sampler) counted() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.sum)
}

// stop ends sampling. It may be called again.
func (m *sampler) stop() error {
	m.cancel()
	<-m.done
	return m.failed
}
