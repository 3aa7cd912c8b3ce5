package torture

import (
	"context"
	"fmt"
	"time"
)

const (
	kindBrokerKill   = "broker-kill"
	kindBrokerFreeze = "broker-freeze"
	kindBrokerStop   = "broker-stop"
	kindBrokerBoot   = "broker-boot"
	kindBrokerThaw   = "broker-thaw"
	// syncLimit is how long a broker may take until all replicas are in sync again.
	syncLimit = 5 * time.Minute
)

// role is what a broker may be to the system.
type role struct {
	name string
	find func(context.Context) (int, error)
}

func (r *run) roles() []role {
	kafka := r.system.Kafka
	return []role{
		{"leader", func(ctx context.Context) (int, error) {
			return kafka.Leader(ctx, "account.commands", int32(r.random.IntN(partitions)))
		}},
		{"group-coordinator", func(ctx context.Context) (int, error) { return kafka.GroupCoordinator(ctx, "account") }},
		{"transaction-coordinator", func(ctx context.Context) (int, error) {
			return kafka.TxnCoordinator(ctx, fmt.Sprintf("account/processor-%d/%d", 1+r.random.IntN(3), r.random.IntN(2)))
		}},
		{"controller", kafka.Controller},
	}
}

// killBrokers kills brokers by role, freezeBrokers freezes them, rollBrokers restarts all of them
// as operators do.
func killBrokers(ctx context.Context, r *run) error { return r.hitBrokers(ctx, kindBrokerKill) }

func freezeBrokers(ctx context.Context, r *run) error { return r.hitBrokers(ctx, kindBrokerFreeze) }

func (r *run) hitBrokers(ctx context.Context, kind string) error {
	from := r.random.IntN(4)
	return r.each(ctx, func(n int) error {
		role := r.roles()[(from+n)%4]
		id, err := role.find(ctx)
		if err != nil {
			return err
		}
		if err := r.hitBroker(ctx, kind, role.name, id); err != nil {
			return err
		}
		return r.wait(ctx, time.Second, 4*time.Second)
	})
}

// hitBroker breaks one broker, waits until the system answers without it, mends it and waits until
// all replicas are in sync.
func (r *run) hitBroker(ctx context.Context, kind, role string, id int) error {
	kafka := r.system.Kafka
	mendKind, down, up := kindBrokerBoot, kafka.Kill, r.bootBroker
	if kind == kindBrokerFreeze {
		mendKind, down, up = kindBrokerThaw, kafka.Freeze, kafka.Thaw
	}
	r.inflictedOnBroker(hit{kind: kind, target: fmt.Sprint(id), detail: role, label: kind + " " + role})
	mend := r.breaks(fmt.Sprintf("broker %d", id), func(ctx context.Context) error {
		r.note(mendKind, fmt.Sprint(id), "")
		if err := up(id); err != nil {
			return err
		}
		return r.awaitInSync(ctx)
	})
	if err := down(id); err != nil {
		return err
	}
	r.answersAgain(ctx)
	if err := r.wait(ctx, 0, 6*time.Second); err != nil {
		return err
	}
	if err := mend(ctx); err != nil {
		return err
	}
	r.answersAgain(ctx)
	return nil
}

// bootBroker starts a broker unless it runs: what mends may be called again where it did not come
// to its end.
func (r *run) bootBroker(id int) error {
	if _, err := r.system.Kafka.Usage(id); err == nil {
		return nil
	}
	return r.system.Kafka.Boot(id)
}

func (r *run) inflictedOnBroker(h hit) {
	r.inflicted(h)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.brokerHits++
}

func (r *run) awaitInSync(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	return r.system.Kafka.AwaitInSync(limited)
}

// rollBrokers restarts all brokers in turn, again and again, the controller last.
func rollBrokers(ctx context.Context, r *run) error {
	return r.each(ctx, func(int) error {
		controller, err := r.system.Kafka.Controller(ctx)
		if err != nil {
			return err
		}
		order := []int{}
		for _, n := range r.system.Kafka.Nodes() {
			if n.ID != controller {
				order = append(order, n.ID)
			}
		}
		for _, id := range append(order, controller) {
			if err := r.rollBroker(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *run) rollBroker(ctx context.Context, id int) error {
	r.inflictedOnBroker(hit{kind: kindBrokerStop, target: fmt.Sprint(id), label: "broker-roll"})
	mend := r.breaks(fmt.Sprintf("broker %d", id), func(ctx context.Context) error {
		r.note(kindBrokerBoot, fmt.Sprint(id), "")
		if err := r.bootBroker(id); err != nil {
			return err
		}
		return r.awaitInSync(ctx)
	})
	limited, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	if err := r.system.Kafka.Stop(limited, id); err != nil {
		return err
	}
	if err := mend(ctx); err != nil {
		return err
	}
	r.answersAgain(ctx)
	return nil
}

// restartBroker kills the only broker and boots it again: everything waits, and nothing may be
// lost.
func restartBroker(ctx context.Context, r *run) error {
	return r.each(ctx, func(int) error {
		r.inflictedOnBroker(hit{kind: kindBrokerKill, target: "1", detail: "the only one", label: kindBrokerKill + " only"})
		mend := r.breaks("broker 1", func(ctx context.Context) error {
			r.note(kindBrokerBoot, "1", "")
			if err := r.bootBroker(1); err != nil {
				return err
			}
			return r.awaitInSync(ctx)
		})
		if err := r.system.Kafka.Kill(1); err != nil {
			return err
		}
		if err := r.wait(ctx, 0, 5*time.Second); err != nil {
			return err
		}
		if err := mend(ctx); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return r.wait(ctx, 2*time.Second, 6*time.Second)
	})
}
