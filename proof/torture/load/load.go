package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Config says what load to make.
type Config struct {
	// World sets the ids of this load apart from those of another on the same history; "" for the
	// first.
	World string
	// First is where the numbers of its clients begin.
	First int
	Seed  uint64
	// Rate is how much is done in a second, altogether, without the probes.
	Rate int
	// ProbeEvery is the pace of each partition's probes. No stall that is shorter is seen.
	ProbeEvery time.Duration
	Partitions int
	Caller     *Caller
	// Kafka returns a client for the foreign producer.
	Kafka func(...kgo.Opt) (*kgo.Client, error)
}

// Load is what runs.
type Load struct {
	Probes *Probes

	stop, giveUp context.CancelFunc
	done         chan struct{}
	kafka        *kgo.Client
}

const (
	// pace is what one worker does in a second. There are as many workers as the rate needs, so
	// that a few that wait do not lower it.
	pace = 4
	// accountsOf is how many accounts the workers share.
	accountsOf = 40
	// windUp is how long what is under way may take when the load stops.
	windUp = 30 * time.Second
)

// Start opens the accounts and starts the load.
func Start(ctx context.Context, c Config) (*Load, error) {
	client, err := c.Kafka(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		return nil, err
	}
	l := &Load{done: make(chan struct{}), kafka: client, Probes: NewProbes(c.Caller, c.World, c.Partitions, c.ProbeEvery)}
	ctx, l.giveUp = context.WithCancel(ctx)
	begin, stop := context.WithCancel(ctx)
	l.stop = stop
	accounts := NewAccounts(c.World, accountsOf)
	over := max(1, c.Rate*9/10/pace)
	var all sync.WaitGroup
	first := accounts.all()
	for n := range over {
		w := &worker{caller: c.Caller, number: c.First + 1 + n, prefix: c.World, accounts: accounts,
			random: rand.New(rand.NewPCG(c.Seed, uint64(c.First+1+n))), versions: map[string]int64{}}
		mine := first[n*len(first)/over : (n+1)*len(first)/over]
		all.Go(func() {
			w.open(begin, mine)
			w.run(ctx, begin, time.Second/pace)
		})
	}
	p := &producer{recorder: c.Caller.Recorder, client: client, number: c.First, prefix: c.World, accounts: accounts, partitions: c.Partitions,
		random: rand.New(rand.NewPCG(c.Seed, uint64(c.First)))}
	all.Go(func() { p.run(ctx, begin, time.Second/time.Duration(max(1, c.Rate/10))) })
	all.Go(func() { l.Probes.run(ctx, begin) })
	go func() {
		all.Wait()
		client.Close()
		close(l.done)
	}()
	return l, nil
}

// Stop starts nothing new, and returns when everything under way has ended; after a while it is
// given up. It may be called again.
func (l *Load) Stop() error {
	l.stop()
	defer l.giveUp()
	select {
	case <-l.done:
		return nil
	case <-time.After(windUp):
	}
	l.giveUp()
	select {
	case <-l.done:
		return nil
	case <-time.After(windUp):
		return fmt.Errorf("clients have not ended within %s after they were told to", windUp)
	}
}
