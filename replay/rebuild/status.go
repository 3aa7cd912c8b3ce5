package rebuild

import (
	"context"
	"time"
)

// Status is how far one version of a projection is.
type Status struct {
	Projection string `json:"projection"`
	Version    int    `json:"version"`
	// Status is serving, kept, filling, or declared: not filled yet, or dropped.
	Status   string `json:"status"`
	Declared bool   `json:"declared"`
	// Behind is how many offsets of the events it has not handled.
	Behind int64     `json:"behind"`
	Since  time.Time `json:"since,omitzero"`
	By     string    `json:"by,omitempty"`
}

// Versions returns how far the versions of a projection are, oldest first.
func Versions(ctx context.Context, c Config) (all []Status, err error) {
	err = with(ctx, c, func(v *change) error {
		if other := v.state.Other; other != 0 && other < v.state.Serving && v.version(other) == nil {
			all = append(all, Status{Projection: c.Projection, Version: other, Status: string(v.state.Stage), Since: v.state.At, By: v.state.By})
		}
		for _, p := range v.declared {
			s := Status{Projection: p.Name, Version: p.Version, Status: "declared", Declared: true}
			switch p.Version {
			case v.state.Serving:
				s.Status = "serving"
			case v.state.Other:
				s.Status = string(v.state.Stage)
			}
			if v.state.Live(p.Version) {
				s.Since, s.By = v.state.At, v.state.By
				events := v.feeds(p)[0]
				goal, err := v.goal(ctx, events.topic)
				if err != nil {
					return err
				}
				have, err := v.kit.CommittedNow(ctx, events.group, events.topic)
				if err != nil {
					return err
				}
				for i, at := range have {
					s.Behind += max(goal[i]-at, 0)
				}
			}
			all = append(all, s)
		}
		return nil
	})
	return all, err
}
