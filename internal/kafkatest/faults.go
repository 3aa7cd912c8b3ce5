package kafkatest

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Kill ends a broker at once (SIGKILL) and returns when it is gone. The others notice when its
// session times out, see [FastDetection].
func (k *Kafka) Kill(id int) error {
	return k.fault("kill", id, func(n *node) error { return n.process.Kill() })
}

// Freeze holds a broker still (SIGSTOP): its connections stay open and nothing answers on them.
func (k *Kafka) Freeze(id int) error {
	return k.fault("freeze", id, func(n *node) error { return n.process.Freeze() })
}

// Thaw lets a frozen broker go on (SIGCONT), with whatever it was doing.
func (k *Kafka) Thaw(id int) error {
	return k.fault("thaw", id, func(n *node) error { return n.process.Thaw() })
}

// Stop shuts a broker down (SIGTERM): it hands its leaderships over. A frozen one is thawed first.
// It returns when the broker is gone, or with an error when ctx ends before.
func (k *Kafka) Stop(ctx context.Context, id int) error {
	return k.fault("stop", id, func(n *node) error { return n.process.Stop(ctx) })
}

// Boot starts a broker that was killed or stopped, on its data and ports, and does not wait: two
// nodes of three may have to be booted before either can become ready. See [Kafka.AwaitReady] and
// [Kafka.AwaitInSync].
func (k *Kafka) Boot(id int) error {
	return k.fault("boot", id, func(n *node) error { return n.process.Boot() })
}

func (k *Kafka) fault(what string, id int, do func(*node) error) error {
	n, err := k.node(id)
	if err != nil {
		return fmt.Errorf("%s a broker: %w", what, err)
	}
	begin := time.Now()
	if err := do(n); err != nil {
		return err
	}
	k.config.Logger.Info(what+" broker", "node", id, "took", time.Since(begin).Round(time.Millisecond))
	return nil
}

// Roll restarts all brokers, one after the other, the active controller last, as operators do: it
// stops one, boots it, waits until all replicas are in sync again and calls between, if not nil,
// with its id. It fails with the first error, and leaves what is down as it is.
func (k *Kafka) Roll(ctx context.Context, between func(ctx context.Context, id int) error) error {
	controller, err := k.Controller(ctx)
	if err != nil {
		return fmt.Errorf("roll: %w", err)
	}
	var order []int
	for _, n := range k.nodes {
		order = append(order, n.ID)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch controller {
		case a:
			return 1
		case b:
			return -1
		}
		return 0
	})
	for _, id := range order {
		if err := k.rollOne(ctx, id); err != nil {
			return fmt.Errorf("roll broker %d: %w", id, err)
		}
		if between == nil {
			continue
		}
		if err := between(ctx, id); err != nil {
			return fmt.Errorf("roll, after broker %d: %w", id, err)
		}
	}
	return nil
}

func (k *Kafka) rollOne(ctx context.Context, id int) error {
	if err := k.Stop(ctx, id); err != nil {
		return err
	}
	if err := k.Boot(id); err != nil {
		return err
	}
	return k.AwaitInSync(ctx)
}
