package codecs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

var update = flag.Bool("update", false, "write golden files that do not exist; existing ones are never changed")

// golden is where the wire bytes of every published schema version are kept:
// <topic>/v<N>/<record>.txt with the value's JSON on the first line and the Avro body, without the
// prefix, in hex on the second.
const golden = "testdata/golden"

type bankWorld struct {
	set    *schemas.Set
	codecs *Codecs
}

func newBank(tb testing.TB) *bankWorld {
	tb.Helper()
	fake := srfake.New()
	tb.Cleanup(fake.Close)
	set, err := schemas.Load(bankschemas.Files, bank.Topology())
	if err != nil {
		tb.Fatal(err)
	}
	registry := schemas.New(schemas.Config{URL: fake.URL()}, testLogger())
	codecs, err := New(context.Background(), bank.Topology(), topology.Names{}, set, registry, testLogger())
	if err != nil {
		tb.Fatal(err)
	}
	return &bankWorld{set: set, codecs: codecs}
}

// sample returns a value of the type with every field set, the same one each time.
func sample(typ reflect.Type) any {
	n := int64(0)
	var fill func(v reflect.Value, name string)
	fill = func(v reflect.Value, name string) {
		n++
		switch v.Kind() {
		case reflect.String:
			v.SetString(name + "-" + strconv.FormatInt(n, 10))
		case reflect.Int64, reflect.Int32:
			v.SetInt(n*1000 + 1)
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Float64, reflect.Float32:
			v.SetFloat(float64(n) / 2)
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), name)
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fill(v.Index(0), name)
			fill(v.Index(1), name)
		case reflect.Map:
			v.Set(reflect.MakeMap(v.Type()))
			for _, key := range []string{"b", "a"} {
				item := reflect.New(v.Type().Elem()).Elem()
				fill(item, name)
				v.SetMapIndex(reflect.ValueOf(key), item)
			}
		case reflect.Uint8:
			v.SetUint(uint64(n % 256))
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				v.Set(reflect.ValueOf(goldenTime.Add(time.Duration(n) * time.Microsecond)))
				return
			}
			for i := range v.NumField() {
				fill(v.Field(i), v.Type().Field(i).Name)
			}
		default:
			panic("no sample of " + v.Type().String())
		}
	}
	v := reflect.New(typ).Elem()
	fill(v, typ.Name())
	return v.Interface()
}

var goldenTime = time.Date(2026, 1, 31, 23, 59, 59, 999999000, time.UTC)

// goldenCase is one kind of value: how it is written and read.
type goldenCase struct {
	topic, record string
	value         any
	encode        func() ([]byte, error)
	// decode reads a value that was written with any version, by its topic's own codec.
	decode func(ctx context.Context, value []byte) (any, error)
	of     *topic
	// slot is the record's place in the topic's readings; -1 if it has no Go type of the domain.
	slot int
}

// upcast reports whether a version has the record in a form with another Go type.
func (c goldenCase) upcast(version int) bool {
	return c.slot >= 0 && len(c.of.readings[version-1].slots[c.slot].upcasts) > 0
}

func (b *bankWorld) cases(t *testing.T) []goldenCase {
	names := topology.Names{}
	var cases []goldenCase
	meta := foldlog.Meta{AggregateID: "id-1", CommandID: "command-1", CorrelationID: "correlation-1", CausationID: "cause-1", Actor: "anonymous", RecordedAt: goldenTime}
	for _, a := range bank.Topology().Aggregates {
		codec := b.codecs.Aggregate(a.Name)
		for _, c := range a.Commands {
			command := foldlog.Command[any]{Meta: meta, ExpectedVersion: ptr(int64(7)), Data: sample(c.Type)}
			cases = append(cases, goldenCase{names.Commands(a.Name), c.Name, command.Data,
				func() ([]byte, error) { return codec.EncodeCommand(command) },
				func(ctx context.Context, value []byte) (any, error) {
					got, err := codec.DecodeCommand(ctx, Record{Key: []byte("id-1"), Value: value})
					if err == nil && got.Data == nil { // the sample need not be a sensible command
						return dataOf(t, codec, value)
					}
					return got.Data, err
				}, codec.commands, codec.commandOf[c.Name].branch})
		}
		for _, e := range a.Events {
			event := foldlog.Event[any]{Meta: meta, EventID: "event-1", Type: e.Name, Version: 7, Data: sample(e.Type)}
			cases = append(cases, goldenCase{names.Events(a.Name), e.Name, event,
				func() ([]byte, error) { return codec.EncodeEvent(event) },
				func(ctx context.Context, value []byte) (any, error) { return codec.DecodeEvent(ctx, value) }, codec.events, codec.eventType[e.Type].branch})
		}
		state := State{Version: 7, RecordedAt: goldenTime, Chain: sha256.Sum256([]byte("chain")), Data: sample(a.State)}
		cases = append(cases, goldenCase{names.Table(a.Name), "state", state, func() ([]byte, error) { return codec.EncodeState(state) },
			func(ctx context.Context, value []byte) (any, error) { return codec.DecodeState(ctx, value) }, codec.states, 0})
		outcome := sample(reflect.TypeFor[foldlog.Outcome]()).(foldlog.Outcome)
		outcome.Position.Aggregate = a.Name
		cases = append(cases, goldenCase{names.Outcomes(a.Name), "outcome", outcome, func() ([]byte, error) { return codec.EncodeOutcome(outcome) },
			func(ctx context.Context, value []byte) (any, error) { return codec.DecodeOutcome(ctx, value) }, codec.outcomes, -1})
	}
	for _, p := range bank.Topology().Projections {
		codec, row := b.codecs.Projection(p.Name), sample(p.Row)
		cases = append(cases, goldenCase{names.Table(p.Name), "row", row, func() ([]byte, error) { return codec.EncodeRow(row) },
			func(ctx context.Context, value []byte) (any, error) { return codec.DecodeRow(ctx, value) }, codec.rows, 0})
	}
	return cases
}

// dataOf returns a command's data, be it sensible or not.
func dataOf(t *testing.T, codec *Aggregate, value []byte) (any, error) {
	t.Helper()
	o, err := codec.commands.open(context.Background(), value)
	if err != nil {
		t.Fatal(err)
	}
	defer o.parts.Release()
	r := codec.openAvro(o)
	return r.slot.decode(r.body)
}

// A value that was written once is read for ever, and the encoding of a published version never
// changes.
func TestGoldenWireBytes(t *testing.T) {
	b := newBank(t)
	expected := map[string]bool{}
	for _, c := range b.cases(t) {
		for _, version := range b.set.Versions(c.topic) {
			name := filepath.Join(golden, c.topic, "v"+strconv.Itoa(version.Number), c.record+".txt")
			isLatest := version.Number == b.set.Latest(c.topic).Number
			expected[name] = true
			value, err := c.encode()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			text, err := json.Marshal(c.value)
			if err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(name)
			if errors.Is(err, fs.ErrNotExist) && *update && isLatest {
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				file = append(append(text, '\n'), hex.EncodeToString(value[5:])+"\n"...)
				err = os.WriteFile(name, file, 0o644)
			}
			if errors.Is(err, fs.ErrNotExist) && !isLatest {
				delete(expected, name) // the record came later
				continue
			}
			if err != nil {
				t.Errorf("%v; run the test with -update once to write a new version's file", err)
				continue
			}
			checkGolden(t, name, c, version, isLatest, string(file), value, text)
		}
	}
	strays, err := filepath.Glob(golden + "/*/*/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strays {
		if !expected[name] {
			t.Errorf("%s is of no declared record: what was once written must stay readable", name)
		}
	}
}

func checkGolden(t *testing.T, name string, c goldenCase, version schemas.Version, isLatest bool, file string, value, text []byte) {
	lines := strings.Split(strings.TrimSuffix(file, "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%s has %d lines, not 2", name, len(lines))
	}
	body, err := hex.DecodeString(lines[1])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if isLatest && !bytes.Equal(body, value[5:]) {
		t.Errorf("%s: the encoding has changed\nfile %x\nnow  %x", name, body, value[5:])
	}
	id := 1_000_000 + version.Number // an id of a registry of long ago
	c.of.writers.store(id, c.of.newWriter(version.Schema.Text))
	got, err := c.decode(context.Background(), append(avro.AppendPrefix(nil, id), body...))
	if err != nil {
		t.Errorf("%s cannot be read any more: %v", name, err)
		return
	}
	if isLatest && !reflect.DeepEqual(got, c.value) {
		t.Errorf("%s: read as %+v, want %+v", name, got, c.value)
	}
	if isLatest && lines[0] != string(text) {
		t.Errorf("%s: the JSON has changed\nfile %s\nnow  %s", name, lines[0], text)
	}
	now, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	was := []byte(lines[0])
	// what it became, as JSON, when it was first read in another form
	if c.upcast(version.Number) {
		was = upcastGolden(t, strings.TrimSuffix(name, ".txt")+".upcast.json", now)
	}
	var before, after any
	if json.Unmarshal(was, &before) != nil || json.Unmarshal(now, &after) != nil || !contains(after, before) {
		t.Errorf("%s: something of the value was lost\nfile %s\nnow  %s", name, lines[0], now)
	}
}

// upcastGolden returns the file that says what a value of an old form is today.
func upcastGolden(t *testing.T, name string, now []byte) []byte {
	t.Helper()
	was, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && *update {
		was, err = now, os.WriteFile(name, append(now, '\n'), 0o644)
	}
	if err != nil {
		t.Errorf("%v; run the test with -update once after a form got a Go type of its own", err)
	}
	return was
}

// contains reports whether a JSON value has everything that another has, and possibly more fields.
func contains(all, part any) bool {
	if items, ok := part.([]any); ok {
		have, ok := all.([]any)
		return ok && len(have) == len(items) && !slices.ContainsFunc(items, func(item any) bool {
			return !slices.ContainsFunc(have, func(h any) bool { return contains(h, item) })
		})
	}
	fields, ok := part.(map[string]any)
	if !ok {
		return reflect.DeepEqual(all, part)
	}
	have, ok := all.(map[string]any)
	if !ok {
		return false
	}
	for name, value := range fields {
		if !contains(have[name], value) {
			return false
		}
	}
	return true
}
