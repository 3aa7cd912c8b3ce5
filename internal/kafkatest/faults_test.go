package kafkatest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// One cluster for all faults of this test, since three brokers are the slowest thing here to start.
func TestThreeBrokersUnderFaults(t *testing.T) {
	begin := time.Now()
	k := Start(t, KafkaConfig{Brokers: 3, Properties: FastDetection(), Logger: testLogger(t)})
	t.Logf("ready after %s", time.Since(begin).Round(time.Millisecond))
	createTopic(limited(t), t, k, "numbers", 3)
	wantMinISR(limited(t), t, k, "numbers", "2")
	client := newClient(t, k)
	written := 0
	write := func(ctx context.Context, t *testing.T) {
		t.Helper()
		begin := time.Now()
		for partition := range int32(3) {
			produce(ctx, t, client, "numbers", partition, written, written+100)
		}
		written += 100
		t.Logf("all partitions acknowledged writes after %s", time.Since(begin).Round(time.Millisecond))
	}

	t.Run("roles are those of the cluster's own answers", func(t *testing.T) {
		ctx := limited(t)
		checkRoles(ctx, t, k)
		write(ctx, t)
	})
	t.Run("a leader is killed, another takes over", func(t *testing.T) {
		ctx := limited(t)
		leader, err := k.Leader(ctx, "numbers", 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Kill(leader); err != nil {
			t.Fatal(err)
		}
		awaitOther(ctx, t, "leader", leader, func() (int, error) { return k.Leader(ctx, "numbers", 0) })
		write(ctx, t)
		bootAndSync(ctx, t, k, leader)
	})
	t.Run("the controller is frozen, another takes over", func(t *testing.T) {
		ctx := limited(t)
		controller, err := k.Controller(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Freeze(controller); err != nil {
			t.Fatal(err)
		}
		awaitOther(ctx, t, "controller", controller, func() (int, error) { return k.Controller(ctx) })
		write(ctx, t)
		if err := k.Thaw(controller); err != nil {
			t.Fatal(err)
		}
		if err := k.AwaitInSync(ctx); err != nil {
			t.Fatal(err)
		}
		checkRoles(ctx, t, k)
	})
	t.Run("all are killed, the quorum comes back", func(t *testing.T) {
		ctx := limited(t)
		for _, n := range k.Nodes() {
			if err := k.Kill(n.ID); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range k.Nodes() {
			if err := k.Boot(n.ID); err != nil {
				t.Fatal(err)
			}
		}
		if err := k.AwaitInSync(ctx); err != nil {
			t.Fatal(err)
		}
		write(ctx, t)
	})
	t.Run("a rolling restart goes through all brokers, the controller last", func(t *testing.T) {
		ctx := limited(t)
		controller, err := k.Controller(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var rolled []int
		if err := k.Roll(ctx, func(ctx context.Context, id int) error {
			rolled = append(rolled, id)
			write(ctx, t)
			return k.AwaitInSync(ctx)
		}); err != nil {
			t.Fatal(err)
		}
		if len(rolled) != 3 || rolled[2] != controller {
			t.Errorf("rolled %v, the controller was %d", rolled, controller)
		}
	})
	for partition := range int32(3) {
		consume(limited(t), t, k, "numbers", partition, written)
	}
	logUsage(t, k)
}

// checkRoles compares the roles with what a Kafka client finds.
func checkRoles(ctx context.Context, t *testing.T, k *Kafka) {
	t.Helper()
	client := newClient(t, k)
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx, "numbers")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range topics["numbers"].Partitions {
		if id, err := k.Leader(ctx, "numbers", p.Partition); err != nil || id != int(p.Leader) {
			t.Errorf("leader of partition %d: %d, %v, want %d", p.Partition, id, err, p.Leader)
		}
	}
	groups := admin.FindGroupCoordinators(ctx, "a-group")
	if id, err := k.GroupCoordinator(ctx, "a-group"); err != nil || id != int(groups["a-group"].NodeID) {
		t.Errorf("group coordinator %d, %v, want %d", id, err, groups["a-group"].NodeID)
	}
	transactions := admin.FindTxnCoordinators(ctx, "an-id")
	if id, err := k.TxnCoordinator(ctx, "an-id"); err != nil || id != int(transactions["an-id"].NodeID) {
		t.Errorf("transaction coordinator %d, %v, want %d", id, err, transactions["an-id"].NodeID)
	}
	// through a broker, while we ask controllers
	response, err := client.Request(ctx, quorumRequest())
	if err != nil {
		t.Fatal(err)
	}
	quorum, err := quorumIn(response)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := k.Controller(ctx); err != nil || id != int(quorum.LeaderID) {
		t.Errorf("controller %d, %v, want %d", id, err, quorum.LeaderID)
	}
}

func awaitOther(ctx context.Context, t *testing.T, role string, old int, who func() (int, error)) {
	t.Helper()
	begin := time.Now()
	if err := poll(ctx, "wait for another "+role, func(context.Context) error {
		id, err := who()
		if err == nil && id == old {
			err = fmt.Errorf("it is still %d", id)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("another %s after %s", role, time.Since(begin).Round(time.Millisecond))
}

func bootAndSync(ctx context.Context, t *testing.T, k *Kafka, id int) {
	t.Helper()
	begin := time.Now()
	if err := k.Boot(id); err != nil {
		t.Fatal(err)
	}
	if err := k.AwaitInSync(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("in sync %s after the boot", time.Since(begin).Round(time.Millisecond))
}
