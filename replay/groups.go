package replay

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrActive is wrapped by errors about consumer groups that have members where there must be none.
var ErrActive = errors.New("processors are running")

// groups returns every consumer group of the system.
func (r *reading) groups() []string {
	var all []string
	for _, a := range r.config.Topology.Aggregates {
		all = append(all, r.names.Group(a.Name))
	}
	for _, p := range r.config.Topology.Policies {
		all = append(all, r.names.Group(p.Name))
	}
	for _, p := range r.config.Topology.Projections {
		all = append(all, r.names.Group(p.ID()))
		if p.Rekeyed() {
			all = append(all, r.names.RekeyGroup(p.ID()))
		}
	}
	return all
}

// refuseActive fails where a consumer group has members.
func (r *reading) refuseActive(ctx context.Context) error {
	described, err := r.admin.DescribeGroups(ctx, r.groups()...)
	if err != nil {
		return fmt.Errorf("describe the consumer groups: %w", err)
	}
	var active []string
	for _, g := range described.Sorted() {
		switch {
		case errors.Is(g.Err, kerr.GroupIDNotFound):
		case g.Err != nil:
			return fmt.Errorf("describe group %s: %w", g.Group, g.Err)
		case len(g.Members) > 0:
			active = append(active, fmt.Sprintf("%s (%d)", g.Group, len(g.Members)))
		}
	}
	if len(active) > 0 {
		return fmt.Errorf("%w: consumer groups with members: %s; stop all processors first (one that was killed counts until its session ends, 10 s)",
			ErrActive, strings.Join(active, ", "))
	}
	return nil
}
