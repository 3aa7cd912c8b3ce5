package gateway_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/gateway"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// world is a gateway to the bank's log, without views. A clerk accepts what is written.
type world struct {
	config  gateway.Config
	tail    *gateway.Tail
	gateway *gateway.Gateway
	written chan *kgo.Record
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dev, err := devcluster.Start(t.Context(), devcluster.Config{Dir: t.TempDir(), KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	settings := topology.Settings{Partitions: 4, ReplicationFactor: 1}
	settings.EnsureDefaults()
	w := &world{written: make(chan *kgo.Record, 100), config: gateway.Config{
		Topology: bank.Topology(), Names: settings.Names(), Cluster: cluster.Config{Brokers: dev.Brokers()}, Patience: 5 * time.Second}}
	if _, err := cluster.EnsureTopics(t.Context(), w.config.Cluster, w.config.Topology, settings); err != nil {
		t.Fatal(err)
	}
	set, err := schemas.Load(bankschemas.Files, w.config.Topology)
	if err != nil {
		t.Fatal(err)
	}
	registry := schemas.New(schemas.Config{URL: dev.RegistryURL()}, slog.New(slog.DiscardHandler))
	if w.config.Codecs, err = codecs.New(t.Context(), w.config.Topology, w.config.Names, set, registry, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if w.tail, err = gateway.OpenTail(t.Context(), w.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.tail.Close)
	w.config.Expect = w.tail.Expect
	if w.gateway, err = gateway.New(w.config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.gateway.Close)
	opts, err := w.config.Cluster.Franz()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(w.config.Names.Commands("account")), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	go w.clerk(t, client)
	return w
}

// clerk answers every command but those whose id begins with "silent".
func (w *world) clerk(t *testing.T, client *kgo.Client) {
	codec := w.config.Codecs.Aggregate("account")
	for {
		fetches := client.PollFetches(t.Context())
		if t.Context().Err() != nil || fetches.IsClientClosed() {
			return
		}
		for r := range fetches.RecordsAll() {
			command, err := codec.DecodeCommand(t.Context(), record.Of(r))
			if err != nil {
				t.Errorf("decode the command: %v", err)
				continue
			}
			w.written <- r
			if strings.HasPrefix(command.CommandID, "silent") {
				continue
			}
			at := foldlog.Position{Aggregate: "account", Partition: r.Partition, Offset: r.Offset}
			value, err := codec.EncodeOutcome(foldlog.Outcome{CommandID: command.CommandID, AggregateID: command.AggregateID, CommandType: command.Type,
				Accepted: true, Version: 7, RecordedAt: command.RecordedAt, CorrelationID: command.CorrelationID, Position: at, Actor: command.Actor})
			if err != nil {
				t.Errorf("encode the outcome: %v", err)
				continue
			}
			client.Produce(t.Context(), &kgo.Record{Topic: w.config.Names.Outcomes("account"), Key: r.Key, Value: value,
				Headers: []kgo.RecordHeader{{Key: codecs.HeaderCause, Value: []byte(at.String())}}}, nil)
		}
	}
}

func deposit(id string) gateway.Command {
	return gateway.Command{Aggregate: "account", ID: "a", Name: "deposit", CommandID: id, Body: []byte(`{"amount":1,"currency":"EUR","reference":"r"}`)}
}

func TestSend(t *testing.T) {
	w := newWorld(t)
	outcome, err := w.gateway.Send(t.Context(), deposit("c-1"))
	if err != nil || !outcome.Accepted || outcome.Version != 7 || outcome.CommandID != "c-1" {
		t.Fatalf("%+v, %v", outcome, err)
	}
	headers := func() map[string]string {
		all := map[string]string{}
		for _, h := range (<-w.written).Headers {
			all[h.Key] = string(h.Value)
		}
		return all
	}
	if h := headers(); len(h) != 1 || h["content-type"] != "application/avro" {
		t.Errorf("nobody vouches for this one: %v", h)
	}

	good := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for text, want := range map[string]string{good: good, "": "", "00-xyz": "", strings.ToUpper(good): "", good + "-more": "", "01" + good[2:]: ""} {
		command := deposit("c-" + text)
		command.Traceparent, command.Identity = text, gateway.Anonymous
		if _, err := w.gateway.Send(t.Context(), command); err != nil {
			t.Fatal(err)
		}
		if h := headers(); h["traceparent"] != want || h["foldlog-actor"] != "anonymous" {
			t.Errorf("%q: %v", text, h)
		}
	}

	for name, tc := range map[string]struct {
		change      func(*gateway.Command)
		code, field string
	}{
		"no such aggregate":   {func(c *gateway.Command) { c.Aggregate = "nobody" }, foldlog.CodeNotFound, ""},
		"no such command":     {func(c *gateway.Command) { c.Name = "nonsense" }, foldlog.CodeNotFound, ""},
		"a policy's command":  {func(c *gateway.Command) { c.Name = "debit" }, foldlog.CodeNotFound, ""},
		"aggregate id":        {func(c *gateway.Command) { c.ID = ".." }, foldlog.CodeInvalidField, "aggregate_id"},
		"no command id":       {func(c *gateway.Command) { c.CommandID = "" }, foldlog.CodeInvalidField, "command_id"},
		"correlation id":      {func(c *gateway.Command) { c.CorrelationID = "a b" }, foldlog.CodeInvalidField, "correlation_id"},
		"expected version":    {func(c *gateway.Command) { c.ExpectedVersion = new(int64(-1)) }, foldlog.CodeInvalidField, "expected_version"},
		"too large":           {func(c *gateway.Command) { c.Body = make([]byte, topology.MaxCommandBytes+1) }, foldlog.CodeTooLarge, ""},
		"not UTF-8":           {func(c *gateway.Command) { c.Body = []byte("{\"reference\":\"\xff\"}") }, foldlog.CodeMalformed, ""},
		"not JSON":            {func(c *gateway.Command) { c.Body = []byte("{") }, foldlog.CodeMalformed, ""},
		"a field of no kind":  {func(c *gateway.Command) { c.Body = []byte(`{"amount":"1","currency":"EUR","reference":"r"}`) }, foldlog.CodeInvalidField, "amount"},
		"refused by its type": {func(c *gateway.Command) { c.Body = []byte(`{"amount":1,"currency":"euros","reference":"r"}`) }, foldlog.CodeInvalidField, "currency"},
	} {
		command := deposit("bad")
		tc.change(&command)
		_, err := w.gateway.Send(t.Context(), command)
		if r, ok := foldlog.AsRejection(err); !ok || r.Code != tc.code || r.Field != tc.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(w.written) != 0 {
		t.Errorf("%d refused commands are in the log", len(w.written))
	}
}

func TestWaitsEnd(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-w.written
		cancel()
	}()
	// The clerk may see the command before its acknowledgement comes.
	if _, err := w.gateway.Send(ctx, deposit("silent-1")); !errors.Is(err, context.Canceled) ||
		!errors.Is(err, gateway.ErrNoOutcome) && !errors.Is(err, gateway.ErrMayBeWritten) {
		t.Errorf("the caller left: %v", err)
	}
	go func() {
		<-w.written
		w.tail.Close()
	}()
	if _, err := w.gateway.Send(t.Context(), deposit("silent-2")); !errors.Is(err, gateway.ErrNoOutcome) || !strings.Contains(err.Error(), "no outcomes are read") {
		t.Errorf("the tail was closed: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := gateway.Config{Topology: bank.Topology(), Codecs: &codecs.Codecs{}, Cluster: cluster.Config{Brokers: []string{"127.0.0.1:1"}},
		Expect: func(string, string, string) gateway.Expectation { return nil }}
	g, err := gateway.New(good)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	for name, change := range map[string]func(*gateway.Config){
		"no topology": func(c *gateway.Config) { c.Topology = nil },
		"no codecs":   func(c *gateway.Config) { c.Codecs = nil },
		"no outcomes": func(c *gateway.Config) { c.Expect = nil },
		"no brokers":  func(c *gateway.Config) { c.Cluster.Brokers = nil },
		"hasty":       func(c *gateway.Config) { c.Patience = time.Second },
	} {
		c := good
		change(&c)
		if other, err := gateway.New(c); err == nil {
			t.Errorf("%s: accepted", name)
			other.Close()
		}
	}
}
