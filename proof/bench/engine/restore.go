package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// restore is how an instance without a store came back.
type restore struct {
	Peer string `json:"peer"`
	Keys int    `json:"keys"`
	// Running is the time from the start of the process until it had its partitions and their
	// state, and Reading that part of it in which state was read back. Seconds.
	Running float64 `json:"running_seconds"`
	Reading float64 `json:"reading_seconds"`
	// AppCPU is what the process computed until then, in seconds.
	AppCPU   float64 `json:"app_cpu_seconds"`
	MemoryMB int64   `json:"memory_mb"`
}

// probes is how many accounts are asked for their state after a restore.
const probes = 1000

// measureRestore writes a table of so many rows and starts a peer that has none of them.
func (b *site) measureRestore(ctx context.Context, p peer, keys int) (restore, error) {
	t, err := b.newTask(ctx, p, "", 1)
	if err != nil {
		return restore{}, err
	}
	stored := func(key int) row { return row{version: int64(key%7) + 1, balance: int64(key) + 1} }
	err = produceAll(ctx, b.client, keys, func(key int) *kgo.Record {
		return &kgo.Record{Topic: t.Table, Key: keyText(key), Value: stored(key).encode()}
	})
	if err != nil {
		return restore{}, err
	}
	c, err := startChild(p, t)
	if err != nil {
		return restore{}, err
	}
	defer func() { _ = c.Close() }()
	running, err := c.await(ctx, eventRunning)
	if err != nil {
		return restore{}, err
	}
	usage, err := c.Usage()
	if err != nil {
		return restore{}, err
	}
	r := restore{Peer: p.name, Keys: keys, Running: running[0].Sub(c.started).Seconds(), AppCPU: usage.CPU.Seconds(), MemoryMB: usage.Memory >> 20}
	begins, err := c.told(eventRestoreBegin)
	if err != nil {
		return restore{}, err
	}
	ends, err := c.told(eventRestoreEnd)
	if err != nil {
		return restore{}, err
	}
	if len(begins) > 0 && len(ends) > 0 {
		r.Reading = slices.MaxFunc(ends, time.Time.Compare).Sub(slices.MinFunc(begins, time.Time.Compare)).Seconds()
	}
	if err := b.probe(ctx, p, c, t, keys, stored); err != nil {
		return restore{}, err
	}
	return r, errors.Join(c.stop(ctx), b.drop(ctx, t))
}

// probe sends a command to some accounts and checks that their outcomes come from the restored
// rows.
func (b *site) probe(ctx context.Context, p peer, c *child, t task, keys int, stored func(int) row) error {
	n := min(probes, keys)
	keyOf := func(i int) int { return i * (keys / n) }
	err := produceAll(ctx, b.client, n, func(i int) *kgo.Record {
		return &kgo.Record{Topic: t.Input, Key: keyText(keyOf(i)), Value: commandText(i)}
	})
	if err != nil {
		return err
	}
	err = poll(ctx, 10*time.Millisecond, patience, func() (bool, error) {
		done, err := b.progress(ctx, p, t)
		return done >= n, errors.Join(err, c.Died())
	})
	if err != nil {
		return fmt.Errorf("%s after its restore: %w\n%s", p.name, err, c.LogTail())
	}
	right := 0
	err = b.readAll(ctx, t.Outcomes, func(r *kgo.Record) error {
		i, err := idOf(r.Value)
		if err != nil || i >= n {
			return fmt.Errorf("outcome %q is not expected (%v)", r.Value, err)
		}
		d, err := decide(stored(keyOf(i)), commandText(i), t.EventsPerCommand)
		if err != nil {
			return err
		}
		if string(r.Value) != string(d.outcome) {
			return fmt.Errorf("outcome %q, want %q: the row was not restored", r.Value, d.outcome)
		}
		right++
		return nil
	})
	if err == nil && right != n {
		err = fmt.Errorf("%d outcomes for %d commands", right, n)
	}
	if err != nil {
		return fmt.Errorf("%s after its restore: %w", p.name, err)
	}
	return nil
}
