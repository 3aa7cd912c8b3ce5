package exactlyonce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/processors/step"
	"github.com/foldlog/foldlog/topology"
)

// world is a group that counts, with its topics: commands in; events, an outcome for each command
// and a row for each key out. A command is "id amount", an event "version id amount", a row
// "version sum". An id counts once for each key. The amount "reset" deletes the row.
type world struct {
	t          testing.TB
	brokers    []string
	name       string
	partitions int
	dir        string
	client     *kgo.Client
	admin      *kadm.Client
	sent       atomic.Int64

	topicEvents, topicOutcomes string
	// infrastructure errors that the handler still has to report
	failures atomic.Int64
}

var worlds atomic.Int64

func newWorld(t testing.TB, partitions int) *world {
	t.Helper()
	w := &world{t: t, brokers: brokers(t), partitions: partitions, dir: t.TempDir(),
		name: fmt.Sprintf("w%d-%d", os.Getpid(), worlds.Add(1))}
	w.topicEvents, w.topicOutcomes = w.events(), w.outcomes()
	w.connect()
	for _, topic := range []string{w.commands(), w.events(), w.outcomes(), w.deadLetters()} {
		w.create(topic, nil)
	}
	w.create(w.table(), map[string]*string{"cleanup.policy": kadm.StringPtr("compact"), "segment.bytes": kadm.StringPtr("16777216")})
	return w
}

func (w *world) connect() {
	var err error
	w.client, err = kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.MetadataMinAge(50*time.Millisecond),
		kgo.MaxBufferedRecords(1<<20), kgo.ProducerLinger(0))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.client.Close)
	w.admin = kadm.NewClient(w.client)
}

func (w *world) commands() string    { return w.name + ".commands" }
func (w *world) events() string      { return w.name + ".events" }
func (w *world) outcomes() string    { return w.name + ".outcomes" }
func (w *world) table() string       { return w.name + "-table" }
func (w *world) deadLetters() string { return w.name + ".dead-letters" }

func (w *world) create(topic string, config map[string]*string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	all := map[string]*string{"max.message.bytes": kadm.StringPtr(strconv.Itoa(topology.MaxBatchBytes))}
	maps.Copy(all, config)
	if _, err := w.admin.CreateTopic(ctx, int32(w.partitions), 1, all, topic); err != nil {
		w.t.Fatalf("create %s: %v", topic, err)
	}
	w.eventually(30*time.Second, "topic "+topic+" to be known", func() error {
		listed, err := w.admin.ListTopics(ctx, topic)
		if err != nil {
			return err
		}
		if got := len(listed[topic].Partitions); got != w.partitions {
			return fmt.Errorf("%d partitions", got)
		}
		return listed[topic].Err
	})
}

// group returns the group under test.
func (w *world) group() step.Group {
	decode := func(_ context.Context, value []byte) (any, error) { return parseRow(string(value)) }
	return step.Group{
		Name: w.name, Input: w.commands(), Partitions: w.partitions,
		Table: &step.Table{Topic: w.table(), Decode: decode},
		Index: &step.Index{Topic: w.outcomes(),
			Read: func(_ context.Context, r *record.Record) (step.IndexEntry, bool, error) {
				fields := strings.Fields(string(r.Value))
				if len(fields) != 3 || fields[2] == "repeat" {
					return step.IndexEntry{}, false, nil
				}
				return step.IndexEntry{Key: string(r.Key) + "\x00" + fields[0], Value: fields[1]}, true, nil
			},
			Retain: func(step.IndexEntry) bool { return true },
		},
		Outputs:     []string{w.events(), w.outcomes()},
		DeadLetters: w.deadLetters(), ProgressTopic: w.table(), Handle: w.handle,
	}
}

type row struct{ version, sum int64 }

func (r row) String() string { return fmt.Sprintf("%d %d", r.version, r.sum) }

func parseRow(text string) (row, error) {
	var r row
	_, err := fmt.Sscanf(text, "%d %d", &r.version, &r.sum)
	return r, err
}

// causeHeader carries the position of the command that a record follows from.
const causeHeader = "cause"

func (w *world) handle(ctx context.Context, in *record.Record, memory step.Memory) (step.Step, error) {
	if w.failures.Load() > 0 && w.failures.Add(-1) >= 0 {
		return step.Step{}, errors.New("the registry is down")
	}
	cause := []record.Header{{Key: causeHeader, Value: []byte(fmt.Sprintf("%d/%d", in.Partition, in.Offset))}}
	progress := &step.Progress{Source: "acc", Partition: in.Partition, Offset: in.Offset}
	id, amountText, ok := strings.Cut(string(in.Value), " ")
	amount, err := strconv.ParseInt(amountText, 10, 64)
	reset := amountText == "reset"
	switch {
	case string(in.Value) == "panic":
		panic("asked to")
	case string(in.Value) == "ignore":
		return step.Step{}, nil
	case !ok || err != nil && !reset:
		return step.Step{Records: []record.Record{{Topic: w.deadLetters(), Key: in.Key, Value: in.Value, Headers: cause}}, Progress: progress}, nil
	}
	key := string(in.Key) + "\x00" + id
	found, err := memory.Lookup(ctx, key)
	if err != nil {
		return step.Step{}, err
	}
	if first, ok := found.(string); ok {
		return step.Step{Progress: progress, Records: []record.Record{{Topic: w.outcomes(), Key: in.Key, Value: []byte(id + " " + first + " repeat"), Headers: cause}}}, nil
	}
	var r row
	have, err := memory.Row(ctx)
	if err != nil {
		return step.Step{}, err
	}
	if have != nil {
		r = have.(row)
	}
	r.version++
	r.sum += amount
	version := strconv.FormatInt(r.version, 10)
	after := &step.Row{}
	if !reset {
		after = &step.Row{Value: r, Encoded: []byte(r.String())}
	}
	return step.Step{
		Row: after,
		Records: []record.Record{
			{Topic: w.events(), Key: in.Key, Value: []byte(version + " " + id + " " + amountText), Headers: cause},
			{Topic: w.outcomes(), Key: in.Key, Value: []byte(id + " " + version + " first"), Headers: cause},
		},
		Remember: &step.IndexEntry{Key: key, Value: version},
		Progress: progress,
	}, nil
}

// handleWithoutIndex is the handler for throughput: no command is repeated, and text is handled
// sparingly.
func (w *world) handleWithoutIndex(ctx context.Context, in *record.Record, memory step.Memory) (step.Step, error) {
	have, err := memory.Row(ctx)
	if err != nil {
		return step.Step{}, err
	}
	var r row
	if have != nil {
		r = have.(row)
	}
	space := bytes.IndexByte(in.Value, ' ')
	amount, err := strconv.ParseInt(string(in.Value[space+1:]), 10, 64)
	if err != nil {
		return step.Step{}, err
	}
	r.version++
	r.sum += amount
	version := strconv.AppendInt(make([]byte, 0, 64), r.version, 10)
	event := append(append(version, ' '), in.Value...)
	outcome := append(append(append(make([]byte, 0, 48), in.Value[:space+1]...), version...), " first"...)
	encoded := strconv.AppendInt(append(strconv.AppendInt(make([]byte, 0, 32), r.version, 10), ' '), r.sum, 10)
	return step.Step{
		Row:     &step.Row{Value: r, Encoded: encoded},
		Records: []record.Record{{Topic: w.topicEvents, Key: in.Key, Value: event}, {Topic: w.topicOutcomes, Key: in.Key, Value: outcome}},
	}, nil
}

// config returns an instance's configuration.
func (w *world) config(instance string) Config {
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("FOLDLOG_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("instance", instance)
	}
	return Config{Cluster: cluster.Config{Brokers: w.brokers}, DataDir: w.dir + "/" + instance, Instance: instance, Logger: log,
		SessionTimeout: 6 * time.Second, FlushInterval: 50 * time.Millisecond, TransactionTimeout: 10 * time.Second, Patience: 25 * time.Second}
}

// send writes n commands of keys k0... with ids that no other call uses.
func (w *world) send(n, keys int) {
	w.t.Helper()
	first := w.sent.Add(int64(n)) - int64(n)
	records := make([]*kgo.Record, n)
	for i := range records {
		c := first + int64(i)
		records[i] = &kgo.Record{Topic: w.commands(), Key: []byte(fmt.Sprintf("k%d", c%int64(keys))), Value: []byte(fmt.Sprintf("c%d %d", c, c%7+1))}
	}
	w.produce(records...)
}

func (w *world) produce(records ...*kgo.Record) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		w.t.Fatalf("send commands: %v", err)
	}
}

func (w *world) eventually(patience time.Duration, what string, check func() error) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("waited %s for %s: %v", patience, what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// running is a supervised runner.
type running struct {
	w        *world
	cancel   context.CancelFunc
	done     chan struct{}
	mu       sync.Mutex
	runner   *Runner
	errs     []error
	attempts atomic.Int64
}

// start runs an instance and starts it anew whenever it stops with an error.
func (w *world) start(instance string, change ...func(*Config)) *running {
	return w.startGroup(w.group(), instance, change...)
}

func (w *world) startGroup(g step.Group, instance string, change ...func(*Config)) *running {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{w: w, cancel: cancel, done: make(chan struct{})}
	c := w.config(instance)
	for _, f := range change {
		f(&c)
	}
	go func() {
		defer close(r.done)
		for ctx.Err() == nil {
			runner, err := New(g, c)
			if err != nil {
				r.failed(err)
				return
			}
			r.mu.Lock()
			r.runner = runner
			r.mu.Unlock()
			r.attempts.Add(1)
			if err := runner.Run(ctx); err != nil {
				r.failed(err)
				select {
				case <-ctx.Done():
				case <-time.After(50 * time.Millisecond):
				}
			}
		}
	}()
	w.t.Cleanup(func() { r.stop() })
	return r
}

func (r *running) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// stop ends the instance in good order and returns the errors of all attempts.
func (r *running) stop() []error {
	r.cancel()
	select {
	case <-r.done:
	case <-time.After(90 * time.Second):
		r.w.t.Errorf("the runner did not stop: %s", r.status())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.errs
}

func (r *running) status() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runner == nil {
		return "no runner"
	}
	return r.runner.Status()
}

func (r *running) recovered() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runner != nil && r.runner.Recovered()
}

func (w *world) awaitRecovered(all ...*running) {
	w.t.Helper()
	w.eventually(60*time.Second, "recovery", func() error {
		for _, r := range all {
			if !r.recovered() {
				return errors.New(r.status())
			}
		}
		return nil
	})
}

func mustNotFail(t testing.TB, errs []error) {
	t.Helper()
	for _, err := range errs {
		t.Errorf("an attempt stopped: %v", err)
	}
}

var discard = slog.New(slog.DiscardHandler)

type (
	recordType = record.Record
	memoryType = step.Memory
	stepType   = step.Step
)
