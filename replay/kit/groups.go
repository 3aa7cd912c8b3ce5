package kit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/topology"
)

// ErrActive is wrapped by errors about consumer groups that have members and must have none.
var ErrActive = errors.New("processors are running")

// RefuseActive fails if a consumer group of the system has members.
func (r *Reader) RefuseActive(ctx context.Context) error {
	members, err := r.Members(ctx, r.groups()...)
	if err != nil {
		return err
	}
	var active []string
	for _, group := range slices.Sorted(maps.Keys(members)) {
		if n := members[group]; n > 0 {
			active = append(active, fmt.Sprintf("%s (%d)", group, n))
		}
	}
	if len(active) > 0 {
		return fmt.Errorf("%w: consumer groups with members: %s; stop all processors first (one that was killed counts until its session ends, 10 s)",
			ErrActive, strings.Join(active, ", "))
	}
	return nil
}

// Members returns how many members groups have.
func (r *Reader) Members(ctx context.Context, groups ...string) (members map[string]int, err error) {
	err = r.Patiently(ctx, func() error {
		members = map[string]int{}
		described, err := r.Admin.DescribeGroups(ctx, groups...)
		if err != nil {
			return fmt.Errorf("describe the consumer groups: %w", err)
		}
		for _, g := range described {
			if g.Err != nil && !errors.Is(g.Err, kerr.GroupIDNotFound) {
				return fmt.Errorf("describe group %s: %w", g.Group, g.Err)
			}
			members[g.Group] = len(g.Members)
		}
		return nil
	})
	return members, err
}

// groups returns every consumer group of the system.
func (r *Reader) groups() []string {
	all := slices.Collect(maps.Keys(r.ProjectionInputs()))
	for _, a := range r.Config.Topology.Aggregates {
		all = append(all, r.Names.Group(a.Name))
	}
	for _, p := range r.Config.Topology.Policies {
		all = append(all, r.Names.Group(p.Name))
	}
	return all
}

// ProjectionInputs returns the topic that each consumer group of a projection reads, by group.
func (r *Reader) ProjectionInputs() map[string]string {
	inputs := map[string]string{}
	for _, p := range r.Config.Topology.Projections {
		input := r.Names.Events(p.Source)
		if p.Rekeyed() {
			inputs[r.Names.RekeyGroup(p.ID())] = input
			input = r.Names.RekeyedTopic(p.ID())
		}
		inputs[r.Names.Group(p.ID())] = input
	}
	return inputs
}

// LogTopics returns the topics that nothing else can be made without: commands, outcomes and
// events.
func (r *Reader) LogTopics() []string {
	var all []string
	for _, a := range r.Config.Topology.Aggregates {
		all = append(all, r.Names.Commands(a.Name), r.Names.Outcomes(a.Name), r.Names.Events(a.Name))
	}
	return all
}

// Followers returns the projections of an aggregate type, those that are re-keyed or the others.
func Followers(t *topology.Topology, aggregate string, rekeyed bool) []*topology.ProjectionSpec {
	var found []*topology.ProjectionSpec
	for _, p := range t.Projections {
		if p.Source == aggregate && p.Rekeyed() == rekeyed {
			found = append(found, p)
		}
	}
	return found
}

// AnsweredUpTo returns the offset after the last command of a partition that has an outcome or an
// event, and whether it has outcomes at all.
func (l *Log) AnsweredUpTo(ctx context.Context, spec *topology.AggregateSpec, p int32, starts, ends Offsets) (at int64, outcomes bool, err error) {
	names := l.reader.Names
	for _, topic := range []string{names.Outcomes(spec.Name), names.Events(spec.Name)} {
		last, err := l.Last(ctx, starts.Span(topic, p, ends))
		if err != nil {
			return 0, false, err
		}
		if last == nil {
			continue
		}
		cause, err := CauseOf(last)
		if err != nil || cause.Aggregate != spec.Name || cause.Partition != p {
			return 0, false, NamesNoCommand(last)
		}
		at, outcomes = max(at, cause.Offset+1), outcomes || topic == names.Outcomes(spec.Name)
	}
	return at, outcomes, nil
}

// NamesNoCommand returns an error that wraps [ErrDamaged].
func NamesNoCommand(r *record.Record) error {
	return fmt.Errorf("%w: %s/%d/%d does not name its command", ErrDamaged, r.Topic, r.Partition, r.Offset)
}
