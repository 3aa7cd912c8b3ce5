package bankv1_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/proof/bankv1"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// reader reads the golden log as a program does.
type reader struct {
	t *testing.T
	*codecs.Codecs
	top *topology.Topology
	ids map[string]int // of what records were written with, such as "account.events/1"
}

func newReader(t *testing.T, registry *schemas.Registry, app cli.App) reader {
	t.Helper()
	set, err := schemas.Load(app.Schemas, app.Topology)
	if err != nil {
		t.Fatal(err)
	}
	c, err := codecs.New(t.Context(), app.Topology, topology.Names{}, set, registry, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := reader{t: t, Codecs: c, top: app.Topology, ids: map[string]int{}}
	for _, topic := range set.Topics() {
		id, err := registry.Register(t.Context(), topology.Subject(topic), set.Versions(topic)[0].Schema.Compact())
		if err != nil {
			t.Fatal(err)
		}
		r.ids[topic+"/1"] = id
	}
	return r
}

// value returns a record's value with the prefix of this registry.
func (r reader) value(l logged) []byte {
	r.t.Helper()
	if l.Schema == "" {
		return l.Value
	}
	id, known := r.ids[l.Schema]
	if !known {
		r.t.Fatalf("%s: %s is not published", l.Topic, l.Schema)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), l.Value...)
}

func (r reader) event(aggregate string, l logged) foldlog.Event[any] {
	r.t.Helper()
	e, err := r.Aggregate(aggregate).DecodeEvent(r.t.Context(), r.value(l))
	if err != nil {
		r.t.Fatalf("an event of %s: %v", l.Key, err)
	}
	return e
}

func (r reader) command(aggregate string, l logged) codecs.Command {
	r.t.Helper()
	in := codecs.Record{Topic: l.Topic, Key: []byte(l.Key), Value: r.value(l), Timestamp: l.Time}
	for name, value := range l.Headers {
		in.Headers = append(in.Headers, codecs.Header{Key: name, Value: value})
	}
	c, err := r.Aggregate(aggregate).DecodeCommand(r.t.Context(), in)
	if err != nil {
		r.t.Fatalf("a command to %s: %v", l.Key, err)
	}
	return c
}

// fields returns a value as JSON shows it.
func fields(t *testing.T, value any) map[string]any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// sayTheSame reports how what the two programs read of one value differs beyond the two changes.
func sayTheSame(t *testing.T, old, now any) {
	t.Helper()
	was, is := fields(t, old), fields(t, now)
	if holder, has := was["holder"]; has {
		if is["holder_id"] != holder || is["holder_name"] != holder {
			t.Errorf("the holder was %v: %v", holder, is)
		}
		delete(was, "holder")
		delete(is, "holder_id")
		delete(is, "holder_name")
	}
	if channel, has := is["channel"]; has && channel != "unknown" {
		t.Errorf("the channel is %v", channel)
	}
	delete(is, "channel")
	if !reflect.DeepEqual(was, is) {
		t.Errorf("was %v, is %v", was, is)
	}
}

// What yesterday's program wrote is read by today's: every event, command, outcome, state and row,
// and they still belong together.
func TestTheOldLogIsRead(t *testing.T) {
	log := readGoldenLog(t)
	fake := srfake.New()
	defer fake.Close()
	registry := schemas.New(schemas.Config{URL: fake.URL()}, slog.New(slog.DiscardHandler))
	old, now := newReader(t, registry, bankv1.App()), newReader(t, registry, bankapp.App())

	kinds := map[string]bool{}
	rows := map[string]map[string]any{}
	for _, a := range now.top.Aggregates {
		states, chains := map[string]any{}, map[string][32]byte{}
		versions := map[string]int64{}
		for _, l := range log[a.Name+".events"] {
			was, is := old.event(a.Name, l), now.event(a.Name, l)
			sayTheSame(t, was.Data, is.Data)
			kinds[is.Type] = true
			id := is.AggregateID
			if versions[id]++; is.Version != versions[id] {
				t.Errorf("%s: version %d follows %d", id, is.Version, versions[id]-1)
			}
			chain, err := now.Aggregate(a.Name).Chain(t.Context(), chains[id], now.value(l))
			if err != nil || !bytes.Equal(chain[:], l.Headers[codecs.HeaderChain]) {
				t.Errorf("%s version %d: the chain is broken: %v", id, is.Version, err)
			}
			chains[id] = chain
			if states[id] == nil {
				states[id] = a.Decider.Initial()
			}
			states[id] = a.Decider.Evolve(states[id], is)
			for _, p := range now.top.Projections {
				if p.Source != a.Name || old.top.Projection(p.Name) == nil {
					continue
				}
				if rows[p.Name] == nil {
					rows[p.Name] = map[string]any{}
				}
				if key := rowKey(p, is); key != "" {
					rows[p.Name][key] = p.Projection.Project(rows[p.Name][key], is)
				}
			}
		}
		found := map[string]codecs.State{}
		for _, l := range log[a.Name+"-table"] {
			if strings.HasPrefix(l.Key, topology.ProgressPrefix) {
				continue
			}
			s, err := now.Aggregate(a.Name).DecodeState(t.Context(), now.value(l))
			if err != nil {
				t.Fatal(err)
			}
			found[l.Key] = s
		}
		for id, want := range states {
			if have := found[id]; have.Data != want || have.Chain != chains[id] || have.Version != versions[id] {
				t.Errorf("%s %s: the state is %+v, its events lead to %+v", a.Name, id, have, want)
			}
		}
		checkAnswers(t, log, old, now, a.Name)
	}
	for _, e := range old.top.Aggregate(bank.AccountAggregate).Events {
		if !kinds[e.Name] {
			t.Errorf("the log has no %s: it proves nothing about it", e.Name)
		}
	}
	for _, p := range now.top.Projections {
		found := map[string]any{}
		for _, l := range log[p.Name+"-table"] {
			if strings.HasPrefix(l.Key, topology.ProgressPrefix) {
				continue
			}
			row, err := now.Projection(p.Name).DecodeRow(t.Context(), now.value(l))
			if err != nil {
				t.Fatal(err)
			}
			found[l.Key] = row
		}
		for key, want := range rows[p.Name] {
			if !reflect.DeepEqual(found[key], want) {
				t.Errorf("%s %s: the row is %+v, the events lead to %+v", p.Name, key, found[key], want)
			}
		}
	}
}

func rowKey(p *topology.ProjectionSpec, e foldlog.Event[any]) string {
	if !p.Rekeyed() {
		return e.AggregateID
	}
	return p.Projection.Key(e)
}

// checkAnswers checks that a command that is sent again is recognised: its hash is the one in the
// outcome that yesterday's program wrote.
func checkAnswers(t *testing.T, log map[string][]logged, old, now reader, aggregate string) {
	t.Helper()
	hashes := map[string][]byte{}
	for _, l := range log[aggregate+".outcomes"] {
		o, err := now.Aggregate(aggregate).DecodeOutcome(context.Background(), now.value(l))
		if err != nil {
			t.Fatal(err)
		}
		hashes[o.AggregateID+" "+o.CommandID] = o.PayloadHash
	}
	for _, l := range log[aggregate+".commands"] {
		was, is := old.command(aggregate, l), now.command(aggregate, l)
		name := fmt.Sprintf("%s %s", is.AggregateID, is.CommandID)
		if !bytes.Equal(is.PayloadHash, hashes[name]) || !bytes.Equal(was.PayloadHash, is.PayloadHash) {
			t.Errorf("%s %s: the outcome has the hash %x, it is %x now, and %x for the old program", is.Type, name, hashes[name], is.PayloadHash, was.PayloadHash)
		}
		sayTheSame(t, was.Data, is.Data)
	}
	if len(hashes) == 0 {
		t.Errorf("the log has no outcomes of %s", aggregate)
	}
}
