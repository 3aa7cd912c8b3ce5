package torture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog/proof/history"
	"github.com/foldlog/foldlog/proof/torture/load"
)

// busyCleaner are broker settings with which compaction happens within seconds.
func busyCleaner() map[string]string {
	return map[string]string{"log.cleaner.backoff.ms": "500", "log.segment.delete.delay.ms": "1000", "log.retention.check.interval.ms": "1000"}
}

// compactEagerly lowers what makes tables be compacted all the time. `foldlog topics verify` does
// not mind, since the product does not depend on these settings.
func compactEagerly(deleteRetention time.Duration) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		settings := map[string]string{
			"segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "2000", "min.compaction.lag.ms": "0",
			"delete.retention.ms": fmt.Sprint(deleteRetention.Milliseconds()),
		}
		var alter []kadm.AlterConfig
		for name, value := range settings {
			alter = append(alter, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value})
			r.about.Settings[name] = value
		}
		client, err := r.system.Client()
		if err != nil {
			return err
		}
		defer client.Close()
		admin := kadm.NewClient(client)
		topics, err := admin.ListTopics(ctx)
		if err != nil {
			return err
		}
		var tables []string
		for _, name := range topics.Names() {
			if strings.HasSuffix(name, "-table") {
				tables = append(tables, name)
			}
		}
		answers, err := admin.AlterTopicConfigs(ctx, alter, tables...)
		if err != nil {
			return err
		}
		for _, answer := range answers {
			if answer.Err != nil {
				return fmt.Errorf("alter %s: %w", answer.Name, answer.Err)
			}
		}
		return nil
	}
}

// restoreUnderCompaction restarts processors and edges without their data while tables are being
// compacted.
func restoreUnderCompaction(ctx context.Context, r *run) error {
	all := append(r.processors(), r.edges()...)
	return r.each(ctx, func(int) error {
		victim := pick(r, all)
		if err := r.kill(victim); err != nil {
			return err
		}
		if err := victim.Wipe(); err != nil {
			return err
		}
		r.inflicted(hit{kind: "compaction", target: victim.Name, detail: "restores while tables are compacted"})
		if err := r.bootReady(ctx, victim, "with nothing, under compaction"); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return r.wait(ctx, 0, 3*time.Second)
	})
}

// absence is longer than the lowered delete.retention.ms.
const absence = 20 * time.Second

// stayAway keeps an instance down for longer than deletions are kept.
func stayAway(ctx context.Context, r *run) error {
	all := append(r.processors(), r.edges()...)
	return r.each(ctx, func(n int) error {
		victim := all[n%len(all)]
		if err := r.term(ctx, victim); err != nil {
			return err
		}
		r.inflicted(hit{kind: "away", target: victim.Name, detail: "longer than delete.retention.ms"})
		if err := r.wait(ctx, absence, absence+5*time.Second); err != nil {
			return err
		}
		if err := r.bootReady(ctx, victim, "after a long absence"); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return nil
	})
}

// recreateTopics deletes all topics, creates them anew and lets every instance come back on its old
// data. The run goes on in a new world: the history of the old one is kept beside, and nothing of
// it may show.
func recreateTopics(ctx context.Context, r *run) error {
	if err := r.wait(ctx, 10*time.Second, 15*time.Second); err != nil {
		return err
	}
	if err := r.stopLoad(); err != nil {
		return err
	}
	all := append(r.processors(), r.edges()...)
	for _, i := range all {
		if err := r.term(ctx, i); err != nil {
			return err
		}
	}
	r.inflicted(hit{kind: "topics-recreated"})
	if err := r.deleteTopics(ctx); err != nil {
		return err
	}
	if err := r.system.CreateTopics(ctx); err != nil {
		return err
	}
	r.oldIDs = r.recorder.IDs()
	if err := r.recorder.Close(); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(r.dir, "clients.jsonl"), filepath.Join(r.dir, "old-clients.jsonl")); err != nil {
		return err
	}
	var err error
	if r.recorder, err = load.NewRecorder(r.dir); err != nil {
		return err
	}
	r.caller.Recorder = r.recorder
	for _, i := range all {
		if err := r.boot(i, "on the data of deleted topics"); err != nil {
			return err
		}
	}
	for _, i := range all {
		if err := r.awaitReady(ctx, i); err != nil {
			return err
		}
	}
	if err := r.startLoad(ctx, "new-"); err != nil {
		return err
	}
	return killProcessors(ctx, r)
}

// deleteTopics deletes every topic of the system and waits until none is left.
func (r *run) deleteTopics(ctx context.Context) error {
	client, err := r.system.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for began := history.Now(); ; {
		topics, err := admin.ListTopics(ctx)
		if err != nil {
			return err
		}
		if len(topics.Names()) == 0 {
			return nil
		}
		if time.Since(time.Unix(0, began)) > readyLimit {
			return fmt.Errorf("topics are still there after %s: %v", readyLimit, topics.Names())
		}
		if _, err := admin.DeleteTopics(ctx, topics.Names()...); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
