package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
)

// latency is what a peer did with commands at a steady rate.
type latency struct {
	Peer string `json:"peer"`
	Rate int    `json:"rate"`
	// Percentiles of the time from when a command was due to when a read_committed reader saw its
	// outcome, in milliseconds.
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
	// AppCPU and BrokerCPU are how much of one core was busy, in percent.
	AppCPU    float64 `json:"app_cpu_percent"`
	BrokerCPU float64 `json:"broker_cpu_percent"`
}

// reader follows the outcomes of a run.
type reader struct {
	client *kgo.Client
	count  atomic.Int64
	seen   []time.Time // by command
	fault  error
	ended  chan struct{}
}

func (b *site) follower(ctx context.Context, topic string, most int) (*reader, error) {
	opts, err := cluster.Config{Brokers: b.kafka.Bootstrap()}.Franz()
	if err != nil {
		return nil, err
	}
	starts := map[int32]kgo.Offset{}
	for partition := range int32(b.partitions) {
		starts[partition] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}))...)
	if err != nil {
		return nil, err
	}
	r := &reader{client: client, seen: make([]time.Time, most), ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		for {
			fetches := client.PollFetches(ctx)
			if ctx.Err() != nil || fetches.IsClientClosed() {
				return
			}
			now := time.Now()
			fetches.EachRecord(func(out *kgo.Record) {
				id, err := idOf(out.Value)
				if err != nil || id >= most || !r.seen[id].IsZero() {
					r.fault = errors.Join(r.fault, fmt.Errorf("outcome %q is not expected (%v)", out.Value, err))
					return
				}
				r.seen[id] = now
				r.count.Add(1)
			})
		}
	}()
	return r, nil
}

func (r *reader) await(ctx context.Context, c *child, n int) error {
	err := poll(ctx, time.Millisecond, patience, func() (bool, error) { return int(r.count.Load()) >= n, c.Died() })
	if err != nil {
		return fmt.Errorf("%s: %d of %d outcomes: %w", c.name, r.count.Load(), n, err)
	}
	return nil
}

// close returns what was wrong with the outcomes.
func (r *reader) close() error {
	r.client.Close()
	<-r.ended
	return r.fault
}

// warmUp is how many commands a peer gets before latency is measured, as fast as it can take them.
const warmUp = 200_000

// measureLatency runs a peer at each of the rates in turn, after a warm-up.
func (b *site) measureLatency(ctx context.Context, p peer, w workload, rates []int, each time.Duration) (all []latency, err error) {
	t, err := b.newTask(ctx, p, "", w.EventsPerCommand)
	if err != nil {
		return nil, err
	}
	t.ForLatency = true
	c, err := startChild(p, t)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	settle := min(3*time.Second, each)
	sent, most := 0, w.Commands
	for _, rate := range rates {
		most += int(float64(rate) * (settle + each).Seconds())
	}
	readCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes, err := b.follower(readCtx, t.Outcomes, most)
	if err != nil {
		return nil, err
	}
	if _, err := c.await(ctx, eventRunning); err != nil {
		return nil, err
	}
	if err := w.send(ctx, b.client, t.Input, 0, w.Commands); err != nil {
		return nil, err
	}
	sent = w.Commands
	if err := outcomes.await(ctx, c, sent); err != nil {
		return nil, err
	}
	for _, rate := range rates {
		for i, part := range []time.Duration{settle, each} {
			n := int(float64(rate) * part.Seconds())
			before, err := b.look(c, 0)
			if err != nil {
				return nil, err
			}
			due, err := b.sendAtRate(ctx, w, t.Input, sent, n, rate)
			if err != nil {
				return nil, err
			}
			after, err := b.look(c, 0)
			if err != nil {
				return nil, err
			}
			if err := outcomes.await(ctx, c, sent+n); err != nil {
				return nil, err
			}
			if i == 1 {
				l := percentiles(outcomes.seen[sent:sent+n], due)
				l.Peer, l.Rate = p.name, rate
				l.AppCPU, l.BrokerCPU = before.busy(after)
				all = append(all, l)
			}
			sent += n
		}
	}
	if err := outcomes.close(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return all, errors.Join(c.stop(ctx), b.drop(ctx, t))
}

// busy returns how much of one core was busy between two looks, in percent.
func (m mark) busy(later mark) (app, broker float64) {
	wall := later.at.Sub(m.at).Seconds()
	return 100 * (later.app - m.app).Seconds() / wall, 100 * (later.broker - m.broker).Seconds() / wall
}

// sendAtRate sends n commands from the first on and returns when each was due. The clock decides,
// not the answers.
func (b *site) sendAtRate(ctx context.Context, w workload, topic string, first, n, rate int) (func(i int) time.Time, error) {
	begin := time.Now()
	due := func(i int) time.Time {
		return begin.Add(time.Duration(float64(i) / float64(rate) * float64(time.Second)))
	}
	if _, err := b.sendWhenDue(ctx, w, topic, first, n, due); err != nil {
		return nil, err
	}
	return due, ctx.Err()
}

// sendWhenDue sends n commands from the first on, each when it is due, until ctx ends, and returns
// how many it sent. The brokers have them then.
func (b *site) sendWhenDue(ctx context.Context, w workload, topic string, first, n int, due func(i int) time.Time) (sent int, err error) {
	unbound := context.WithoutCancel(ctx)
	var fault atomic.Pointer[error]
	for sent < n && pause(ctx, time.Until(due(sent))) == nil {
		b.client.Produce(unbound, w.command(topic, first+sent), func(_ *kgo.Record, err error) {
			if err != nil {
				fault.CompareAndSwap(nil, &err)
			}
		})
		sent++
	}
	limited, cancel := context.WithTimeout(unbound, patience)
	defer cancel()
	if err := b.client.Flush(limited); err != nil {
		return sent, err
	}
	if err := fault.Load(); err != nil {
		return sent, fmt.Errorf("send commands: %w", *err)
	}
	return sent, nil
}

func percentiles(seen []time.Time, due func(i int) time.Time) latency {
	took := make([]time.Duration, len(seen))
	for i, at := range seen {
		took[i] = at.Sub(due(i))
	}
	slices.Sort(took)
	rank := func(perMille int) float64 { // nearest rank
		n := (perMille*len(took) + 999) / 1000
		return float64(took[max(n, 1)-1]) / float64(time.Millisecond)
	}
	return latency{P50: rank(500), P99: rank(990), P999: rank(999), Max: rank(1000)}
}
