package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/foldlog/foldlog/internal/retry"
)

// membership is the consumer group for Goka. sarama joins, keeps the session and reads the offsets;
// it fetches nothing. One call of Consume goes through all generations, since Goka would sleep five
// seconds between two calls.
type membership struct {
	sarama.ConsumerGroup
	client *coordinators
	engine *engine
	errs   chan error
	seen   chan struct{}
	// left the group for good; of the goroutine that consumes, and then of the one that closes
	gone bool
}

func newMembership(e *engine) (sarama.ConsumerGroup, error) {
	config, err := saramaConfig(e.config, e.group.Name, newBalance(e))
	if err != nil {
		return nil, fail(CauseConfiguration, err)
	}
	config.ClientID = e.config.Cluster.ClientID
	client, err := newCoordinators(e, config)
	if err != nil {
		return nil, failf(CauseMembership, "join group %s: %w", e.group.Name, err)
	}
	inner, err := sarama.NewConsumerGroupFromClient(e.group.Name, client)
	if err != nil {
		return nil, failf(CauseMembership, "join group %s: %w", e.group.Name, errors.Join(err, client.Close()))
	}
	m := &membership{ConsumerGroup: inner, client: client, engine: e, errs: make(chan error), seen: make(chan struct{})}
	go m.watch()
	e.background.Go(func() { client.watch(e.group.Name) })
	return m, nil
}

// watch looks at the errors that sarama cannot return to anybody.
func (m *membership) watch() {
	defer close(m.seen)
	for err := range m.ConsumerGroup.Errors() {
		switch {
		case errors.Is(err, sarama.ErrOffsetOutOfRange):
			m.engine.fail(failf(CauseFetch, "the committed offset of group %s is no longer in the log: inputs were lost. Find out why before you move "+
				"the offset by hand: %w", m.engine.group.Name, err))
		case errors.Is(err, sarama.ErrFencedInstancedId):
			m.engine.fail(&failure{CauseFenced, m.fenced(err)})
		default:
			m.engine.log.Warn("consumer group", "error", err)
		}
	}
}

func (m *membership) fenced(err error) error {
	return fmt.Errorf("another process runs group %s as instance %q; instance names must be unique: %w", m.engine.group.Name, m.engine.config.Instance, err)
}

// Errors returns a channel that stays empty: watch looks at sarama's errors.
func (m *membership) Errors() <-chan error { return m.errs }

// Consume takes part in the group until ctx ends or the attempt fails.
func (m *membership) Consume(ctx context.Context, inputs []string, handler sarama.ConsumerGroupHandler) error {
	e := m.engine
	unhook := context.AfterFunc(e.ctx, m.client.stopJoining)
	defer unhook()
	good := time.Now()
	for try := range retry.Attempts(ctx, joinRetry, time.Second) {
		h := &sessionHandler{membership: m, goka: handler}
		err := m.ConsumerGroup.Consume(ctx, inputs, h)
		e.current.Store(nil)
		e.recovered.Store(false)
		if failure := e.failed(); failure != nil {
			return failure
		}
		if ctx.Err() != nil {
			return nil
		}
		e.point(pointBetweenGenerations)
		switch {
		case errors.Is(err, sarama.ErrFencedInstancedId):
			return e.stopWith(&failure{CauseFenced, m.fenced(err)})
		case isForGood(err):
			return e.stopWith(failf(CauseMembership, "join group %s: %w", e.group.Name, err))
		case err == nil || h.complete:
			good = time.Now()
			try.Restart()
		case time.Since(good) > e.config.Patience:
			return e.stopWith(failf(CauseMembership, "take part in group %s, tried for %s: %w", e.group.Name, e.config.Patience, err))
		}
		if err == nil {
			e.state("joining the group anew")
			try.Skip()
			continue
		}
		e.state(fmt.Sprintf("joining the group, last try: %v", err))
		e.log.Warn("the group's session did not come about, trying again", "in", try.Pause(), "error", err)
	}
	return e.failed()
}

// stopWith fails the attempt.
func (e *engine) stopWith(err error) error {
	e.fail(err)
	return e.failed()
}

// isForGood reports errors of joining that do not go away by waiting.
func isForGood(err error) bool {
	for _, final := range []error{sarama.ErrGroupAuthorizationFailed, sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed,
		sarama.ErrInconsistentGroupProtocol, sarama.ErrInvalidGroupId, sarama.ErrInvalidSessionTimeout, sarama.ErrClosedConsumerGroup} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}

// Close ends the membership. A member that finished its work leaves for good, so that others take
// over at once; sarama would let a static member's session run out. After a failure it stays a
// member, since it will come back.
func (m *membership) Close() error {
	err := errors.Join(m.ConsumerGroup.Close(), m.client.Close())
	<-m.seen
	m.leaveForGood()
	return err
}

// leaveForGood leaves the group if the end is wanted and everything is committed.
func (m *membership) leaveForGood() {
	if m.gone || m.engine.config.QuickRestart || m.engine.ctx.Err() == nil || m.engine.failed() != nil {
		return
	}
	m.gone = true
	m.engine.point(pointBeforeLeave)
	m.leave()
}

func (m *membership) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	id := instanceID(m.engine.group.Name, m.engine.config.Instance)
	left, err := m.engine.admin.LeaveGroup(ctx, kadm.LeaveGroup(m.engine.group.Name).InstanceIDs(id).Reason("the process stops"))
	if err == nil {
		err = left[id].Err
	}
	if err != nil && !errors.Is(err, kerr.UnknownMemberID) {
		m.engine.log.Warn("could not leave the group; others take over when the session ends", "after", m.engine.config.SessionTimeout, "error", err)
	}
}

// sessionHandler goes through one session: it makes a generation of it and lets Goka run its part.
type sessionHandler struct {
	membership *membership
	goka       sarama.ConsumerGroupHandler
	gen        *generation
	complete   bool // setup was completed
}

// Setup restores the assigned partitions. If the group moved on meanwhile, an error is no failure.
func (h *sessionHandler) Setup(session sarama.ConsumerGroupSession) error {
	e := h.membership.engine
	e.config.Metrics.rebalanced(len(session.Claims()[e.group.Input]))
	g, err := newGeneration(e, session)
	h.gen = g
	e.current.Store(g)
	e.log.Info("a generation begins", "generation", g.id, "partitions", g.partitions())
	e.point(pointSetup)
	if err == nil {
		e.state("restoring")
		err = g.openStateless()
	}
	if err == nil {
		err = h.goka.Setup(quiet{session, g})
	}
	if err == nil {
		err = g.firstRestoreError()
	}
	if session.Context().Err() != nil {
		return fmt.Errorf("the group moved on during setup: %w", context.Cause(session.Context()))
	}
	if err != nil {
		e.fail(fail(CauseRestore, err))
		return err
	}
	e.point(pointRestored)
	e.background.Go(g.closeOthers)
	g.start()
	h.complete = true
	e.recovered.Store(true)
	e.state("running")
	return nil
}

// ConsumeClaim has Goka consume tokens instead of records that sarama would fetch.
func (h *sessionHandler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	g := h.gen
	h.membership.ConsumerGroup.PauseAll()
	l := g.lanes[claim.Partition()]
	if l == nil {
		return fmt.Errorf("partition %d was not set up", claim.Partition())
	}
	l.next.Store(max(claim.InitialOffset(), 0))
	l.end.Store(claim.HighWaterMarkOffset())
	if err := g.fetcher.claim(claim.Partition(), claim.InitialOffset()); err != nil {
		g.engine.fail(fail(CauseFetch, err))
		return err
	}
	return h.goka.ConsumeClaim(quiet{session, g}, tokenClaim{claim, l})
}

// Cleanup lets Goka stop its partitions, and then commits the last batch while the generation still
// stands.
func (h *sessionHandler) Cleanup(session sarama.ConsumerGroupSession) error {
	g := h.gen
	if g == nil {
		return nil
	}
	h.membership.engine.recovered.Store(false)
	g.cancel(nil)
	err := h.goka.Cleanup(quiet{session, g})
	g.finish()
	// Leave at once: others wait for the partitions, and nobody for the stores.
	h.membership.leaveForGood()
	g.closeStores()
	if err != nil && g.engine.failed() == nil && g.spoiled() == nil {
		g.engine.log.Warn("Goka's partitions did not stop in good order", "generation", g.id, "error", err)
	}
	return nil
}

// quiet is a session that ends with its generation and commits nothing: offsets belong to
// transactions.
type quiet struct {
	sarama.ConsumerGroupSession
	gen *generation
}

func (q quiet) Context() context.Context                    { return q.gen.ctx }
func (q quiet) MarkOffset(string, int32, int64, string)     {}
func (q quiet) ResetOffset(string, int32, int64, string)    {}
func (q quiet) MarkMessage(*sarama.ConsumerMessage, string) {}
func (q quiet) Commit()                                     {}

// tokenClaim is a claim whose messages are tokens of carriers.
type tokenClaim struct {
	sarama.ConsumerGroupClaim
	lane *lane
}

func (c tokenClaim) Messages() <-chan *sarama.ConsumerMessage { return c.lane.inbox.tokens }
