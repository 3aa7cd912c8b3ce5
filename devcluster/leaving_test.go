package devcluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupMember is a static member of a group that says each request itself.
type groupMember struct {
	t          *testing.T
	client     *kgo.Client
	instance   string
	id         string
	generation int32
	leads      bool
}

func newGroupMember(t *testing.T, brokers []string, instance string) *groupMember {
	return &groupMember{t: t, client: client(t, brokers), instance: instance}
}

// join returns once the broker says who is in the next generation.
func (m *groupMember) join() {
	m.t.Helper()
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.InstanceID, req.ProtocolType = "g", m.id, &m.instance, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 30_000, 120_000
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "range"
	req.Protocols = append(req.Protocols, protocol)
	resp, err := req.RequestWith(soon(m.t), m.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		m.t.Errorf("%s joins: %v", m.instance, err)
		return
	}
	m.id, m.generation, m.leads = resp.MemberID, resp.Generation, resp.MemberID == resp.LeaderID
}

// sync gets what the leader assigns; the leader assigns something to all.
func (m *groupMember) sync(ctx context.Context, all ...*groupMember) error {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.InstanceID, req.Generation = "g", m.id, &m.instance, m.generation
	for _, other := range all {
		assignment := kmsg.NewSyncGroupRequestGroupAssignment()
		assignment.MemberID, assignment.MemberAssignment = other.id, []byte(other.instance)
		req.GroupAssignment = append(req.GroupAssignment, assignment)
	}
	resp, err := req.RequestWith(ctx, m.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

// leave returns once the broker has let the member go.
func (m *groupMember) leave() error {
	answers, err := kadm.NewClient(m.client).LeaveGroup(soon(m.t), kadm.LeaveGroup("g").InstanceIDs(m.instance))
	if err == nil {
		err = answers[m.instance].Err
	}
	return err
}

// twoMembers returns two that joined the same generation.
func twoMembers(t *testing.T, c *Cluster) (leader, other *groupMember) {
	t.Helper()
	first, second := newGroupMember(t, c.Brokers(), "first"), newGroupMember(t, c.Brokers(), "second")
	first.join()
	if err := first.sync(soon(t), first); err != nil {
		t.Fatal(err)
	}
	joined := make(chan struct{})
	go func() { second.join(); close(joined) }()
	awaitState(t, c, "PreparingRebalance")
	first.join()
	<-joined
	if t.Failed() || !first.leads {
		t.Fatalf("the group did not come about: first leads: %t", first.leads)
	}
	return first, second
}

// A member that leaves while it waits for its assignment does not hold up the others.
func TestLeavingBeforeTheAssignment(t *testing.T) {
	c := started(t, t.TempDir())
	leader, other := twoMembers(t, c)
	waits, synced := make(chan struct{}), make(chan error, 1)
	c.broker.control(kmsg.SyncGroup, func(kmsg.Request) (kmsg.Response, error, bool) {
		close(waits) // it is handled before any later request
		c.broker.kfake.DropControl()
		return nil, nil, false
	})
	go func() { synced <- other.sync(soon(t)) }()
	<-waits
	impatient := *other
	impatient.client = client(t, c.Brokers(), kgo.RequestRetries(0))
	if err := impatient.leave(); !errors.Is(err, kerr.CoordinatorLoadInProgress) {
		t.Errorf("told to leave: %v, want that it asks again later", err)
	}
	if err := leader.sync(soon(t), leader, other); err != nil && !errors.Is(err, kerr.RebalanceInProgress) {
		t.Fatal(err)
	}
	<-synced // whatever it is told
	if err := other.leave(); err != nil {
		t.Fatal(err)
	}
	leader.join()
	if t.Failed() {
		t.Fatal("the group does not come to an end of its rebalance any more")
	}
	if err := leader.sync(soon(t), leader); err != nil {
		t.Fatal(err)
	}
	awaitState(t, c, "Stable")
}

// A member with its assignment leaves at once, also if it asked after the leader had brought it.
func TestLeavingAfterTheAssignment(t *testing.T) {
	c := started(t, t.TempDir())
	leader, other := twoMembers(t, c)
	if err := errors.Join(leader.sync(soon(t), leader, other), other.sync(soon(t)), other.leave()); err != nil {
		t.Fatal(err)
	}
	leader.join()
	if err := leader.sync(soon(t), leader); err != nil {
		t.Fatal(err)
	}
	awaitState(t, c, "Stable")
}

func awaitState(t *testing.T, c *Cluster, state string) {
	t.Helper()
	a := admin(t, c.Brokers())
	for ctx := soon(t); ; {
		described, err := a.DescribeGroups(ctx, "g")
		if err != nil {
			t.Fatal(err)
		}
		if described["g"].State == state {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
