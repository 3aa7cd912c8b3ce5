package torture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/proof/history"
	"github.com/foldlog/foldlog/proof/torture/dump"
	"github.com/foldlog/foldlog/proof/torture/system"
)

const (
	// settleLimit is how long the healed system may take until all is ready and handled; settleMust
	// is what it has to keep.
	settleLimit = 4 * time.Minute
	settleMust  = 60 * time.Second
	// sayEvery is how often progress says what is waited for.
	sayEvery = 5 * time.Second
	// drainLimit is how long an instance may take to end after SIGTERM.
	drainLimit = 45 * time.Second
	// dumpLimit bounds writing everything down.
	dumpLimit = 5 * time.Minute
)

// views are the bank's.
var views = []string{"balances", "accounts-by-holder", "daily-turnover", "transfers"}

// finish heals, settles and writes down what there is.
func (r *run) finish(ctx context.Context) error {
	if err := r.heal(ctx); err != nil {
		return err
	}
	r.about.Healed = history.Now()
	r.say("healed, and the clients have stopped")
	client, err := r.system.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	r.pauseBeside()
	if err := r.settle(ctx, client); err != nil {
		return err
	}
	if r.lastBeside(ctx) {
		if err := r.awaitRest(ctx, client); err != nil {
			return err
		}
	}
	if err := r.startFresh(ctx); err != nil {
		return err
	}
	if err := r.dumpAnswers(ctx); err != nil {
		return err
	}
	// Who is stopped last takes everything over: what it uses then says nothing of the run.
	if err := r.sampler.stop(); err != nil {
		return err
	}
	if err := r.stopProcessors(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, dumpLimit)
	defer cancel()
	if err := dump.Topics(limited, r.dir, client, r.system.RegistryURL()); err != nil {
		return fmt.Errorf("dump the topics: %w", err)
	}
	if r.system.Dev != nil { // its broker had to be dumped first
		if err := r.stopAndDumpStores(ctx, r.system.Dev); err != nil {
			return err
		}
	}
	r.about.Ended = history.Now()
	r.say("written down")
	return errors.Join(r.recorder.Flush(), history.WriteJSON(r.dir, "run.json", r.about))
}

// heal mends everything and stops the clients.
func (r *run) heal(ctx context.Context) error {
	if err := r.mendAll(ctx); err != nil {
		return err
	}
	for _, i := range r.system.Instances() {
		i.Arm("")
		if i.Running() { // frozen by us, or by itself at a crash point
			if !i.Responsive() {
				r.note(kindThaw, i.Name, "to heal")
			}
			if err := i.Thaw(); err != nil {
				return err
			}
			continue
		}
		if died := i.Died(); died != nil {
			r.problem("%s", died)
		}
		if err := r.boot(i, "to heal"); err != nil {
			return err
		}
	}
	return r.stopLoad()
}

// settle waits until the system rests, and says how long that took.
func (r *run) settle(ctx context.Context, client *kgo.Client) error {
	if err := r.awaitRest(ctx, client); err != nil {
		return err
	}
	r.about.Settled = history.Now()
	took := time.Duration(r.about.Settled - r.about.Healed)
	r.say("settled after %.1fs", took.Seconds())
	if took > settleMust {
		r.problem("it took %.1fs to settle, more than %s", took.Seconds(), settleMust)
	}
	return nil
}

// awaitRest waits until every instance is ready, nothing lags, and nothing is written any more.
func (r *run) awaitRest(ctx context.Context, client *kgo.Client) error {
	limited, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	var last error
	said := time.Now()
	for before := ""; ; {
		ends, reason := r.unsettled(limited, client)
		if reason == nil && ends == before {
			return nil
		}
		if limited.Err() == nil {
			if last == nil || reason != nil && time.Since(said) > sayEvery {
				r.say("not settled: %v", reason)
				said = time.Now()
			}
			last = reason
		}
		before = ends
		select {
		case <-limited.Done():
			return fmt.Errorf("not settled within %s after healing: %w", settleLimit, errors.Join(last, ctx.Err()))
		case <-time.After(time.Second):
		}
	}
}

// unsettled returns where the topics end, or as an error what is not ready or not handled.
func (r *run) unsettled(ctx context.Context, client *kgo.Client) (string, error) {
	for _, i := range r.system.Instances() {
		if err := i.Died(); err != nil {
			return "", err
		}
		if err := i.Ready(ctx); err != nil {
			return "", err
		}
		metrics, err := i.Metrics(ctx)
		if err != nil {
			return "", err
		}
		for topic, lag := range metrics.Sums("foldlog_view_lag_records", "topic") {
			if lag > 0 {
				return "", fmt.Errorf("the view of %s in %s lacks %.0f records", topic, i.Name, lag)
			}
		}
	}
	lagging, err := dump.Lag(ctx, client)
	if err != nil {
		return "", err
	}
	if len(lagging) > 0 {
		return "", fmt.Errorf("%d lag: %s", len(lagging), lagging[0])
	}
	return dump.Ends(ctx, client)
}

// startFresh starts an instance on an empty directory: what it shows was rebuilt from the topics
// alone.
func (r *run) startFresh(ctx context.Context) error {
	fresh, err := r.system.Add("fresh", system.Edge, system.View)
	if err != nil {
		return err
	}
	if err := fresh.Boot(); err != nil {
		return err
	}
	if err := r.awaitReady(ctx, fresh); err != nil {
		return err
	}
	r.about.Fresh = fresh.Name
	return nil
}

func (r *run) dumpAnswers(ctx context.Context) error {
	ids := r.recorder.IDs()
	for aggregate, old := range r.oldIDs {
		ids[aggregate] = append(ids[aggregate], old...)
	}
	for _, i := range r.system.Instances() {
		if !i.Serves() {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, dumpLimit)
		err := dump.Answers(limited, r.dir, i.Name, i.URL(), views, ids)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// stopProcessors ends processors as an operator would, and writes down what they leave. Each has
// taken over first what those before it had: a store that is being rebuilt is nobody's copy of
// anything.
func (r *run) stopProcessors(ctx context.Context) error {
	for _, i := range r.processors() {
		if err := r.awaitReady(ctx, i); err != nil {
			return err
		}
		if err := r.stopAndDumpStores(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) stopAndDumpStores(ctx context.Context, i *system.Instance) error {
	limited, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	stopped := time.Now()
	if err := i.Stop(limited); err != nil {
		return err
	}
	if code := i.ExitCode(); code != 0 {
		r.problem("%s ended with exit code %d after SIGTERM: %s", i.Name, code, r.system.LogFile(i.Name))
	}
	return dump.Stores(r.dir, i.Name, i.ProcessorsDir(), stopped)
}
