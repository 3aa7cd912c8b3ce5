package codecs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/internal/avro"
)

// throughGo encodes a command in JSON by way of its Go value: what EncodeJSON must agree with.
func throughGo(a *Aggregate, name string, body []byte, cmd foldlog.Command[any]) ([]byte, error) {
	codec := a.commandOf[name]
	object, err := avro.ScanJSON(body)
	if codec == nil || err != nil || object[0] != '{' {
		return nil, foldlog.Reject("not a command", "")
	}
	canonical, slot, f := codec.readJSON(object)
	if f != nil {
		return nil, foldlog.InvalidField(f.Path, "%s", f.Message)
	}
	if cmd.Data, err = slot.decode(canonical); err != nil {
		return nil, foldlog.Reject(foldlog.CodeInternal, "%v", err)
	}
	if rejection := validate(cmd.Data); rejection != nil {
		return nil, rejection
	}
	return a.EncodeCommand(cmd)
}

// agree fails the test unless both ways lead to the same bytes or to the same refusal.
func agree(t *testing.T, a *Aggregate, name string, body []byte) {
	t.Helper()
	cmd := foldlog.Command[any]{Meta: foldlog.Meta{AggregateID: "l1", CommandID: "c1", CorrelationID: "k1", Actor: "anonymous"}, ExpectedVersion: ptr(int64(7))}
	got, err := a.EncodeJSON(name, body, cmd)
	want, wantErr := throughGo(a, name, body, cmd)
	if rejection, refused := foldlog.AsRejection(wantErr); refused && rejection.Code == "not a command" {
		if r, _ := foldlog.AsRejection(err); r == nil || r.Code != foldlog.CodeMalformed && r.Field != "type" {
			t.Fatalf("%s %s: got %x, %v", name, body, got, err)
		}
		return
	}
	if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
		t.Fatalf("%s %s:\ngot  %x, %v\nwant %x, %v", name, body, got, err, want, wantErr)
	}
}

// bodies are the JSON of every command of an aggregate type with every field set, without each of
// them, and with each wrong.
func bodies(t testing.TB, a *Aggregate, each func(name string, body []byte)) {
	for _, spec := range a.spec.Commands {
		whole, err := json.Marshal(sample(spec.Type))
		if err != nil {
			t.Fatal(err)
		}
		each(spec.Name, whole)
		var fields map[string]any
		if err := json.Unmarshal(whole, &fields); err != nil {
			t.Fatal(err)
		}
		for field, value := range fields {
			for _, other := range []any{nil, "", 0, -1, []any{}, "1993-01-31", "EUR", strings.Repeat("x", 300)} {
				fields[field] = other
				body, _ := json.Marshal(fields)
				each(spec.Name, body)
			}
			delete(fields, field)
			body, _ := json.Marshal(fields)
			each(spec.Name, body)
			fields[field] = value
		}
	}
}

func TestJSONBecomesTheBytesOfItsGoValue(t *testing.T) {
	bank, lamps := newBank(t), newWorld(t)
	first, third, _ := deskWorld(t)
	n := 0
	for _, a := range []*Aggregate{bank.codecs.Aggregate("account"), bank.codecs.Aggregate("transfer"), lamps.lamp, first.desk(), third.desk()} {
		bodies(t, a, func(name string, body []byte) {
			n++
			agree(t, a, name, body)
		})
	}
	for _, body := range []string{`{"name":"Ann Lee"}`, `{"name":"Ann","floor":0}`, `{"first":"Ann"}`, `{"first":"Ann","last":"Lee","floor":3}`, `{"name":"panic"}`, `{"name":"Ann","first":"Ann"}`} {
		agree(t, third.desk(), "place", []byte(body))
	}
	agree(t, lamps.lamp, "set-up", []byte(fullJSON))
	if n < 100 {
		t.Errorf("only %d bodies", n)
	}
}

func FuzzEncodeJSON(f *testing.F) {
	lamps := newWorld(f)
	_, third, _ := deskWorld(f)
	for _, a := range []*Aggregate{lamps.lamp, third.desk()} {
		bodies(f, a, func(name string, body []byte) { f.Add(name, body) })
	}
	f.Add("set-up", []byte(fullJSON))
	f.Add("place", []byte(`{"name":"Ann Lee"}`))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		agree(t, lamps.lamp, name, body)
		agree(t, third.desk(), name, body)
	})
}
