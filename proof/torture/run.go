package torture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/foldlog/foldlog/proof/history"
	"github.com/foldlog/foldlog/proof/torture/load"
	"github.com/foldlog/foldlog/proof/torture/results"
	"github.com/foldlog/foldlog/proof/torture/system"
)

const (
	// partitions of every topic.
	partitions = 4
	// readyLimit is how long an instance may take until it is ready, on a machine with other work.
	readyLimit = 90 * time.Second
	// answerLimit is how long no partition may go without an answer after a fault.
	answerLimit = 90 * time.Second
)

// skip is why a scenario cannot be done on this machine.
type skip struct{ error }

// run is one run of a scenario under way.
type run struct {
	scenario Scenario
	options  Options
	dir      string
	random   *rand.Rand
	about    history.Run
	system   *system.System
	recorder *load.Recorder
	caller   *load.Caller
	load     *load.Load
	sampler  *sampler
	// oldIDs are the ids of a world that is no more: nothing of them may show.
	oldIDs   map[string][]string
	faultLog *history.Writer
	cleanup  []func() error
	beside   []*beside
	booted   map[string]time.Time // when an instance was last booted by a fault

	mu         sync.Mutex
	faults     []history.Fault
	spans      []results.Span // of faults under the present load
	kills      int
	brokerHits int
	recoveries []time.Duration
	problems   []string
	broken     map[string]func(context.Context) error // what to do to mend it
	began      time.Time
	loadBegan  int64
	loadTime   time.Duration
	stalls     map[string]time.Duration
}

// Run runs a scenario once, with every step written to its directory. The error says that it could
// not be run at all; what went wrong in a run is in the summary.
func Run(ctx context.Context, scenario Scenario, options Options) (results.Summary, error) {
	options.EnsureDefaults()
	if err := options.Validate(); err != nil {
		return results.Summary{}, err
	}
	if len(options.Beside) > 0 && scenario.remakes {
		return results.Summary{}, fmt.Errorf("%s deletes the log that --beside commands read: leave --beside out", scenario.Name)
	}
	if rebuilds(options) && (options.Embedded || scenario.brokers == 0) {
		return results.Summary{}, errors.New("--beside rebuild needs Apache Kafka: foldlog dev begins with the newest version of everything")
	}
	if options.Embedded && scenario.apache {
		return results.Summary{}, fmt.Errorf("%s needs Apache Kafka: leave --broker embedded out", scenario.Name)
	}
	dir, err := newRunDir(options.Out, scenario.Name, options.Seed)
	if err != nil {
		return results.Summary{}, err
	}
	if options.Embedded {
		scenario.brokers = 0
	}
	r := &run{
		booted: map[string]time.Time{}, stalls: map[string]time.Duration{}, broken: map[string]func(context.Context) error{},
		scenario: scenario, options: options, dir: dir, random: rand.New(rand.NewPCG(options.Seed, 0)), began: time.Now(),
	}
	r.say("seed %d, %s on %s, in %s", options.Seed, scenario.Name, r.broker(), dir)
	runErr := r.all(ctx)
	if ctx.Err() != nil {
		return results.Summary{}, errors.Join(ctx.Err(), r.close())
	}
	if reason, is := errors.AsType[skip](runErr); is {
		summary := r.summary()
		summary.Verdict, summary.Why = results.Skipped, reason.Error()
		return summary, r.close()
	}
	if runErr != nil {
		r.problem("%s", runErr)
		if err := history.WriteJSON(dir, "run.json", r.about); err != nil {
			r.problem("%s", err)
		}
	}
	if err := r.close(); err != nil {
		r.problem("stop: %s", err)
	}
	summary := r.summary()
	r.check(ctx, &summary, runErr == nil)
	if summary.Good() && !options.Keep {
		for _, name := range []string{"kafka", "registry", "data"} {
			if err := os.RemoveAll(filepath.Join(dir, "system", name)); err != nil {
				return summary, err
			}
		}
	}
	return summary, nil
}

func (r *run) broker() string {
	if r.scenario.brokers == 0 {
		return "embedded"
	}
	return fmt.Sprintf("kafka-%d", r.scenario.brokers)
}

// all is the sequence of every run.
func (r *run) all(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := r.startLoad(ctx, ""); err != nil {
		return err
	}
	r.startBeside(ctx)
	if r.options.WarmUp > 0 {
		r.say("load alone for %s", r.options.WarmUp)
		if err := r.wait(ctx, r.options.WarmUp, r.options.WarmUp); err != nil {
			return err
		}
	}
	if err := r.scenario.inflict(ctx, r); err != nil {
		if ctx.Err() != nil {
			return err
		}
		r.problem("faults ended early: %s", err)
	}
	r.say("faults are over: %d, of these %d kills and %d of brokers", len(r.faults), r.kills, r.brokerHits)
	return r.finish(ctx)
}

// start starts everything but the load.
func (r *run) start(ctx context.Context) (err error) {
	if !rebuilds(r.options) {
		r.options.Binaries.Next = "" // it would run instead of the product
	}
	if r.options.Binaries, err = r.options.Binaries.Build(ctx, filepath.Join(r.options.Out, "bin"), r.scenario.crashes, rebuilds(r.options), r.options.Planted); err != nil {
		return err
	}
	r.about = history.Run{Scenario: r.scenario.Name, Seed: r.options.Seed, Broker: r.broker(), Planted: r.options.Planted, Partitions: partitions,
		Settings: map[string]string{"rate": fmt.Sprint(r.options.Rate), "probe_every": r.options.ProbeEvery.String(), "warm_up": r.options.WarmUp.String()}, Began: history.Now()}
	if r.faultLog, err = history.Create(r.dir, "faults.jsonl"); err != nil {
		return err
	}
	if r.recorder, err = load.NewRecorder(r.dir); err != nil {
		return err
	}
	r.caller = &load.Caller{Recorder: r.recorder}
	logFile, err := os.Create(filepath.Join(r.dir, "driver.log"))
	if err != nil {
		return err
	}
	r.cleanup = append(r.cleanup, logFile.Close)
	started, err := system.Start(ctx, system.Config{Dir: filepath.Join(r.dir, "system"), Brokers: r.scenario.brokers, Partitions: partitions,
		Binaries: r.options.Binaries, Planted: r.options.Planted, Proxied: r.scenario.proxied, Properties: r.scenario.properties, Logger: slog.New(slog.NewTextHandler(logFile, nil))})
	if err != nil {
		return err
	}
	r.system = started
	if r.scenario.prepare != nil {
		if err := r.scenario.prepare(ctx, r); err != nil {
			return err
		}
	}
	if err := r.startInstances(ctx); err != nil {
		return err
	}
	return history.WriteJSON(r.dir, "run.json", r.about)
}

func (r *run) startInstances(ctx context.Context) error {
	for n := range r.scenario.processors {
		if _, err := r.system.Add(fmt.Sprintf("processor-%d", n+1), system.Processor); err != nil {
			return err
		}
	}
	for n := range r.scenario.edges {
		if _, err := r.system.Add(fmt.Sprintf("edge-%d", n+1), system.Edge, system.View); err != nil {
			return err
		}
	}
	for _, i := range r.system.Instances() {
		r.about.Instances = append(r.about.Instances, i.Name)
		if i != r.system.Dev {
			if err := i.Boot(); err != nil {
				return err
			}
		}
	}
	for _, i := range r.system.Instances() {
		if err := r.awaitReady(ctx, i); err != nil {
			return err
		}
		if !i.Serves() {
			continue
		}
		target, err := load.NewTarget(i.Name, i.URL())
		if err != nil {
			return err
		}
		r.caller.Targets = append(r.caller.Targets, target)
	}
	r.sampler = startSampler(r.dir, r.system)
	r.say("%d instances are ready", len(r.system.Instances()))
	return nil
}

// startLoad starts clients with ids of their own and waits until every partition answers.
func (r *run) startLoad(ctx context.Context, world string) (err error) {
	first := 1
	if world != "" {
		first = 10000
	}
	r.load, err = load.Start(ctx, load.Config{World: world, First: first, Seed: r.options.Seed, Rate: r.options.Rate, ProbeEvery: r.options.ProbeEvery, Partitions: partitions,
		Caller: r.caller, Kafka: r.system.Client})
	if err != nil {
		return err
	}
	if err := r.awaitAnswers(ctx, history.Now()); err != nil {
		return err
	}
	r.loadBegan = history.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = nil // what was done before the load is none of its stalls
	return nil
}

// stopLoad stops the clients and sums up their stalls.
func (r *run) stopLoad() error {
	end := history.Now()
	r.mu.Lock()
	r.loadTime += time.Duration(end - r.loadBegan)
	if n := len(r.spans); n > 0 {
		r.spans[n-1].To = end
	}
	for kind, stall := range results.Stalls(r.spans, r.load.Probes.Successes(), end) {
		r.stalls[kind] = max(r.stalls[kind], stall)
	}
	r.spans = nil
	r.mu.Unlock()
	return r.load.Stop()
}

// close ends everything that still runs.
func (r *run) close() error {
	var all []error
	r.stopBeside()
	if r.load != nil {
		all = append(all, r.load.Stop())
	}
	if r.sampler != nil {
		all = append(all, r.sampler.stop())
	}
	if r.system != nil {
		all = append(all, r.system.Close())
	}
	if r.recorder != nil {
		all = append(all, r.recorder.Close())
	}
	if r.faultLog != nil {
		all = append(all, r.faultLog.Close())
	}
	for _, f := range r.cleanup {
		all = append(all, f())
	}
	return errors.Join(all...)
}

func (r *run) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.options.Progress, "%7.1fs %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// problem notes what is not as it should be. The run goes on, and has not passed.
func (r *run) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.say("problem: %s", text)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, text)
}
