package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/edge"
	"github.com/foldlog/foldlog/gateway"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/processors"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
	"github.com/foldlog/foldlog/views"
)

// What a process can do.
//
// NB: must not change. Deployments carry the names.
const (
	roleEdge      = "edge"
	roleProcessor = "processor"
	roleView      = "view"
)

// systemConfig says what a process runs and on what.
type systemConfig struct {
	app            App
	roles          []string
	settings       topology.Settings
	cluster        cluster.Config
	registry       schemas.Config
	createTopics   bool
	quickRestart   bool
	transactionsV1 bool
	http           string
	data           *dataDir
	instance       string
	logger         *slog.Logger
}

func (c systemConfig) has(role string) bool { return slices.Contains(c.roles, role) }

// system is the running parts of a process. They are started by startSystem and stopped by the
// stages they are in.
type system struct {
	systemConfig
	metrics *prometheus.Registry
	// versions says which versions of projections serve and are run.
	versions *versions.Follower
	front    *front
	stages   *stages
	checks   map[string]func() error
	// address is where HTTP is served.
	address string
}

// startSystem starts what the roles ask for, in the order in which each depends on those before. It
// waits for Kafka and the schema registry as long as ctx allows; meanwhile /healthz is 200 and
// /readyz says what it waits for. What was started is in the stages even when it fails.
func startSystem(ctx context.Context, config systemConfig, st *stages) (*system, error) {
	if err := lintError(config.app); err != nil {
		return nil, err
	}
	files, err := schemas.Load(config.app.Schemas, config.app.Topology)
	if err != nil {
		return nil, Finding("%w", err)
	}
	s := &system{systemConfig: config, metrics: newMetrics(config), stages: st, checks: map[string]func() error{}}
	if s.front, err = listenFront(config.http, s.metrics); err != nil {
		return nil, err
	}
	st.add("health", s.front.Close)
	s.address = s.front.address()
	if err := s.awaitTopics(ctx); err != nil {
		return nil, err
	}
	if s.app.Topology.Versioned() {
		st.start("versions of projections", s.versions.Run)
	}
	s.front.waiting("registry", "waiting for the schema registry at "+config.registry.URL)
	registry := schemas.New(config.registry, config.logger)
	codec, err := codecs.New(ctx, config.app.Topology, config.settings.Names(), files, registry, config.logger)
	switch {
	case err == nil:
		s.front.check("registry", nil)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, codecs.ErrNewerSchema):
		return nil, Finding("%w", err)
	case errors.Is(err, schemas.ErrIncompatible), errors.Is(err, schemas.ErrInvalid):
		return nil, Finding("the schema registry refuses the schemas: %w", err)
	default:
		return nil, Infrastructure("codecs: %w", err)
	}
	// Views before processors before HTTP, since they are stopped in the opposite order: requests
	// that are draining wait for outcomes, and outcomes reach them through the views.
	set, err := s.startViews(codec)
	if err != nil {
		return nil, err
	}
	if err := s.startProcessors(codec); err != nil {
		return nil, err
	}
	if set == nil {
		return s, nil // the front stays
	}
	return s, s.startHTTP(codec, set)
}

func newMetrics(config systemConfig) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "foldlog_info", Help: "Always 1; the labels say what runs here.",
			ConstLabels: prometheus.Labels{
				"system": config.app.Topology.Name, "version": config.app.Version, "instance_name": config.instance, "roles": strings.Join(config.roles, ","),
			},
		}, func() float64 { return 1 }),
	)
	return registry
}

// awaitTopics returns nil when the topics are as declared. An unreachable cluster is waited for, a
// difference is a finding.
func (s *system) awaitTopics(ctx context.Context) error {
	brokers := strings.Join(s.cluster.Brokers, ",")
	s.front.waiting("kafka", "waiting for Kafka at "+brokers)
	const shortest, longest = 250 * time.Millisecond, 5 * time.Second
	for pause := shortest; ; pause = min(2*pause, longest) {
		err := s.topics(ctx)
		switch {
		case err == nil:
			s.front.check("kafka", nil)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, cluster.ErrMismatch):
			return mismatchIsFinding(err)
		}
		s.front.waiting("kafka", fmt.Sprintf("waiting for Kafka at %s: %s", brokers, err))
		s.logger.Warn("waiting for Kafka", "brokers", brokers, "again_in", pause, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// topics verifies the topics once, after creating what is missing where that is wanted.
func (s *system) topics(ctx context.Context) error {
	if err := ping(ctx, s.cluster); err != nil {
		return err
	}
	resolved, err := versions.Resolve(ctx, s.cluster, s.app.Topology, s.settings.Names())
	if err != nil {
		return err
	}
	s.versions = resolved.Follow(s.cluster, s.settings.Names(), s.logger)
	if s.createTopics {
		created, err := cluster.EnsureTopics(ctx, s.cluster, resolved.Live, s.settings)
		if len(created) > 0 {
			s.logger.Info("created", "what", created)
		}
		if err != nil {
			return err
		}
		return resolved.Settle(ctx, s.cluster, s.settings.Names())
	}
	mismatches, err := cluster.VerifyTopics(ctx, s.cluster, resolved.Live, s.settings)
	if err != nil {
		return err
	}
	return cluster.MismatchError(mismatches)
}

func (s *system) startProcessors(codec *codecs.Codecs) error {
	if !s.has(roleProcessor) {
		return nil
	}
	p, err := processors.New(processors.Config{
		Topology: s.app.Topology, Settings: s.settings, Codecs: codec, Cluster: s.cluster,
		DataDir: s.data.processors(), Instance: s.instance, QuickRestart: s.quickRestart, TransactionsV1: s.transactionsV1, Versions: s.versions, Logger: s.logger, Metrics: s.metrics,
	})
	if err != nil {
		return fmt.Errorf("processors: %w", err)
	}
	s.checks["processors"] = p.Ready
	s.front.check("processors", p.Ready)
	s.stages.start("processors", p.Run)
	return nil
}

// startViews returns nil where no role needs views.
func (s *system) startViews(codec *codecs.Codecs) (*views.Set, error) {
	if !s.has(roleEdge) && !s.has(roleView) {
		return nil, nil
	}
	set, err := views.Open(views.Config{
		Topology: s.app.Topology, Settings: s.settings, Codecs: codec, Cluster: s.cluster,
		DataDir: s.data.path, Versions: s.versions, Logger: s.logger, Metrics: s.metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("views: %w", err)
	}
	s.checks["views"] = set.Ready
	s.front.check("views", set.Ready)
	s.stages.start("views", set.Run)
	return set, nil
}

// startHTTP starts the HTTP interface, which takes over the front's listener.
func (s *system) startHTTP(codec *codecs.Codecs, set *views.Set) error {
	others := maps.Clone(s.checks)
	delete(others, "views") // the HTTP interface asks them itself
	listener, err := s.front.handOver()
	if err != nil {
		return err
	}
	gate, err := gateway.New(gateway.Config{
		Topology: s.app.Topology, Names: s.settings.Names(), Codecs: codec, Cluster: s.cluster,
		Expect: func(aggregate, id, commandID string) gateway.Expectation {
			return set.Outcomes(aggregate).Expect(id, commandID)
		},
	})
	if err != nil {
		return errors.Join(fmt.Errorf("gateway: %w", err), listener.Close())
	}
	server, err := edge.New(edge.Config{
		Topology: s.app.Topology, Names: s.settings.Names(), Views: set, Gateway: gate,
		Listener: listener, ReadyChecks: others, Metrics: s.metrics, Logger: s.logger,
	})
	if err != nil {
		gate.Close()
		return errors.Join(fmt.Errorf("HTTP interface: %w", err), listener.Close())
	}
	s.stages.start("HTTP interface", func(ctx context.Context) error {
		defer gate.Close()
		return server.Run(ctx)
	})
	return nil
}

// awaitReady returns when every part is ready. It fails when ctx ends or a part does.
func (s *system) awaitReady(ctx context.Context) error {
	const look, tell = 10 * time.Millisecond, 5 * time.Second
	ticks := time.NewTicker(look)
	defer ticks.Stop()
	said := time.Now()
	for {
		waiting := notReady(s.checks)
		if len(waiting) == 0 {
			return nil
		}
		if time.Since(said) > tell {
			said = time.Now()
			for _, name := range slices.Sorted(maps.Keys(waiting)) {
				s.logger.Warn("not ready yet", "part", name, "waits_for", waiting[name])
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.stages.failed:
			return err
		case <-ticks.C:
		}
	}
}
