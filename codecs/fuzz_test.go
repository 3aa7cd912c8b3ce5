package codecs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"unicode/utf8"

	hamba "github.com/hamba/avro/v2"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/schemas"
)

// Whatever the bytes are, a command is decoded, answered or undecodable; and what is decoded can be
// encoded and means the same again.
func FuzzDecodeCommand(f *testing.F) {
	w := newWorld(f)
	add := func(key string, value []byte) {
		f.Add([]byte(key), value, "")
		f.Add([]byte(key), value, ContentTypeJSON)
		f.Add([]byte(""), value, ContentTypeAvro)
	}
	add("l1", w.encode(f, foldlog.Command[any]{Meta: foldlog.Meta{AggregateID: "l1", CommandID: "c"}, Data: fullSetUp()}))
	add("l1", w.encode(f, foldlog.Command[any]{Data: switchOff{Reason: "r"}, ExpectedVersion: ptr(int64(1))}))
	add("l1", []byte(`{"type":"set-up","command_id":"c1","aggregate_id":"l1","expected_version":3,"actor":"ann","data":`+fullJSON+`}`))
	add("", []byte(`{"type":"switch-off","aggregate_id":"l1","data":{"reason":"\ud83d\ude00"}}`))
	add("l1", []byte(`{"type":"switch-off","data":{"reason":1,"reason":2},"data":{}}`))
	add("__x", []byte(`[{}]`))
	add("l1", nil)
	f.Fuzz(func(t *testing.T, key, value []byte, contentType string) {
		rec := Record{Topic: "lamp.commands", Key: key, Value: value}
		if contentType != "" {
			rec.Headers = []Header{{Key: HeaderContentType, Value: []byte(contentType)}}
		}
		cmd, err := w.lamp.DecodeCommand(context.Background(), rec)
		if err != nil {
			if !isUndecodable(err) || errors.Is(err, schemas.ErrUnavailable) {
				t.Fatalf("neither a command nor undecodable: %v", err)
			}
			return
		}
		if foldlog.CheckAggregateID(cmd.AggregateID) != nil || foldlog.CheckCommandID(cmd.CommandID) != nil || foldlog.CheckCommandID(cmd.CorrelationID) != nil ||
			cmd.Actor == "" || !utf8.ValidString(cmd.Type) || len(cmd.PayloadHash) != 32 {
			t.Fatalf("not complete: %+v", cmd)
		}
		if cmd.Problem != nil {
			if cmd.Data != nil || cmd.Problem.Code == "" || !utf8.ValidString(cmd.Problem.Message) || !utf8.ValidString(cmd.Problem.Field) {
				t.Fatalf("a problem that cannot be answered: %+v", cmd)
			}
			return
		}
		again, err := w.lamp.EncodeCommand(cmd.Command)
		if err != nil {
			t.Fatalf("decoded, but cannot be encoded: %v", err)
		}
		back, err := w.lamp.DecodeCommand(context.Background(), Record{Topic: "lamp.commands", Key: []byte(cmd.AggregateID), Value: again})
		if err != nil || back.Problem != nil || !bytes.Equal(back.PayloadHash, cmd.PayloadHash) || !reflect.DeepEqual(back.Data, cmd.Data) {
			t.Fatalf("decoded %+v, encoded and decoded again %+v, %v", cmd, back, err)
		}
	})
}

// Whatever the bytes are, an event is decoded or undecodable; and what is decoded can be encoded,
// and said in JSON.
func FuzzDecodeEvent(f *testing.F) {
	w := newWorld(f)
	f.Add(w.event(f, fullEvent()))
	e := fullEvent()
	e.Type, e.Data, e.CausationID = "SwitchedOff", switchedOff{Reason: "r"}, ""
	f.Add(w.event(f, e))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		e, err := w.lamp.DecodeEvent(context.Background(), value)
		if err != nil {
			if !isUndecodable(err) {
				t.Fatalf("neither an event nor undecodable: %v", err)
			}
			return
		}
		again, err := w.lamp.EncodeEvent(e)
		if err != nil {
			t.Fatalf("decoded, but cannot be encoded: %v", err)
		}
		back, err := w.lamp.DecodeEvent(context.Background(), again)
		if err != nil || !reflect.DeepEqual(back, e) {
			t.Fatalf("decoded %+v, encoded and decoded again %+v, %v", e, back, err)
		}
		if text, err := json.Marshal(e); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	})
}

// JSON that is accepted means the same in JSON, in Avro, and in the Go value; and only sound JSON
// is accepted.
func FuzzJSONWalk(f *testing.F) {
	w := newWorld(f)
	f.Add([]byte(fullJSON))
	f.Add([]byte(`{"label":"\ud83d\ude00","level":0,"amount":-0,"ratio":-0.0,"share":1e-45,"on":false,"blob":"","mode":"dim"}`))
	f.Add([]byte(`{"label":"x","level":0,"amount":0,"ratio":1E+2,"share":0,"on":false,"blob":"","mode":"dim","limits":{"\u0000":1},"parts":[{"name":"\\"}]}`))
	f.Add([]byte(`{"label":"x","label":"y"}`))
	f.Add([]byte(" [ ] "))
	f.Fuzz(func(t *testing.T, body []byte) {
		data, rejection := w.fromJSON(t, "set-up", body)
		if rejection != nil {
			if rejection.Code == foldlog.CodeMalformed && json.Valid(body) && utf8.Valid(body) && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
				t.Fatalf("sound JSON was called malformed: %v", rejection)
			}
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatal("unsound JSON was accepted")
		}
		// The standard library reads the same value from the same text; dates are the one form that
		// it does not know.
		var std struct {
			setUp
			Day any `json:"day"`
		}
		d := json.NewDecoder(bytes.NewReader(body))
		if err := d.Decode(&std); err != nil {
			t.Fatalf("accepted, but the standard library says: %v", err)
		}
		got := data.(setUp)
		want := std.setUp
		want.Day, want.At = got.Day, got.At
		if !std.At.IsZero() && !std.At.Equal(got.At) {
			t.Fatalf("at is %s, want %s", got.At, std.At)
		}
		if !reflect.DeepEqual(emptied(got), emptied(want)) {
			t.Fatalf("got %+v, the standard library %+v", got, want)
		}
		// In JSON again it is accepted again, and the same.
		text, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		back, rejection := w.fromJSON(t, "set-up", text)
		if rejection != nil || !reflect.DeepEqual(back, data) {
			t.Fatalf("%s: %+v, %v", text, back, rejection)
		}
	})
}

// emptied makes nil and empty the same.
func emptied(s setUp) setUp {
	if len(s.Tags) == 0 {
		s.Tags = nil
	}
	if len(s.Limits) == 0 {
		s.Limits = nil
	}
	if len(s.Parts) == 0 {
		s.Parts = nil
	}
	if len(s.Blob) == 0 {
		s.Blob = nil
	}
	return s
}

// Whatever schema a value was written with and whatever its bytes are, reading it ends.
func FuzzWriterSchema(f *testing.F) {
	w := newWorld(f)
	events := w.lamp.events
	f.Add(w.lamp.events.latest.Schema.Text, w.event(f, fullEvent())[5:])
	f.Add(`{"type":"record","name":"LampEvent","fields":[{"name":"version","type":["null","LampEvent"]}]}`, []byte{2, 2, 2})
	f.Add(`{"type":"record","name":"LampEvent","fields":[{"name":"x","type":{"type":"array","items":{"type":"fixed","name":"F","size":0}}}]}`, []byte{200, 200, 200, 1})
	f.Fuzz(func(t *testing.T, schema string, body []byte) {
		writer := events.newWriter(schema)
		if writer.err != nil {
			return
		}
		e, err := writer.plan.Open(body)
		if err != nil {
			return
		}
		defer e.Release()
		if e.Fault() == nil {
			// It is canonical: reading it as the reader's own gives the same bytes, and the library
			// reads them.
			canonical := bytes.Clone(e.Joined())
			again, err := events.newWriter(events.latest.Schema.Text).plan.Append(nil, canonical)
			if err != nil || !bytes.Equal(again, canonical) {
				t.Fatalf("not canonical: %x, %v", canonical, err)
			}
			var value any
			parsed, err := hamba.ParseWithCache(w.lamp.events.latest.Schema.Text, "", &hamba.SchemaCache{})
			if err != nil {
				t.Fatal(err)
			}
			if err := (hamba.Config{MaxSliceAllocSize: 1 << 20}).Freeze().Unmarshal(parsed, canonical, &value); err != nil {
				t.Fatalf("the library cannot read %x: %v", canonical, err)
			}
		}
	})
}
