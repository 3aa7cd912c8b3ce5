package codecs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// Codecs has the codecs of all aggregate types and projections of a topology.
type Codecs struct {
	aggregates  map[string]*Aggregate
	projections map[string]*Projection
}

// Aggregate returns the codecs of a declared aggregate type, or nil.
func (c *Codecs) Aggregate(name string) *Aggregate { return c.aggregates[name] }

// Projection returns the codecs of a declared version of a projection, by its
// [topology.ProjectionSpec.ID], or nil.
func (c *Codecs) Projection(id string) *Projection { return c.projections[id] }

// New checks that every declared Go struct matches its Avro record field by field, registers the
// schemas of every topic, all versions in order, and returns the codecs. While the registry is
// unavailable it tries again, with growing pauses, until the context ends. The error joins all
// mismatches, or says why the registry refuses a schema. It wraps [ErrNewerSchema] if the registry
// has a version that cannot be read.
func New(ctx context.Context, t *topology.Topology, names topology.Names, set *schemas.Set, reg *schemas.Registry,
	logger *slog.Logger) (*Codecs, error) {
	b := &builder{set: set, registry: reg, names: names, log: logger, topics: map[string]*topic{}}
	c, err := b.bindAll(t)
	if err != nil {
		return nil, err
	}
	for _, base := range set.Topics() {
		if err := b.register(ctx, base); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// bindAll returns the codecs of the topology, or an error that joins all mismatches.
func (b *builder) bindAll(t *topology.Topology) (*Codecs, error) {
	c := &Codecs{aggregates: map[string]*Aggregate{}, projections: map[string]*Projection{}}
	for _, a := range t.Aggregates {
		c.aggregates[a.Name] = b.aggregate(a)
	}
	for _, p := range t.Projections {
		c.projections[p.ID()] = b.projection(p)
	}
	if err := errors.Join(b.problems...); err != nil {
		return nil, fmt.Errorf("types in Go and schemas in Avro of %s differ: %w", t.Name, err)
	}
	return c, nil
}

type builder struct {
	set      *schemas.Set
	registry *schemas.Registry
	names    topology.Names
	log      *slog.Logger
	topics   map[string]*topic
	problems []error
}

func (b *builder) problem(format string, args ...any) {
	b.problems = append(b.problems, fmt.Errorf(format, args...))
}

// topic returns the topic of that base name, or nil and a problem if it has no schema.
func (b *builder) topic(base string) *topic {
	latest := b.set.Latest(base)
	if latest.Schema.Type == nil {
		b.problem("%s has no schema; load the schemas with the same topology", base)
		return nil
	}
	t := &topic{base: base, subject: topology.Subject(b.names.Prefix + base), latest: latest, registry: b.registry}
	slots := 1
	if data := latest.Schema.Type.Field("data"); data != nil && data.Type.Kind == avro.Union {
		slots = len(data.Type.Branches)
	}
	for _, version := range b.set.Versions(base) {
		t.readings = append(t.readings, &reading{version: version, reader: latest.Schema.Type.Current(), slots: make([]*slot, slots)})
	}
	b.topics[base] = t
	return t
}

// register registers all versions of a topic's schema. Versions that are known from the start need
// no look-up later.
func (b *builder) register(ctx context.Context, base string) error {
	subject := topology.Subject(b.names.Prefix + base)
	ids := map[int]bool{}
	for _, version := range b.set.Versions(base) {
		var id int
		err := b.patiently(ctx, subject, func() (err error) {
			id, err = b.registry.Register(ctx, subject, version.Schema.Compact())
			return err
		})
		if err != nil {
			return fmt.Errorf("%s version %d: %w", base, version.Number, err)
		}
		if t := b.topics[base]; t != nil { // a re-keyed topic has no codec of its own
			w := t.newWriter(version.Schema.Text)
			if w.err != nil {
				return fmt.Errorf("%s version %d: %w", base, version.Number, w.err)
			}
			t.writers.store(id, w)
			t.id, ids[id] = id, true
		}
	}
	if t := b.topics[base]; t != nil {
		return b.checkRegistered(ctx, t, ids)
	}
	return nil
}

// patiently asks the registry again while it is unavailable, until the context ends.
func (b *builder) patiently(ctx context.Context, subject string, ask func() error) (err error) {
	for try := range retry.Attempts(ctx, 100*time.Millisecond, 5*time.Second) {
		err = ask()
		if err == nil || !errors.Is(err, schemas.ErrUnavailable) {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		b.log.Warn("schema registry unavailable, trying again", "subject", subject, "pause", try.Pause(), "error", err)
	}
	return fmt.Errorf("gave up waiting for the schema registry: %w", err)
}
