package codecs

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// The test's domain: a desk, whose one field had three forms. v1: name. v2: name and floor. v3: a
// renamed split of the name, with the name still written for those who know it.

type deskV1 struct {
	Name string `json:"name"`
}

type deskV2 struct {
	Name  string `json:"name"`
	Floor int64  `json:"floor"`
}

type desk struct {
	First string `json:"first"`
	Last  string `json:"last"`
	Floor int64  `json:"floor"`
}

type (
	place1  deskV1
	place2  deskV2
	place3  desk // the command
	placed1 deskV1
	placed2 deskV2
	placed3 desk // the event
)

// ground is the floor of a desk whose floor nobody said. The upcast and the default in the schema
// agree: JSON of the first form is JSON of the second, too, and must not mean two things.
const ground = 0

func upV1(d deskV1) deskV2 {
	if d.Name == "panic" {
		panic("planted")
	}
	return deskV2{Name: d.Name, Floor: ground}
}

func upV2(d deskV2) desk {
	first, last, _ := strings.Cut(d.Name, " ")
	return desk{First: first, Last: last, Floor: d.Floor}
}

// deskTopology returns the domain as the release with that many versions has it.
func deskTopology(release int) *topology.Topology {
	commands, events := topology.Commands(topology.Command[place1]("place")), topology.Events(topology.Event[placed1]("Placed"))
	var aggregate *topology.AggregateSpec
	row := topology.Projection("desks", "desk", foldlog.Projection[deskV1, any]{})
	switch release {
	case 1:
		aggregate = topology.Aggregate("desk", foldlog.Decider[deskV1, any, any]{}, commands, events)
	case 3:
		one, two := topology.Upcast(1, upV1), topology.Upcast(2, upV2)
		aggregate = topology.Aggregate("desk", foldlog.Decider[desk, any, any]{},
			topology.Commands(topology.Command[place3]("place", topology.Upcast(1, func(d place1) place2 { return place2(upV1(deskV1(d))) }),
				topology.Upcast(2, func(d place2) place3 { return place3(upV2(deskV2(d))) }))),
			topology.Events(topology.Event[placed3]("Placed", topology.Upcast(1, func(d placed1) placed2 { return placed2(upV1(deskV1(d))) }),
				topology.Upcast(2, func(d placed2) placed3 { return placed3(upV2(deskV2(d))) })))).UpcastState(one, two)
		row = topology.Projection("desks", "desk", foldlog.Projection[desk, any]{}).UpcastRow(one, two)
	}
	return topology.New("desks", aggregate, row)
}

var deskForms = []string{
	`{"name":"name","type":"string"}`,
	`{"name":"name","type":"string"},{"name":"floor","type":"long","default":0}`,
	`{"name":"name","type":"string","default":"","copyOf":"first"},{"name":"first","type":"string","default":""},{"name":"last","type":"string","default":""},` +
		`{"name":"floor","type":"long","default":0}`,
}

func deskFiles(versions int) fstest.MapFS {
	files := fstest.MapFS{}
	envelope := func(fields [][2]string) (text string) {
		for _, f := range fields {
			typ := `"` + f[1] + `"`
			if base, nullable := strings.CutPrefix(f[1], "?"); nullable {
				typ = `["null","` + base + `"],"default":null`
			} else if f[1] == avro.TimestampMicros {
				typ = `{"type":"long","logicalType":"timestamp-micros"}`
			}
			text += `{"name":"` + f[0] + `","type":` + typ + `},`
		}
		return text
	}
	commands := envelope([][2]string{{"command_id", "?string"}, {"type", "string"}, {"aggregate_id", "?string"}, {"expected_version", "?long"},
		{"correlation_id", "?string"}, {"causation_id", "?string"}, {"actor", "?string"}})
	events := envelope([][2]string{{"event_id", "string"}, {"event_type", "string"}, {"aggregate_id", "string"}, {"version", "long"},
		{"recorded_at", avro.TimestampMicros}, {"command_id", "string"}, {"correlation_id", "string"}, {"causation_id", "?string"}, {"actor", "string"}})
	states := envelope([][2]string{{"version", "long"}, {"recorded_at", avro.TimestampMicros}, {"chain", "bytes"}})
	record := func(name, fields string) string {
		return `{"type":"record","name":"` + name + `","fields":[` + fields + `]}`
	}
	for i, form := range deskForms[:versions] {
		version := "v" + string(rune('1'+i)) + ".avsc"
		files["desk.commands/"+version] = &fstest.MapFile{Data: []byte(record("DeskCommand", commands+`{"name":"data","type":[`+record("Place", form)+`]}`))}
		files["desk.events/"+version] = &fstest.MapFile{Data: []byte(record("DeskEvent", events+`{"name":"data","type":[`+record("Placed", form)+`]}`))}
		files["desk-table/"+version] = &fstest.MapFile{Data: []byte(record("DeskState", states+`{"name":"state","type":`+record("Desk", form)+`}`))}
		files["desks-table/"+version] = &fstest.MapFile{Data: []byte(record("DesksRow", form))}
	}
	return files
}

// release is one release of the domain on a registry.
type release struct {
	*Codecs
	set *schemas.Set
}

func (r release) desk() *Aggregate { return r.Aggregate("desk") }

func newRelease(t testing.TB, fake *srfake.Registry, versions int) release {
	t.Helper()
	set, err := schemas.Load(deskFiles(versions), deskTopology(versions))
	if err != nil {
		t.Fatal(err)
	}
	registry := schemas.New(schemas.Config{URL: fake.URL()}, testLogger())
	codecs, err := New(context.Background(), deskTopology(versions), topology.Names{}, set, registry, testLogger())
	if err != nil {
		t.Fatal(err)
	}
	return release{codecs, set}
}

func deskWorld(t testing.TB) (first, third release, fake *srfake.Registry) {
	t.Helper()
	fake = srfake.New()
	t.Cleanup(fake.Close)
	return newRelease(t, fake, 1), newRelease(t, fake, 3), fake
}

func eventOf(data any) foldlog.Event[any] {
	return foldlog.Event[any]{Meta: foldlog.Meta{AggregateID: "d", CommandID: "c", CorrelationID: "c", Actor: "a", RecordedAt: goldenTime}, EventID: "e", Type: "Placed",
		Version: 1, Data: data}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestOldFormsPassThroughTheirUpcasts(t *testing.T) {
	first, third, _ := deskWorld(t)
	ctx := context.Background()
	want := desk{First: "Ann", Last: "Lee", Floor: ground}
	value := must[[]byte](t)(first.desk().EncodeEvent(eventOf(placed1{Name: "Ann Lee"})))
	event := must[foldlog.Event[any]](t)(third.desk().DecodeEvent(ctx, value))
	if event.Data != placed3(want) {
		t.Errorf("the event is %+v", event.Data)
	}
	value = must[[]byte](t)(first.desk().EncodeState(State{Version: 1, RecordedAt: goldenTime, Data: deskV1{Name: "Ann Lee"}}))
	state := must[State](t)(third.desk().DecodeState(ctx, value))
	if state.Data != want {
		t.Errorf("the state is %+v", state.Data)
	}
	value = must[[]byte](t)(first.Projection("desks").EncodeRow(deskV1{Name: "Ann Lee"}))
	if row := must[any](t)(third.Projection("desks").DecodeRow(ctx, value)); row != want {
		t.Errorf("the row is %+v", row)
	}
	// The second form starts in the middle of the chain, and Avro's own default for floor is no
	// upcast's business.
	second := third.desk().events.readings[1].slots[0]
	body := second.binding.Complete.Convert(avro.AppendLong(avro.AppendString(nil, "Ann Lee"), 7))
	if got := must[any](t)(second.decode(body)); got != placed3(desk{First: "Ann", Last: "Lee", Floor: 7}) {
		t.Errorf("the second form is read as %+v", got)
	}
}

// Old readers find a retired field as they know it, and nothing else of the new form.
func TestARetiredFieldIsStillWritten(t *testing.T) {
	first, third, _ := deskWorld(t)
	ctx := context.Background()
	value := must[[]byte](t)(third.desk().EncodeEvent(eventOf(placed3{First: "Ann", Last: "Lee", Floor: 2})))
	if event := must[foldlog.Event[any]](t)(first.desk().DecodeEvent(ctx, value)); event.Data != (placed1{Name: "Ann"}) {
		t.Errorf("the first release reads %+v", event.Data)
	}
	if event := must[foldlog.Event[any]](t)(third.desk().DecodeEvent(ctx, value)); event.Data != (placed3{First: "Ann", Last: "Lee", Floor: 2}) {
		t.Errorf("the third release reads %+v", event.Data)
	}
	value = must[[]byte](t)(third.Projection("desks").EncodeRow(desk{First: "Ann", Last: "Lee"}))
	if row := must[any](t)(first.Projection("desks").DecodeRow(ctx, value)); row != (deskV1{Name: "Ann"}) {
		t.Errorf("the first release reads the row %+v", row)
	}
}

// History is not touched: the chain is over the bytes as they were written.
func TestTheChainDoesNotKnowOfUpcasts(t *testing.T) {
	first, third, _ := deskWorld(t)
	value := must[[]byte](t)(first.desk().EncodeEvent(eventOf(placed1{Name: "Ann Lee"})))
	before := must[[32]byte](t)(first.desk().Chain(context.Background(), [32]byte{1}, value))
	if after := must[[32]byte](t)(third.desk().Chain(context.Background(), [32]byte{1}, value)); after != before {
		t.Errorf("the link was %x, and is %x", before, after)
	}
}

func TestAPanickingUpcastIsThatRecordsAlone(t *testing.T) {
	first, third, _ := deskWorld(t)
	value := must[[]byte](t)(first.desk().EncodeEvent(eventOf(placed1{Name: "panic"})))
	_, err := third.desk().DecodeEvent(context.Background(), value)
	if !isUndecodable(err) || !strings.Contains(err.Error(), "the upcast from codecs.placed1 panicked: planted") {
		t.Errorf("got %v", err)
	}
	command := must[[]byte](t)(first.desk().EncodeCommand(foldlog.Command[any]{Data: place1{Name: "panic"}}))
	if _, err := third.desk().DecodeCommand(context.Background(), Record{Key: []byte("d"), Value: command}); !isUndecodable(err) {
		t.Errorf("got %v", err)
	}
}

// A command that is sent again is the same one, whatever form its sender writes and whatever
// release answers.
func TestTheSameCommandInEveryForm(t *testing.T) {
	first, third, _ := deskWorld(t)
	decode := func(r release, value []byte) Command {
		t.Helper()
		cmd := must[Command](t)(r.desk().DecodeCommand(context.Background(), Record{Topic: "desk.commands", Key: []byte("d"), Value: value}))
		if cmd.Problem != nil {
			t.Fatalf("%s: %v", value, cmd.Problem)
		}
		return cmd
	}
	asJSON := func(fields string) []byte { return []byte(`{"type":"place","command_id":"c","data":` + fields + `}`) }
	old := must[[]byte](t)(first.desk().EncodeCommand(foldlog.Command[any]{Data: place1{Name: "Ann"}}))
	answered := decode(first, old)
	for name, cmd := range map[string]Command{
		"Avro, old form, new release":           decode(third, old),
		"JSON, old form, old release":           decode(first, asJSON(`{"name":"Ann"}`)),
		"JSON, old form, new release":           decode(third, asJSON(`{"name":"Ann"}`)),
		"JSON, new form, what the old means":    decode(third, asJSON(`{"first":"Ann","floor":0}`)),
		"Avro, new form, old release":           decode(first, must[[]byte](t)(third.desk().EncodeCommand(foldlog.Command[any]{Data: place3{First: "Ann", Floor: ground}}))),
		"Avro, new form, what the old means":    decode(third, must[[]byte](t)(third.desk().EncodeCommand(foldlog.Command[any]{Data: place3{First: "Ann", Floor: ground}}))),
		"JSON, second form, which is v1's, too": decode(third, asJSON(`{"name":"Ann","floor":0}`)),
	} {
		if !bytes.Equal(cmd.PayloadHash, answered.PayloadHash) {
			t.Errorf("%s: another hash", name)
		}
	}
	hashes := map[string]string{string(answered.PayloadHash): "Ann"}
	for _, other := range []string{`{"first":"Ann","floor":1}`, `{"first":"Ann","last":"Lee"}`, `{"name":"Ann","floor":5}`, `{"name":"Bob"}`} {
		cmd := decode(third, asJSON(other))
		if twin, taken := hashes[string(cmd.PayloadHash)]; taken {
			t.Errorf("%s has the hash of %s", other, twin)
		}
		hashes[string(cmd.PayloadHash)] = other
	}
	got := decode(third, asJSON(`{"name":"Ann Lee"}`))
	if got.Data != (place3{First: "Ann", Last: "Lee", Floor: ground}) {
		t.Errorf("the old form in JSON is %+v", got.Data)
	}
	mixed := must[Command](t)(third.desk().DecodeCommand(context.Background(), Record{Key: []byte("d"), Value: asJSON(`{"name":"Ann","first":"Ann"}`)}))
	if mixed.Problem == nil || mixed.Problem.Field != "name" {
		t.Errorf("a mixture of forms: %+v", mixed.Problem)
	}
}

// A producer's own schema is read as the version that it is most like.
func TestAForeignSchemaIsReadAsTheVersionThatItIsLike(t *testing.T) {
	_, third, fake := deskWorld(t)
	w := &world{fake: fake, registry: schemas.New(schemas.Config{URL: fake.URL()}, testLogger())}
	for fields, c := range map[string]struct {
		body []byte
		want place3
	}{
		`{"name":"name","type":"string"}`:                                                                  {avro.AppendString(nil, "Ann Lee"), place3{First: "Ann", Last: "Lee", Floor: ground}},
		`{"name":"floor","type":"int"},{"name":"name","type":"string"}`:                                    {avro.AppendString(avro.AppendLong(nil, 4), "Ann Lee"), place3{First: "Ann", Last: "Lee", Floor: 4}},
		`{"name":"first","type":"string"}`:                                                                 {avro.AppendString(nil, "Ann"), place3{First: "Ann"}},
		`{"name":"first","type":"string"},{"name":"last","type":"string"},{"name":"more","type":"string"}`: {avro.AppendString(avro.AppendString(avro.AppendString(nil, "Ann"), "Lee"), "x"), place3{First: "Ann", Last: "Lee"}},
	} {
		prefix := w.register(t, `{"type":"record","name":"DeskCommand","namespace":"theirs","fields":[{"name":"type","type":"string"},{"name":"data","type":[`+
			`{"type":"record","name":"Place","fields":[`+fields+`]}]}]}`)
		value := append(append(prefix[:5:5], avro.AppendString(nil, "place")...), append([]byte{0}, c.body...)...)
		cmd, err := third.desk().DecodeCommand(context.Background(), Record{Topic: "desk.commands", Key: []byte("d"), Value: value})
		if err != nil || cmd.Data != c.want {
			t.Errorf("%s: %+v, %v", fields, cmd.Data, err)
		}
	}
}

// A program does not start if the registry has a version that it could not read.
func TestStartIsRefusedWhereANewerVersionCannotBeRead(t *testing.T) {
	file := func(name, old, new string) string {
		text := string(deskFiles(3)[name].Data)
		if !strings.Contains(text, old) {
			t.Fatalf("%s is not in %s", old, name)
		}
		return strings.Replace(text, old, new, 1)
	}
	const data = `"name":"data","type":[`
	for name, c := range map[string]struct {
		subject, text string
		want          string // "" starts
	}{
		"a branch more": {"desk.events-value", file("desk.events/v3.avsc", data, data+`{"type":"record","name":"Moved","fields":[]},`),
			"it holds record Moved, which is unknown here"},
		"a field more":                {"desk.events-value", file("desk.events/v3.avsc", deskForms[2], deskForms[2]+`,{"name":"x","type":"int","default":0}`), ""},
		"a row of another kind":       {"desks-table-value", `{"type":"record","name":"Other","fields":[]}`, "cannot be read as"},
		"a command of its own":        {"desk.commands-value", file("desk.commands/v3.avsc", data, data+`{"type":"record","name":"Burn","fields":[]},`), ""},
		"the first release's version": {"desk.events-value", deskForms[0], ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, fake := deskWorld(t)
			if name != "the first release's version" {
				registry := schemas.New(schemas.Config{URL: fake.URL()}, testLogger())
				if _, err := registry.Register(context.Background(), c.subject, c.text); err != nil {
					t.Fatal(err)
				}
			}
			set, err := schemas.Load(deskFiles(3), deskTopology(3))
			if err != nil {
				t.Fatal(err)
			}
			_, err = New(context.Background(), deskTopology(3), topology.Names{}, set, schemas.New(schemas.Config{URL: fake.URL()}, testLogger()), testLogger())
			switch {
			case c.want == "" && err != nil:
				t.Errorf("it did not start: %v", err)
			case c.want != "" && (!errors.Is(err, ErrNewerSchema) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "subject "+c.subject+" has version 4 (schema id")):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// An upcast is until a version after which the form is another one, and its Go type fits that
// version.
func TestUpcastsThatFitNoVersionAreRefused(t *testing.T) {
	fake := srfake.New()
	t.Cleanup(fake.Close)
	set := must[*schemas.Set](t)(schemas.Load(deskFiles(3), deskTopology(3)))
	for want, row := range map[string]topology.UpcastSpec{
		"is until version 3 of desks-table, so version 4 must exist": topology.Upcast(3, upV2),
		"is until version 0 of desks-table":                          topology.Upcast(0, upV2),
		"until version 1: codecs.deskV2.Floor is not in the Avro":    topology.Upcast(1, upV2),
	} {
		top := deskTopology(3)
		top.Projections[0] = top.Projections[0].UpcastRow(row)
		_, err := New(context.Background(), top, topology.Names{}, set, schemas.New(schemas.Config{URL: fake.URL()}, testLogger()), testLogger())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A producer that takes the newest schema from the registry and fills the field that it knows says
// what it always said.
func TestRetiredFieldsOfCommands(t *testing.T) {
	first, third, _ := deskWorld(t)
	decode := func(r release, value []byte) Command {
		t.Helper()
		return must[Command](t)(r.desk().DecodeCommand(context.Background(), Record{Topic: "desk.commands", Key: []byte("d"), Value: value}))
	}
	write := func(name, firstName, last string, floor int64) []byte {
		value := must[[]byte](t)(third.desk().EncodeCommand(foldlog.Command[any]{Data: place3{First: "Ann", Last: "Lee", Floor: 2}}))
		body := avro.AppendLong(avro.AppendString(avro.AppendString(avro.AppendString(nil, "Ann"), "Ann"), "Lee"), 2)
		if !bytes.HasSuffix(value, body) {
			t.Fatalf("%x does not end with %x", value, body)
		}
		return append(value[:len(value)-len(body)], avro.AppendLong(avro.AppendString(avro.AppendString(avro.AppendString(nil, name), firstName), last), floor)...)
	}
	old := decode(first, must[[]byte](t)(first.desk().EncodeCommand(foldlog.Command[any]{Data: place1{Name: "Ann Lee"}})))
	got := decode(third, write("Ann Lee", "", "", 0))
	if got.Data != (place3{First: "Ann", Last: "Lee", Floor: ground}) || !bytes.Equal(got.PayloadHash, old.PayloadHash) {
		t.Errorf("the retired field alone: %+v", got)
	}
	if got := decode(third, write("", "Ann", "Lee", 1)); got.Data != (place3{First: "Ann", Last: "Lee", Floor: 1}) {
		t.Errorf("the new fields alone: %+v", got)
	}
	if got := decode(third, write("Ann", "Ann", "Lee", 1)); got.Data != (place3{First: "Ann", Last: "Lee", Floor: 1}) {
		t.Errorf("both: %+v", got)
	}
	if got := decode(third, write("Bob", "Ann", "Lee", 1)); got.Problem == nil || got.Problem.Field != "name" || got.Problem.Code != foldlog.CodeInvalidField {
		t.Errorf("a copy that is none: %+v", got)
	}
}
