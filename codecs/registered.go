package codecs

import (
	"context"
	"fmt"
	"strings"

	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// checkRegistered returns an error if the topic's subject has a version with values that have no
// place here: a newer program registered it, and this one would set its records aside. The error
// wraps [ErrNewerSchema]. For commands the log says it instead: producers register schemas of their
// own, and an unknown command is answered.
func (b *builder) checkRegistered(ctx context.Context, t *topic, ids map[int]bool) error {
	subject := topology.Subject(b.names.Prefix + t.base)
	var have schemas.Registered
	err := b.patiently(ctx, subject, func() (err error) {
		have, err = b.registry.Registered(ctx, subject, len(ids))
		return err
	})
	if err != nil {
		return err
	}
	for _, v := range have.Versions {
		if ids[v.ID] {
			continue
		}
		problem := t.unreadablePart(v.Text)
		switch {
		case problem == "":
		case strings.HasSuffix(t.base, topology.Names{}.Commands("")):
			b.log.Warn("commands that are written with a registered schema may be refused here", "subject", subject, "version", v.Version, "id", v.ID, "problem", problem)
		default:
			return fmt.Errorf("subject %s has version %d (schema id %d), %w: %s; upgrade this program to a release that can read it, and only then start it",
				subject, v.Version, v.ID, ErrNewerSchema, problem)
		}
	}
	return nil
}

// unreadablePart names the values of a schema that could not be read here; "" if all could.
func (t *topic) unreadablePart(text string) string {
	w := t.newWriter(text)
	if w.err != nil {
		return w.err.Error()
	}
	return w.plan.Loss()
}
