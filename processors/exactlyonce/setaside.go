package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/processors/step"
)

// Errors of [SetAside]: nothing was changed.
var (
	// ErrRunning says that processes still run the group.
	ErrRunning = errors.New("the group is running: stop its processes first")
	// ErrNotNext says that the input is not the one at which the group stands.
	ErrNotNext = errors.New("not the group's next input")
)

// SetAside moves a group that is not running past its next input of a partition. In one transaction
// it writes the step that stands for the input, and the place behind it. It waits, as long as ctx
// allows, for the members to leave and for open transactions to end; those of dead owners it
// aborts. The input is checked to be the next one, so that nothing else is skipped.
func SetAside(ctx context.Context, c Config, group step.Group, partition int32, offset int64, stand func(*record.Record) step.Step) error {
	c.EnsureDefaults()
	opts, err := adminOptions(c)
	if err != nil {
		return fail(CauseConfiguration, err)
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return failf(CauseConfiguration, "kafka client: %w", err)
	}
	defer client.Close()
	seen := newFranzKafka(client)
	e := &engine{group: group, config: c, log: c.Logger.With("group", group.Name), point: func(string) {}, client: client, kafka: seen, admin: seen.admin,
		keys: map[source][]string{}}
	if e.ctx, e.cancel = context.WithCancelCause(ctx); partition < 0 || int(partition) >= group.Partitions {
		return fmt.Errorf("%s has the partitions 0 to %d", group.Input, group.Partitions-1)
	}
	defer e.cancel(nil)
	agreed, err := e.checkBrokers()
	if err != nil {
		return err
	}
	if err := e.awaitStopped(ctx, partition); err != nil {
		return err
	}
	in, err := e.nextInput(ctx, partition)
	if err != nil {
		return err
	}
	if in.Offset != offset {
		return fmt.Errorf("%w: offset %d of %s, partition %d: the group stands at offset %d", ErrNotNext, offset, group.Input, partition, in.Offset)
	}
	txns, err := newPair(ctx, c, &group, agreed, e.point, newFranzProducer)
	if err != nil {
		return err
	}
	defer txns.close()
	s := stand(in)
	outputs := make([]kgo.Record, 0, len(s.Records))
	for _, r := range s.Records {
		outputs = append(outputs, kgo.Record{Topic: r.Topic, Partition: -1, Key: r.Key, Value: r.Value, Headers: r.Headers})
	}
	if s.Progress != nil && group.ProgressTopic != "" {
		outputs = append(outputs, e.progress(partition, source{s.Progress.Source, s.Progress.Partition}, s.Progress.Offset)...)
	}
	return txns.next().Commit(ctx, &Work{
		Outputs:  [][]kgo.Record{outputs},
		Offsets:  Offsets{Group: group.Name, Topic: group.Input, Next: map[int32]int64{partition: offset + 1}, Generation: -1},
		Produced: func() {}, Sent: func() {},
	})
}

// awaitStopped returns once nobody runs the group, and nothing may still move its offset.
func (e *engine) awaitStopped(ctx context.Context, partition int32) error {
	var reason error
	for range retry.Attempts(ctx, 100*time.Millisecond, time.Second) {
		described, err := e.admin.DescribeGroups(ctx, e.group.Name)
		if err == nil {
			err = described[e.group.Name].Err
		}
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // it has never run
			reason = fmt.Errorf("describe group %s: %w", e.group.Name, err)
			continue
		}
		var members []string
		for _, m := range described[e.group.Name].Members {
			members = append(members, m.MemberID)
		}
		if len(members) > 0 {
			reason = fmt.Errorf("%w; its members are %s", ErrRunning, strings.Join(members, ", "))
			continue
		}
		if err := e.fenceGone(ctx); err != nil {
			reason = err
			continue
		}
		switch unstable, err := e.offsetsUnstable(ctx, []int32{partition}); {
		case err != nil && !errors.Is(err, kerr.GroupIDNotFound):
			reason = fmt.Errorf("fetch the offsets of group %s: %w", e.group.Name, err)
		case unstable:
			reason = fmt.Errorf("a transaction may still move the offset of group %s", e.group.Name)
		default:
			return nil
		}
	}
	return errors.Join(reason, ctx.Err())
}

// nextInput returns the input of a partition at which the group stands.
func (e *engine) nextInput(ctx context.Context, partition int32) (*record.Record, error) {
	at := int64(0)
	fetched, err := e.admin.FetchOffsets(ctx, e.group.Name)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("fetch the offsets of group %s: %w", e.group.Name, err)
	}
	if o, ok := fetched.Lookup(e.group.Input, partition); ok && o.At >= 0 {
		at = o.At
	}
	starts, err := e.admin.ListStartOffsets(ctx, e.group.Input)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("find the beginning of %s: %w", e.group.Input, err)
	}
	if start, ok := starts.Lookup(e.group.Input, partition); ok {
		at = max(at, start.Offset)
	}
	for {
		c, err := e.kafka.committed(ctx, e.group.Input, partition, at)
		if err != nil {
			return nil, fmt.Errorf("read %s, partition %d, at offset %d: %w", e.group.Input, partition, at, err)
		}
		for _, r := range c.records {
			if !r.Attrs.IsControl() {
				in := record.Of(r)
				return &in, nil
			}
		}
		if c.empty || c.next <= at {
			return nil, fmt.Errorf("%w: the group has handled all of %s, partition %d", ErrNotNext, e.group.Input, partition)
		}
		at = c.next
	}
}
