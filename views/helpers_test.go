package views

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/syndtr/goleveldb/leveldb/util"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/kafkatest"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

const (
	patience = 30 * time.Second
	// moment is for what must not happen: long enough to be seen if it does.
	moment     = 300 * time.Millisecond
	partitions = 4
)

// system is the bank's topics on an embedded broker.
type system struct {
	t        *testing.T
	dir      string
	kafka    string
	registry string
	broker   *devcluster.Cluster
	topology *topology.Topology
	settings topology.Settings
	codecs   *codecs.Codecs
	cluster  cluster.Config
	producer *kgo.Client
	dataDir  string
}

func newSystem(t *testing.T) *system {
	t.Helper()
	t.Parallel() // most of a test is waiting
	s := &system{
		t: t, dir: t.TempDir(), dataDir: t.TempDir(),
		topology: bank.Topology(),
		settings: topology.Settings{Partitions: partitions, ReplicationFactor: 1},
	}
	s.kafka, s.registry = freeAddresses(t)
	s.settings.EnsureDefaults()
	s.startBroker()
	s.cluster = cluster.Config{Brokers: s.broker.Brokers()}
	if _, err := cluster.EnsureTopics(soon(t), s.cluster, s.topology, s.settings); err != nil {
		t.Fatal(err)
	}
	s.codecs = bankCodecs(t, s.broker.RegistryURL())
	s.producer = s.client()
	return s
}

func bankCodecs(t testing.TB, registry string) *codecs.Codecs {
	t.Helper()
	set, err := schemas.Load(bankschemas.Files, bank.Topology())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	c, err := codecs.New(t.Context(), bank.Topology(), topology.Names{}, set, schemas.New(schemas.Config{URL: registry}, log), log)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *system) startBroker() {
	s.t.Helper()
	c, err := devcluster.Start(s.t.Context(), devcluster.Config{Dir: s.dir, KafkaListen: s.kafka, RegistryListen: s.registry})
	if err != nil {
		s.t.Fatal(err)
	}
	s.broker = c
	s.t.Cleanup(func() { _ = c.Close() })
}

func (s *system) stopBroker() {
	s.t.Helper()
	if err := s.broker.Close(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) client(opts ...kgo.Opt) *kgo.Client {
	s.t.Helper()
	base, err := s.cluster.Franz()
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := kgo.NewClient(append(base, opts...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.CloseAllowingRebalance)
	return c
}

func (s *system) admin() *kadm.Client { return kadm.NewClient(s.producer) }

// running is a set of views that runs.
type running struct {
	*Set
	t       *testing.T
	cancel  context.CancelFunc
	done    chan error
	metrics *prometheus.Registry
}

// open opens and runs a set without waiting for it; it is stopped at the end of the test.
func (s *system) open(change ...func(*Config)) *running { return s.openAt(time.Now, change...) }

func (s *system) openAt(now func() time.Time, change ...func(*Config)) *running {
	s.t.Helper()
	registry := prometheus.NewRegistry()
	config := Config{
		Topology: s.topology, Settings: s.settings, Codecs: s.codecs, Cluster: s.cluster, DataDir: s.dataDir, Metrics: registry,
		Logger: slog.New(slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, f := range change {
		f(&config)
	}
	set, err := open(config, now)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Set: set, t: s.t, cancel: cancel, done: make(chan error, 1), metrics: registry}
	go func() { r.done <- set.Run(ctx) }()
	s.t.Cleanup(r.stop)
	return r
}

// start opens and runs a set and waits until it is ready.
func (s *system) start(change ...func(*Config)) *running {
	s.t.Helper()
	r := s.open(change...)
	r.awaitReady()
	return r
}

func (r *running) awaitReady() {
	r.t.Helper()
	eventually(r.t, r.Ready)
}

// stop ends the set as SIGTERM does. It may be called more than once.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Errorf("run: %v", err)
		}
		r.done <- nil
	case <-time.After(patience):
		r.t.Error("the set did not stop")
	}
}

// metric returns the sum of a metric's values whose labels contain all of the given ones, as
// name=value.
func (r *running) metric(name string, labels ...string) float64 {
	r.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if hasLabels(m, labels) {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return total
}

func hasLabels(m *dto.Metric, labels []string) bool {
	have := map[string]bool{}
	for _, l := range m.GetLabel() {
		have[l.GetName()+"="+l.GetValue()] = true
	}
	for _, l := range labels {
		if !have[l] {
			return false
		}
	}
	return true
}

// eventually waits until f returns nil.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still not so after %s: %v", patience, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func briefly(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), moment)
	t.Cleanup(cancel)
	return ctx
}

// freeAddresses returns two addresses that nobody else is given, also while nothing listens there.
func freeAddresses(t testing.TB) (one, other string) {
	t.Helper()
	ports, err := kafkatest.ReservePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ports.Close() })
	return ports.Addr(0), ports.Addr(1)
}

func produce(t testing.TB, c *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := c.ProduceSync(soon(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// stateRow is a row of account-table.
func (s *system) stateRow(id string, version, balance int64) *kgo.Record {
	s.t.Helper()
	value, err := s.codecs.Aggregate("account").EncodeState(codecs.State{
		Version: version, RecordedAt: time.Unix(1_700_000_000, 0).UTC(),
		Data: account.Account{Status: account.StatusOpen, HolderID: "holder of " + id, HolderName: "holder of " + id, Currency: "CZK", Balance: balance},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return &kgo.Record{Topic: "account-table", Key: []byte(id), Value: value}
}

// balanceRow is a row of balances-table, which is not re-keyed.
func (s *system) balanceRow(id string, balance int64) *kgo.Record {
	s.t.Helper()
	return s.row("balances", id, bank.BalancesRow{AccountID: id, Currency: "CZK", Balance: balance, Status: account.StatusOpen, Version: 1})
}

// holderRow is a row of accounts-by-holder-table, which is re-keyed.
func (s *system) holderRow(holder string, count int64) *kgo.Record {
	s.t.Helper()
	return s.row("accounts-by-holder", holder, bank.AccountsByHolderRow{HolderID: "somebody", Count: count})
}

func (s *system) row(projection, key string, row any) *kgo.Record {
	s.t.Helper()
	value, err := s.codecs.Projection(projection).EncodeRow(row)
	if err != nil {
		s.t.Fatal(err)
	}
	return &kgo.Record{Topic: projection + "-table", Key: []byte(key), Value: value}
}

// progressRecord says in one partition of a topic that everything up to a position is contained.
func progressRecord(topic string, partition int32, at foldlog.Position) *kgo.Record {
	key := topology.ProgressKeys(at.Aggregate, at.Partition, partitions)[partition]
	return &kgo.Record{
		Topic: topic, Key: []byte(key), Value: []byte("x"),
		Headers: []kgo.RecordHeader{{Key: codecs.HeaderProgress, Value: []byte(at.String())}},
	}
}

// outcomeRecord is an outcome whose command stands at a position.
func (s *system) outcomeRecord(o foldlog.Outcome, cause foldlog.Position) *kgo.Record {
	s.t.Helper()
	value, err := s.codecs.Aggregate("account").EncodeOutcome(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return &kgo.Record{
		Topic: "account.outcomes", Key: []byte(o.AggregateID), Value: value,
		Headers: []kgo.RecordHeader{{Key: codecs.HeaderCause, Value: []byte(cause.String())}},
	}
}

func accepted(aggregateID, commandID string, version int64, at foldlog.Position, recordedAt time.Time) foldlog.Outcome {
	return foldlog.Outcome{
		CommandID: commandID, AggregateID: aggregateID, CommandType: "deposit", Accepted: true, FirstVersion: version, Version: version,
		EventIDs: []string{foldlog.EventID(commandID, aggregateID, 0)}, RecordedAt: recordedAt.UTC().Truncate(time.Microsecond),
		CorrelationID: commandID, PayloadHash: make([]byte, 32), Position: at,
	}
}

// keyIn returns a key with that prefix in the partition.
func keyIn(prefix string, partition int32) string {
	for n := 0; ; n++ {
		key := fmt.Sprintf("%s%d", prefix, n)
		if topology.PartitionOf([]byte(key), partitions) == partition {
			return key
		}
	}
}

func homeOf(key string) int32 { return topology.PartitionOf([]byte(key), partitions) }

func at(partition int32, offset int64) foldlog.Position {
	return foldlog.Position{Aggregate: "account", Partition: partition, Offset: offset}
}

// balance returns the balance in a table's row, -1 if there is no row.
func balance(ctx context.Context, table *Table, key string, after foldlog.Token) (int64, error) {
	row, err := table.Get(ctx, key, after)
	if err != nil {
		return 0, err
	}
	if !row.Found {
		return -1, nil
	}
	switch v := row.Value.(type) {
	case bank.BalancesRow:
		return v.Balance, nil
	case codecs.State:
		return v.Data.(account.Account).Balance, nil
	}
	return 0, fmt.Errorf("a row of type %T", row.Value)
}

// awaitBalance waits until a table shows a balance.
func awaitBalance(t testing.TB, table *Table, key string, want int64) {
	t.Helper()
	eventually(t, func() error {
		have, err := balance(soon(t), table, key, nil)
		if err != nil {
			return err
		}
		if have != want {
			return fmt.Errorf("balance of %s is %d, want %d", key, have, want)
		}
		return nil
	})
}

func wantError(t testing.TB, err, target error, texts ...string) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error %v, want one that is %v", err, target)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not say %q", err, text)
		}
	}
}

var errStill = errors.New("still as before")

// waiting returns nil once a read waits for progress of the partition.
func waiting(p *progress, partition int32) error {
	part := p.partitions[partition]
	part.mu.Lock()
	defer part.mu.Unlock()
	if part.changed == nil {
		return errors.New("nobody waits")
	}
	return nil
}

// stored counts the store's keys of a kind.
func stored(t testing.TB, r *replica, kind byte) (n int) {
	t.Helper()
	err := r.use(func(s *store) error {
		iter := s.db.NewIterator(util.BytesPrefix([]byte{kind}), nil)
		defer iter.Release()
		for iter.Next() {
			n++
		}
		return iter.Error()
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func containsAll(text string, parts []string) error {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return fmt.Errorf("%q does not say %q", text, part)
		}
	}
	return nil
}
