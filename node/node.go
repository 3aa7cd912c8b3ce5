package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/edge"
	"github.com/foldlog/foldlog/gateway"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/processors"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
	"github.com/foldlog/foldlog/views"
)

// node is the running parts of a system. They are started in the order in which each depends on
// those before, and stopped by the stages that they are in.
type node struct {
	topology *topology.Topology
	options  Options
	log      *slog.Logger
	metrics  *prometheus.Registry
	data     *dataDir
	front    *front
	stages   *stages
	// versions says which versions of projections serve and are run.
	versions *versions.Follower
}

// Run runs a node of the system until ctx ends, which is a good end, or a part of it fails. Either
// way it stops every part in order before it returns.
func Run(ctx context.Context, t *topology.Topology, o Options) error {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return Usage.Errorf("%w", err)
	}
	n := &node{topology: t, options: o, log: o.Logger, stages: newStages(o.Logger)}
	err := n.start(ctx)
	if err == nil {
		err = n.stages.wait(ctx)
	}
	if ended := ctx.Err(); ended != nil && (err == nil || errors.Is(err, ended)) {
		err = nil
		n.log.Info("draining")
	}
	if stopErr := n.stages.stop(); stopErr != nil {
		err = errors.Join(err, stopErr)
	}
	if err == nil {
		n.log.Info("stopped")
	}
	return err
}

// start returns once the node is ready. It waits for Kafka and the schema registry as long as ctx
// allows. If it fails, the stages have what was started.
func (n *node) start(ctx context.Context) error {
	if err := n.ownDataDir(); err != nil {
		return err
	}
	if n.options.Embedded != nil {
		if err := n.startEmbedded(ctx); err != nil {
			return err
		}
	}
	if err := Lint(n.topology, n.options.Schemas); err != nil {
		return err
	}
	files, err := schemas.Load(n.options.Schemas, n.topology)
	if err != nil {
		return Finding.Errorf("%w", err)
	}
	if err := n.registerMetrics(); err != nil {
		return err
	}
	if n.front, err = listenFront(n.options.HTTP, n.metrics); err != nil {
		return err
	}
	n.stages.add("health", n.front.Close)
	if err := n.awaitTopics(ctx); err != nil {
		return err
	}
	if n.topology.Versioned() {
		n.stages.start("versions of projections", n.versions.Run)
	}
	codec, err := n.awaitRegistry(ctx, files)
	if err != nil {
		return err
	}
	// Views before processors before HTTP, since they are stopped in the opposite order: requests
	// that are draining wait for outcomes, and outcomes reach them through the views.
	set, err := n.startViews(codec)
	if err != nil {
		return err
	}
	if err := n.startProcessors(codec); err != nil {
		return err
	}
	if set != nil { // else the front stays
		if err := n.startHTTP(codec, set); err != nil {
			return err
		}
	}
	running := Running{
		HTTP: n.front.address(), Brokers: n.options.Kafka.Brokers, Registry: n.options.Registry.URL, DataDir: n.data.path, Instance: n.options.Instance,
	}
	n.log.Info("started", "roles", n.options.Roles, "instance", running.Instance, "http", running.HTTP, "brokers", running.Brokers)
	if err := n.awaitReady(ctx); err != nil {
		return err
	}
	n.log.Info("ready")
	if n.options.Ready == nil {
		return nil
	}
	return n.options.Ready(running)
}

// Findings returns everything that is wrong with a declared system and its schema files.
func Findings(t *topology.Topology, files fs.FS) []topology.Finding {
	if files == nil {
		return append(t.Lint(), topology.Finding{Rule: "schema", Where: "app", Problem: "has no schema files; set App.Schemas"})
	}
	return codecs.Lint(t, files)
}

// Lint returns an error with all [Findings], or nil if there are none.
func Lint(t *topology.Topology, files fs.FS) error {
	findings := Findings(t, files)
	if len(findings) == 0 {
		return nil
	}
	count, lines := "1 finding", ""
	if len(findings) > 1 {
		count = fmt.Sprintf("%d findings", len(findings))
	}
	for _, f := range findings {
		lines += "\n  " + f.String()
	}
	return Finding.Errorf("the declared system has %s:%s", count, lines)
}

// startEmbedded starts the embedded broker and registry, which the node then uses.
func (n *node) startEmbedded(ctx context.Context) error {
	config := *n.options.Embedded
	config.Dir = n.data.cluster()
	def(&config.Logger, n.log)
	if n.options.Reset {
		if err := n.data.reset(); err != nil {
			return err
		}
	}
	embedded, err := devcluster.Start(ctx, config)
	if err != nil {
		return Infrastructure.Errorf("%w", err)
	}
	n.stages.add("embedded broker and registry", embedded.Close)
	n.options.Kafka = Kafka{Brokers: embedded.Brokers()}
	n.options.Registry = schemas.Config{URL: embedded.RegistryURL()}
	return nil
}

// registerMetrics makes the registry and says in it what runs here.
func (n *node) registerMetrics() error {
	if n.metrics = n.options.Metrics; n.metrics == nil {
		n.metrics = prometheus.NewRegistry()
		n.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "foldlog_info", Help: "Always 1; the labels say what runs here.",
		ConstLabels: prometheus.Labels{
			"system": n.topology.Name, "version": n.options.Version, "instance_name": n.options.Instance, "roles": strings.Join(n.options.Roles, ","),
		},
	}, func() float64 { return 1 })
	if err := n.metrics.Register(info); err != nil {
		return Usage.Errorf("metrics: a registry takes the metrics of one node, once: %w", err)
	}
	return nil
}

// awaitTopics returns nil if the topics are as declared. An unreachable cluster is waited for, a
// difference is a finding.
func (n *node) awaitTopics(ctx context.Context) error {
	brokers := strings.Join(n.options.Kafka.Brokers, ",")
	n.front.waiting("kafka", "waiting for Kafka at "+brokers)
	for try := range retry.Attempts(ctx, 250*time.Millisecond, 5*time.Second) {
		err := n.topics(ctx)
		switch {
		case err == nil:
			n.front.check("kafka", nil)
			n.warnOpen(ctx)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, cluster.ErrMismatch):
			return Finding.Errorf("%w", err)
		}
		n.front.waiting("kafka", fmt.Sprintf("waiting for Kafka at %s: %s", brokers, err))
		n.log.Warn("waiting for Kafka", "brokers", brokers, "again_in", try.Pause(), "error", err)
	}
	return ctx.Err()
}

// warnOpen says so if the brokers let anybody write anything: commands of policies, and events.
func (n *node) warnOpen(ctx context.Context) {
	if n.options.Embedded != nil {
		return
	}
	switch open, err := cluster.Open(ctx, n.options.Kafka); {
	case err != nil:
		n.log.Debug("cannot tell whether the brokers have ACLs", "error", err)
	case open:
		n.log.Warn("the brokers have no ACLs: anyone who reaches them can send the commands of policies, and forge events and tables; "+
			"docs/operations.md has the ACLs of each role", "brokers", n.options.Kafka.Brokers)
	}
}

// topics verifies the topics once, after creating what is missing if that is wanted.
func (n *node) topics(ctx context.Context) error {
	kafka, settings := n.options.Kafka, n.options.Settings
	if err := cluster.Ping(ctx, kafka); err != nil {
		return err
	}
	resolved, err := versions.Resolve(ctx, kafka, n.topology, settings.Names())
	if err != nil {
		return err
	}
	n.versions = resolved.Follow(kafka, settings.Names(), n.log)
	if n.options.CreateTopics {
		created, err := cluster.EnsureTopics(ctx, kafka, resolved.Live, settings)
		if len(created) > 0 {
			n.log.Info("created", "what", created)
		}
		if err != nil {
			return err
		}
		return resolved.Settle(ctx, kafka, settings.Names())
	}
	mismatches, err := cluster.VerifyTopics(ctx, kafka, resolved.Live, settings)
	if err != nil {
		return err
	}
	return cluster.MismatchError(mismatches)
}

// awaitRegistry returns the codecs once the registry has their schemas.
func (n *node) awaitRegistry(ctx context.Context, files *schemas.Set) (*codecs.Codecs, error) {
	n.front.waiting("registry", "waiting for the schema registry at "+n.options.Registry.URL)
	registry := schemas.New(n.options.Registry, n.log)
	codec, err := codecs.New(ctx, n.topology, n.options.Settings.Names(), files, registry, n.log)
	switch {
	case err == nil:
		n.front.check("registry", nil)
		return codec, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, codecs.ErrNewerSchema):
		return nil, Finding.Errorf("%w", err)
	case errors.Is(err, schemas.ErrIncompatible), errors.Is(err, schemas.ErrInvalid):
		return nil, Finding.Errorf("the schema registry refuses the schemas: %w", err)
	}
	return nil, Infrastructure.Errorf("codecs: %w", err)
}

func (n *node) has(role string) bool { return slices.Contains(n.options.Roles, role) }

func (n *node) startProcessors(codec *codecs.Codecs) error {
	if !n.has(RoleProcessor) {
		return nil
	}
	p, err := processors.New(processors.Config{
		Topology: n.topology, Settings: n.options.Settings, Codecs: codec, Cluster: n.options.Kafka, DataDir: n.data.processors(), Instance: n.options.Instance,
		QuickRestart: n.options.QuickRestart, TransactionsV1: n.options.TransactionsV1, Versions: n.versions, Logger: n.log, Metrics: n.metrics,
		Memory: n.planMemory(),
	})
	if err != nil {
		return fmt.Errorf("processors: %w", err)
	}
	n.front.check("processors", p.Ready)
	n.stages.start("processors", p.Run)
	return nil
}

// startViews returns nil if no role needs views.
func (n *node) startViews(codec *codecs.Codecs) (*views.Set, error) {
	if !n.has(RoleEdge) && !n.has(RoleView) {
		return nil, nil
	}
	set, err := views.Open(views.Config{
		Topology: n.topology, Settings: n.options.Settings, Codecs: codec, Cluster: n.options.Kafka,
		DataDir: n.data.path, Versions: n.versions, Logger: n.log, Metrics: n.metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("views: %w", err)
	}
	n.front.check("views", set.Ready)
	n.stages.start("views", set.Run)
	return set, nil
}

// startHTTP starts the HTTP interface, which takes over the front's listener.
func (n *node) startHTTP(codec *codecs.Codecs, set *views.Set) error {
	others := n.front.snapshot()
	delete(others, "views") // the HTTP interface asks them itself
	listener, err := n.front.handOver()
	if err != nil {
		return err
	}
	gate, err := gateway.New(gateway.Config{
		Topology: n.topology, Names: n.options.Settings.Names(), Codecs: codec, Cluster: n.options.Kafka,
		Expect: func(aggregate, id, commandID string) gateway.Expectation {
			return set.Outcomes(aggregate).Expect(id, commandID)
		},
	})
	if err != nil {
		return errors.Join(fmt.Errorf("gateway: %w", err), listener.Close())
	}
	server, err := edge.New(edge.Config{
		Topology: n.topology, Names: n.options.Settings.Names(), Views: set, Gateway: gate,
		Listener: listener, ReadyChecks: others, Metrics: n.metrics, Logger: n.log,
	})
	if err != nil {
		gate.Close()
		return errors.Join(fmt.Errorf("HTTP interface: %w", err), listener.Close())
	}
	n.stages.start("HTTP interface", func(ctx context.Context) error {
		defer gate.Close()
		return server.Run(ctx)
	})
	return nil
}

// awaitReady returns when every part is ready. It fails when ctx ends or a part does.
func (n *node) awaitReady(ctx context.Context) error {
	const look, tell = 10 * time.Millisecond, 5 * time.Second
	ticks := time.NewTicker(look)
	defer ticks.Stop()
	said := time.Now()
	for {
		waiting := n.front.notReady()
		if len(waiting) == 0 {
			return nil
		}
		if time.Since(said) > tell {
			said = time.Now()
			for _, name := range slices.Sorted(maps.Keys(waiting)) {
				n.log.Warn("not ready yet", "part", name, "waits_for", waiting[name])
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-n.stages.failed:
			return err
		case <-ticks.C:
		}
	}
}
