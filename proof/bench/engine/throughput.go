package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// throughput is what a peer did with preloaded commands, over the second half of them.
type throughput struct {
	Peer     string `json:"peer"`
	Commands int    `json:"commands"`
	Keys     int    `json:"keys"`
	// Whole says that commands were too few to measure the second half of them: the figures count
	// from the start of the process.
	Whole bool `json:"whole,omitempty"`
	// PerSecond is commands per second.
	PerSecond float64 `json:"per_second"`
	// AppCPU and BrokerCPU are processor seconds for 1 M commands.
	AppCPU    float64 `json:"app_cpu_seconds_per_million"`
	BrokerCPU float64 `json:"broker_cpu_seconds_per_million"`
	// MemoryMB is what the peer's process held at the end.
	MemoryMB int64 `json:"memory_mb"`
	// Written is the number of records in the table's topic, markers included.
	Written int `json:"table_records"`
}

// mark is a look at a running peer.
type mark struct {
	at          time.Time
	done        int
	app, broker time.Duration
	memory      int64
}

func (b *site) look(c *child, done int) (mark, error) {
	m := mark{at: time.Now(), done: done}
	usage, err := c.Usage()
	if err != nil {
		return m, err
	}
	m.app, m.memory = usage.CPU, usage.Memory
	m.broker, err = b.brokerCPU()
	return m, err
}

// between returns the figures of what was done from one look to the next.
func (m mark) between(later mark) (perSecond, appCPU, brokerCPU float64) {
	done := float64(later.done - m.done)
	return done / later.at.Sub(m.at).Seconds(), (later.app - m.app).Seconds() * 1e6 / done, (later.broker - m.broker).Seconds() * 1e6 / done
}

// measureThroughput runs a peer over the workload's commands.
func (b *site) measureThroughput(ctx context.Context, p peer, w workload, verify bool, profile string) (throughput, error) {
	input, err := b.commands(ctx, w)
	if err != nil {
		return throughput{}, err
	}
	t, err := b.newTask(ctx, p, input, w.EventsPerCommand)
	if err != nil {
		return throughput{}, err
	}
	if p.run != nil { // Go's profiler knows only Go
		t.Profile = profile
	}
	c, err := startChild(p, t)
	if err != nil {
		return throughput{}, err
	}
	defer func() { _ = c.Close() }()
	half, end, whole, err := b.follow(ctx, c, w.Commands, func() (int, error) { return b.progress(ctx, p, t) })
	if err != nil {
		return throughput{}, err
	}
	if err := c.stop(ctx); err != nil {
		return throughput{}, err
	}
	figures := throughput{Peer: p.name, Commands: w.Commands, Keys: w.Keys, Whole: whole, MemoryMB: end.memory >> 20}
	figures.PerSecond, figures.AppCPU, figures.BrokerCPU = half.between(end)
	if figures.Written, err = b.ended(ctx, t.Table); err != nil {
		return throughput{}, err
	}
	if verify {
		if err := b.verify(ctx, p, t, w); err != nil {
			return throughput{}, err
		}
	}
	return figures, b.drop(ctx, t)
}

// shortest is what can be measured at all: the kernel counts processor time in ticks of 10 ms.
const shortest = 200 * time.Millisecond

// follow looks at a peer when it has done half of the commands, and when it has done all. Where so
// few commands were given that a few transactions take them all, or that the second half takes no
// time, the first look is from the start of the process, and whole says so.
func (b *site) follow(ctx context.Context, c *child, commands int, progress func() (int, error)) (half, end mark, whole bool, err error) {
	begin, err := b.look(c, 0)
	if err != nil {
		return half, end, false, err
	}
	last, moved := 0, time.Now()
	err = poll(ctx, 10*time.Millisecond, 30*time.Minute, func() (bool, error) {
		done, err := progress()
		if err = errors.Join(err, c.Died()); err != nil {
			return false, err
		}
		if done > last {
			last, moved = done, time.Now()
		} else if time.Since(moved) > patience {
			return false, fmt.Errorf("%s is stuck at %d of %d commands\n%s", c.name, done, commands, c.LogTail())
		}
		if half.done == 0 && done >= commands/2 {
			if half, err = b.look(c, done); err != nil {
				return false, err
			}
		}
		if done < commands {
			return false, nil
		}
		end, err = b.look(c, done)
		return true, err
	})
	if whole = end.done-half.done < commands/4 || end.at.Sub(half.at) < shortest; whole {
		half = begin
	}
	return half, end, whole, err
}
