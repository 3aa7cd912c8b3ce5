package processors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/processors/exactlyonce"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/topology"
)

// DefaultMemory is the memory of [Config.Memory], in bytes.
const DefaultMemory = 1 << 30

// Config says which groups to run, and with which connections and directories.
type Config struct {
	Topology *topology.Topology
	Settings topology.Settings
	Codecs   *codecs.Codecs
	Cluster  cluster.Config
	// DataDir holds the local stores.
	DataDir string
	// Instance names this process among those that share the work.
	Instance string
	// QuickRestart keeps the membership in the groups when Run ends. A restart within the session
	// timeout then moves no partition. Until the session ends, nobody takes over.
	QuickRestart bool
	// TransactionsV1 keeps to the first version of Kafka's transactions even if the brokers have
	// the second (KIP-890).
	TransactionsV1 bool
	// Versions says which versions of projections to run. It is required if the topology has
	// several versions of a projection.
	Versions *versions.Follower
	// Only, if it is not nil, is the one version of a projection to run, and nothing else, at Rate
	// events a second; 0 means without a limit.
	Only *topology.ProjectionSpec
	Rate float64
	// Memory bounds, in bytes, what all groups together keep in memory: rows, inputs that wait, and
	// what is restored or waits for a transaction; default [DefaultMemory]. The groups have equal
	// shares. Stores on the disk and connections come on top.
	Memory  int64
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Processors runs every aggregate, policy and projection of a topology.
type Processors struct {
	config  Config
	groups  []group
	engine  *engineMetrics
	metrics *metrics
	log     *slog.Logger

	mu      sync.Mutex
	runners map[string]*exactlyonce.Runner // running now, by group
	faults  map[string]error               // why a group is not running, by group
}

// New checks the topology and prepares its groups. It opens no connection yet.
func New(c Config) (*Processors, error) {
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	c.Settings.EnsureDefaults()
	if err := c.Settings.Validate(); err != nil {
		return nil, err
	}
	if findings := c.Topology.Lint(); len(findings) > 0 {
		lines := make([]string, len(findings))
		for i, f := range findings {
			lines[i] = "\n  " + f.String()
		}
		return nil, fmt.Errorf("the topology has findings:%s", strings.Join(lines, ""))
	}
	m, err := newMetrics(c.Metrics)
	if err != nil {
		return nil, fmt.Errorf("register the processors' metrics: %w", err)
	}
	p := &Processors{config: c, metrics: m, log: c.Logger, runners: map[string]*exactlyonce.Runner{}, faults: map[string]error{}}
	if p.engine, err = newEngineMetrics(c.Metrics, p.stats); err != nil {
		return nil, fmt.Errorf("register the processors' metrics: %w", err)
	}
	if c.Instance != "" {
		p.config.Cluster.ClientID = "foldlog-" + c.Instance
	}
	compile := &compiler{topology: c.Topology, settings: c.Settings, names: c.Settings.Names(), codecs: c.Codecs, metrics: m, log: c.Logger}
	if c.Only != nil {
		p.groups = compile.versionOf(c.Only)
		throttle(&p.groups[0].Group, c.Rate) // the others follow from it
		return p, nil
	}
	p.groups = compile.groups()
	return p, nil
}

// wanted reports whether a group is to run now.
func (p *Processors) wanted(g group) bool {
	if g.projection == nil || p.config.Versions == nil || p.config.Only != nil {
		return true
	}
	state, _ := p.config.Versions.State(g.projection.Name)
	return state.Runs(g.projection.Version)
}

func (p *Processors) engineConfig(g step.Group) exactlyonce.Config {
	c := p.config
	share := func(part int64) int64 { return max(c.Memory/part/int64(len(p.groups)), 1<<20) }
	return exactlyonce.Config{
		Cluster: c.Cluster, DataDir: c.DataDir, Instance: c.Instance, QuickRestart: c.QuickRestart, TransactionsV1: c.TransactionsV1, TransactionalIDPrefix: c.Settings.Prefix, Logger: p.log,
		Metrics: p.engine.of(g.Name), CacheBytes: share(4), RestoreBytes: share(4), InputBytes: share(8), BatchBytes: share(8),
	}
}

// Run keeps all groups running until ctx ends, and those of versions of projections as long as they
// are wanted. It returns once each has finished the work that it began. A group that fails is
// started again with growing pauses; the others go on meanwhile.
func (p *Processors) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, g := range p.groups {
		all.Go(func() {
			if g.projection == nil || p.config.Versions == nil || p.config.Only != nil {
				p.keep(ctx, g.Group)
				return
			}
			p.config.Versions.While(ctx, g.projection.Name, func(s versions.State) bool { return s.Runs(g.projection.Version) },
				func(ctx context.Context) { p.keep(ctx, g.Group) })
		})
	}
	all.Wait()
	return nil
}

func (p *Processors) keep(ctx context.Context, g step.Group) {
	const shortest, longest, healthy = 200 * time.Millisecond, 15 * time.Second, time.Minute
	for try := range retry.Attempts(ctx, shortest, longest) {
		started := time.Now()
		attempt, err := exactlyonce.New(g, p.engineConfig(g))
		if err == nil {
			p.running(g.Name, attempt, nil)
			err = attempt.Run(ctx)
		}
		if ctx.Err() != nil {
			p.running(g.Name, nil, errors.New("stopped"))
			if err != nil {
				p.log.Error("a group did not stop in good order; what it had not finished is done again", "group", g.Name, "error", err)
			}
			return
		}
		if err == nil {
			err = errors.New("its work ended although nobody stopped it; this is a defect, please report it with the log")
		}
		if time.Since(started) > healthy {
			try.Restart()
		}
		p.running(g.Name, nil, err)
		p.engine.restarts.WithLabelValues(g.Name, exactlyonce.Cause(err)).Inc()
		p.log.Error("a group stopped and will be started again", "group", g.Name, "cause", exactlyonce.Cause(err), "in", try.Pause(), "error", err)
	}
}

func (p *Processors) running(group string, attempt *exactlyonce.Runner, fault error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runners[group], p.faults[group] = attempt, fault
}

// longestWait is the time for which an input may wait before Ready reports it.
const longestWait = 30 * time.Second

// Ready returns nil if every group is restored and consuming, and no input has waited for more than
// 30 s. Otherwise it says which group it is, and why.
func (p *Processors) Ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var waiting []error
	for _, g := range p.groups {
		switch runner := p.runners[g.Name]; {
		case !p.wanted(g):
		case runner != nil && runner.Recovered():
			if err := runner.Waiting(longestWait); err != nil {
				waiting = append(waiting, fmt.Errorf("group %s: %w", g.Name, err))
			}
		case p.faults[g.Name] != nil:
			waiting = append(waiting, fmt.Errorf("group %s: %w", g.Name, p.faults[g.Name]))
		case runner != nil:
			waiting = append(waiting, fmt.Errorf("group %s: %s", g.Name, runner.Status()))
		default:
			waiting = append(waiting, fmt.Errorf("group %s is starting", g.Name))
		}
	}
	return errors.Join(waiting...)
}

// stats returns the state of the running groups.
func (p *Processors) stats() map[string]exactlyonce.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]exactlyonce.Stats{}
	for name, r := range p.runners {
		if r != nil {
			all[name] = r.Stats()
		}
	}
	return all
}
