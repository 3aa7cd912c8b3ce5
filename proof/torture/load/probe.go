package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/proof/history"
)

const (
	// probesAtOnce bounds how many probes of a partition wait for an answer. The oldest are tried
	// on.
	probesAtOnce = 64
	// probeClients is where the numbers of the probes' clients begin: 1000 for each partition.
	probeClients = 100000
)

// Probes send a deposit to every partition at a pace, and know when each was answered.
type Probes struct {
	caller *Caller
	prefix string
	every  time.Duration // the pace of each partition's probes
	ids    []string      // an account for each partition

	mu       sync.Mutex
	answered [][]Answered // by partition, in the order of their answers
	news     chan struct{}
}

// Answered is a probe's success.
type Answered struct{ Sent, Answered int64 }

// NewProbes returns probes for a number of partitions, with accounts of a prefix, each partition's
// at a pace.
func NewProbes(caller *Caller, prefix string, partitions int, every time.Duration) *Probes {
	p := &Probes{caller: caller, prefix: prefix, every: every, ids: make([]string, partitions), answered: make([][]Answered, partitions), news: make(chan struct{})}
	for n, missing := 1, partitions; missing > 0; n++ {
		id := fmt.Sprintf("%sprobe-%d", prefix, n)
		if at := PartitionOf(id, partitions); p.ids[at] == "" {
			p.ids[at] = id
			missing--
		}
	}
	return p
}

// run probes until begin ends.
func (p *Probes) run(ctx, begin context.Context) {
	var all sync.WaitGroup
	for partition, id := range p.ids {
		all.Go(func() {
			p.caller.command(ctx, probeClients+1000*partition, partition, client.Command{
				Aggregate: "account", ID: id, Type: "open", CommandID: p.prefix + "probe-open-" + id,
				Data: map[string]any{"holder": "probe", "currency": currency, "overdraft_limit": 0},
			})
			p.partition(ctx, begin, partition, id)
		})
	}
	all.Wait()
}

func (p *Probes) partition(ctx, begin context.Context, partition int, id string) {
	slots := make(chan int, probesAtOnce)
	for i := range probesAtOnce {
		slots <- probeClients + 1000*partition + 1 + i
	}
	var under sync.WaitGroup
	defer under.Wait()
	ticks := time.NewTicker(p.every)
	defer ticks.Stop()
	for n := 1; ; n++ {
		select {
		case <-begin.Done():
			return
		case <-ticks.C:
		}
		select {
		case slot := <-slots:
			under.Go(func() {
				sent := history.Now()
				a := p.caller.command(ctx, slot, n, client.Command{Aggregate: "account", ID: id, Type: "deposit",
					CommandID: fmt.Sprintf("%sprobe-%d-%d", p.prefix, partition, n),
					Data:      map[string]any{"amount": 1, "currency": currency, "reference": "probe"}})
				if a.kind == history.OK {
					p.success(partition, Answered{Sent: sent, Answered: history.Now()})
				}
				slots <- slot
			})
		default: // enough are waiting
		}
	}
}

func (p *Probes) success(partition int, a Answered) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered[partition] = append(p.answered[partition], a)
	close(p.news)
	p.news = make(chan struct{})
}

// Successes returns when probes were answered, by partition.
func (p *Probes) Successes() [][]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([][]int64, len(p.answered))
	for partition, answered := range p.answered {
		for _, a := range answered {
			all[partition] = append(all[partition], a.Answered)
		}
	}
	return all
}

// Await returns when every partition has answered a probe that was sent after since. Its error
// names those that have not.
func (p *Probes) Await(ctx context.Context, since int64) error {
	for {
		p.mu.Lock()
		var missing []int
		for partition, answered := range p.answered {
			found := false
			for i := len(answered) - 1; i >= 0 && !found && answered[i].Answered > since; i-- {
				found = answered[i].Sent > since
			}
			if !found {
				missing = append(missing, partition)
			}
		}
		news := p.news
		p.mu.Unlock()
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("no probe of partitions %v was answered in time", missing), ctx.Err())
		}
	}
}
