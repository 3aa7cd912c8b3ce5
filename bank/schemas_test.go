package bank_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog/bank"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// record is an Avro record as it stands in a schema file.
type record struct {
	Type      string  `json:"type"`
	Name      string  `json:"name"`
	Namespace string  `json:"namespace"`
	Doc       string  `json:"doc"`
	Fields    []field `json:"fields"`
}

type field struct {
	Name    string          `json:"name"`
	Type    json.RawMessage `json:"type"`
	Doc     string          `json:"doc"`
	Default json.RawMessage `json:"default"`
	CopyOf  string          `json:"copyOf"`
}

func parse[T any](t *testing.T, text []byte) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return value
}

// schema returns the newest version of a topic's schema.
func schema(t *testing.T, topic string) record {
	t.Helper()
	files, err := fs.Glob(bankschemas.Files, topic+"/v*.avsc")
	if err != nil || len(files) == 0 {
		t.Fatalf("topic %s has no schema: %v", topic, err)
	}
	text, err := bankschemas.Files.ReadFile(fmt.Sprintf("%s/v%d.avsc", topic, len(files)))
	if err != nil {
		t.Fatal(err)
	}
	return parse[record](t, text)
}

// field returns the field of that name.
func (r record) field(t *testing.T, name string) field {
	t.Helper()
	i := slices.IndexFunc(r.Fields, func(f field) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("record %s has no field %s", r.Name, name)
	}
	return r.Fields[i]
}

// avroType returns the Avro type that a Go field must have, on one line.
func avroType(t *testing.T, typ reflect.Type) string {
	t.Helper()
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return `{"logicalType":"timestamp-micros","type":"long"}`
	case typ.Kind() == reflect.Pointer:
		return `["null",` + avroType(t, typ.Elem()) + `]`
	case typ.Kind() == reflect.Int64:
		return `"long"`
	case typ.Kind() == reflect.String:
		return `"string"`
	case typ.Kind() == reflect.Bool:
		return `"boolean"`
	}
	t.Fatalf("no Avro type is agreed for the Go type %s", typ)
	return ""
}

// compareFields reports every way in which an Avro record and a Go struct do not have the same
// fields in the same order.
func compareFields(t *testing.T, r record, typ reflect.Type) {
	t.Helper()
	if r.Type != "record" {
		t.Errorf("%s is of Avro type %q, want a record", r.Name, r.Type)
	}
	if r.Doc == "" {
		t.Errorf("record %s has no doc", r.Name)
	}
	// retired: no Go type has them
	r.Fields = slices.DeleteFunc(slices.Clone(r.Fields), func(f field) bool { return f.CopyOf != "" })
	if typ.NumField() != len(r.Fields) {
		t.Errorf("%s has %d fields, record %s has %d", typ, typ.NumField(), r.Name, len(r.Fields))
	}
	for i := range min(typ.NumField(), len(r.Fields)) {
		member, f := typ.Field(i), r.Fields[i]
		if tag := member.Tag.Get("json"); tag != f.Name {
			t.Errorf("%s.%s has the tag %q, field %d of record %s is %q", typ, member.Name, tag, i, r.Name, f.Name)
		}
		if f.Doc == "" {
			t.Errorf("field %s of record %s has no doc", f.Name, r.Name)
		}
		if member.Type.Kind() == reflect.Pointer && string(f.Default) != "null" {
			t.Errorf("field %s of record %s is optional and needs the default null, has %q", f.Name, r.Name, f.Default)
		}
		if member.Type.Kind() == reflect.Slice {
			array := parse[struct {
				Type  string `json:"type"`
				Items record `json:"items"`
			}](t, f.Type)
			if array.Type != "array" {
				t.Errorf("field %s of record %s is of type %q, want an array", f.Name, r.Name, array.Type)
			}
			compareFields(t, array.Items, member.Type.Elem())
			continue
		}
		have, err := json.Marshal(parse[any](t, f.Type))
		if want := avroType(t, member.Type); err != nil || string(have) != want {
			t.Errorf("field %s of record %s is of type %s, want %s for the Go type %s", f.Name, r.Name, have, want, member.Type)
		}
	}
}

// compareUnion reports every way in which a union and the declared types differ.
func compareUnion(t *testing.T, union []record, names []string, types []reflect.Type) {
	t.Helper()
	if len(union) != len(names) {
		t.Fatalf("the union has %d branches, %d types are declared", len(union), len(names))
	}
	for i, r := range union {
		if r.Name != names[i] {
			t.Errorf("branch %d of the union is %s, want %s", i, r.Name, names[i])
		}
		compareFields(t, r, types[i])
	}
}

func TestSchemasFitTheGoTypes(t *testing.T) {
	names := topology.Names{}
	for _, a := range bank.Topology().Aggregates {
		namespace := "foldlog.bank." + a.Name
		camel := strings.ToUpper(a.Name[:1]) + a.Name[1:]
		envelope := func(t *testing.T, topic, name string, fields ...string) record {
			t.Helper()
			r := schema(t, topic)
			if r.Namespace != namespace || r.Name != name || r.Doc == "" {
				t.Errorf("the record is %s.%s with doc %q, want %s.%s and a doc", r.Namespace, r.Name, r.Doc, namespace, name)
			}
			var have []string
			for _, f := range r.Fields {
				text := f.Name + " " + string(f.Type)
				if f.Name == "data" || f.Name == "state" {
					text = f.Name
				}
				if f.Default != nil {
					text += " = " + string(f.Default)
				}
				have = append(have, text)
				if f.Doc == "" {
					t.Errorf("field %s has no doc", f.Name)
				}
			}
			if !slices.Equal(have, fields) {
				t.Errorf("the fields are\n%q, want\n%q", have, fields)
			}
			return r
		}
		t.Run(a.Name+" commands", func(t *testing.T) {
			r := envelope(t, names.Commands(a.Name), camel+"Command", `command_id ["null", "string"] = null`, `type "string"`,
				`aggregate_id ["null", "string"] = null`, `expected_version ["null", "long"] = null`, `correlation_id ["null", "string"] = null`,
				`causation_id ["null", "string"] = null`, `actor ["null", "string"] = null`, `data`)
			var branches []string
			var types []reflect.Type
			for _, c := range a.Commands {
				branches, types = append(branches, c.Record()), append(types, c.Type)
			}
			compareUnion(t, parse[[]record](t, r.field(t, "data").Type), branches, types)
		})
		t.Run(a.Name+" events", func(t *testing.T) {
			r := envelope(t, names.Events(a.Name), camel+"Event", `event_id "string"`, `event_type "string"`, `aggregate_id "string"`,
				`version "long"`, `recorded_at {"type": "long", "logicalType": "timestamp-micros"}`, `command_id "string"`, `correlation_id "string"`,
				`causation_id ["null", "string"] = null`, `actor "string"`, `data`)
			var branches []string
			var types []reflect.Type
			for _, e := range a.Events {
				branches, types = append(branches, e.Name), append(types, e.Type)
			}
			compareUnion(t, parse[[]record](t, r.field(t, "data").Type), branches, types)
		})
		t.Run(a.Name+" state", func(t *testing.T) {
			r := envelope(t, names.Table(a.Name), camel+"State", `version "long"`,
				`recorded_at {"type": "long", "logicalType": "timestamp-micros"}`, `chain "bytes"`, `state`)
			state := parse[record](t, r.field(t, "state").Type)
			if state.Name != camel {
				t.Errorf("the state's record is %s, want %s", state.Name, camel)
			}
			compareFields(t, state, a.State)
		})
	}
	for _, p := range bank.Topology().Projections {
		t.Run(p.Name, func(t *testing.T) {
			r := schema(t, names.Table(p.Name))
			if full := r.Namespace + "." + r.Name; full != "foldlog.bank."+p.Row.Name() {
				t.Errorf("the record is %s, want foldlog.bank.%s", full, p.Row.Name())
			}
			compareFields(t, r, p.Row)
		})
	}
}

// TestSchemaFilesAreThoseOfTheTopology finds files of no topic and gaps between versions.
func TestSchemaFilesAreThoseOfTheTopology(t *testing.T) {
	names, want := topology.Names{}, map[string]bool{}
	for _, a := range bank.Topology().Aggregates {
		want[names.Commands(a.Name)], want[names.Events(a.Name)], want[names.Table(a.Name)] = true, true, true
	}
	for _, p := range bank.Topology().Projections {
		want[names.Table(p.Name)] = true
	}
	topics, err := fs.ReadDir(bankschemas.Files, ".")
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, topic := range topics {
		if !topic.IsDir() {
			continue // the lock file
		}
		have = append(have, topic.Name())
		files, err := fs.ReadDir(bankschemas.Files, topic.Name())
		if err != nil {
			t.Fatal(err)
		}
		for i := range files {
			if _, err := fs.Stat(bankschemas.Files, fmt.Sprintf("%s/v%d.avsc", topic.Name(), i+1)); err != nil {
				t.Errorf("%s: versions must count from 1 without a gap: %v", topic.Name(), err)
			}
		}
	}
	if topics := slices.Sorted(maps.Keys(want)); !slices.Equal(have, topics) {
		t.Errorf("schemas exist for the topics\n%q, want\n%q", have, topics)
	}
}
