package schemas_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

type counter struct{}
type add struct{}
type added struct{}

func counterTopology() *topology.Topology {
	return topology.New("counters",
		topology.Aggregate("counter", foldlog.Decider[counter, any, any]{}, topology.Commands(topology.Command[add]("add-one")), topology.Events(topology.Event[added]("Added"))),
		topology.Projection("totals", "counter", foldlog.Projection[counter, any]{Key: func(foldlog.Event[any]) string { return "all" }}))
}

const (
	commands = `{"type":"record","name":"CounterCommand","fields":[{"name":"command_id","type":["null","string"],"default":null},{"name":"type","type":"string"},
		{"name":"aggregate_id","type":["null","string"],"default":null},{"name":"expected_version","type":["null","long"],"default":null},
		{"name":"correlation_id","type":["null","string"],"default":null},{"name":"causation_id","type":["null","string"],"default":null},
		{"name":"actor","type":["null","string"],"default":null},
		{"name":"data","type":[{"type":"record","name":"AddOne","fields":[]},{"type":"record","name":"Retired","fields":[]}]}]}`
	events = `{"type":"record","name":"CounterEvent","fields":[{"name":"event_id","type":"string"},{"name":"event_type","type":"string"},{"name":"aggregate_id","type":"string"},
		{"name":"version","type":"long"},{"name":"recorded_at","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"command_id","type":"string"},
		{"name":"correlation_id","type":"string"},{"name":"causation_id","type":["null","string"],"default":null},{"name":"actor","type":"string"},
		{"name":"data","type":[{"type":"record","name":"Added","fields":[{"name":"n","type":"int"}]}]}]}`
	state = `{"type":"record","name":"CounterState","fields":[{"name":"version","type":"long"},{"name":"recorded_at","type":{"type":"long","logicalType":"timestamp-micros"}},
		{"name":"chain","type":"bytes"},{"name":"state","type":{"type":"record","name":"Counter","fields":[]}}]}`
	row = `{"type":"record","name":"TotalsRow","fields":[{"name":"n","type":"long"}]}`
)

// files returns sound schema files with the changes: names and texts, an empty text removes the
// file.
func files(changes ...string) fstest.MapFS {
	all := fstest.MapFS{}
	set := func(name, text string) {
		if delete(all, name); text != "" {
			all[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	set("counter.commands/v1.avsc", commands)
	set("counter.events/v1.avsc", events)
	set("counter-table/v1.avsc", state)
	set("totals-table/v1.avsc", row)
	set("README.md", "not a schema")
	for i := 0; i < len(changes); i += 2 {
		set(changes[i], changes[i+1])
	}
	return all
}

func TestLoad(t *testing.T) {
	withN := strings.Replace(events, `{"name":"n","type":"int"}`, `{"name":"n","type":"long"},{"name":"m","type":["null","string"],"default":null}`, 1)
	set, err := schemas.Load(files("counter.events/v2.avsc", withN), counterTopology())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"counter-table", "counter.commands", "counter.events", "counter.outcomes", "totals-table", "totals.rekeyed"}
	if got := strings.Join(set.Topics(), " "); got != strings.Join(want, " ") {
		t.Errorf("topics %s", got)
	}
	for topic, versions := range map[string]int{"counter.events": 2, "totals.rekeyed": 2, "counter.outcomes": 2, "counter-table": 1, "no-such": 0} {
		if got := set.Versions(topic); len(got) != versions {
			t.Errorf("%s has %d versions", topic, len(got))
		}
		if got := set.Latest(topic); got.Number != versions || (got.Schema.Type == nil) != (versions == 0) {
			t.Errorf("%s: latest is %+v", topic, got)
		}
	}
	if set.Latest("totals.rekeyed").Schema.Fingerprint != set.Latest("counter.events").Schema.Fingerprint {
		t.Error("the re-keyed topic has another schema than the events in it")
	}
	if set.Latest("counter.events").Schema.Text != withN {
		t.Error("the text is not the file's")
	}
}

func TestBankLoads(t *testing.T) {
	set, err := schemas.Load(bankschemas.Files, bank.Topology())
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Latest("account.events").Schema.Type.Name; got != "foldlog.bank.account.AccountEvent" {
		t.Errorf("got %s", got)
	}
}

func TestLoadReportsEveryProblemAtOnce(t *testing.T) {
	change := func(text, old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%s is not in the schema", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	for name, c := range map[string]struct {
		files    fstest.MapFS
		problems []string
	}{
		"nothing there": {fstest.MapFS{}, []string{"counter.commands/v1.avsc is missing", "counter.events/v1.avsc is missing", "counter-table/v1.avsc is missing", "totals-table/v1.avsc is missing"}},
		"gap":           {files("counter.events/v3.avsc", events), []string{"counter.events/v2.avsc is missing, but v3.avsc exists"}},
		"starts late":   {files("totals-table/v1.avsc", "", "totals-table/v2.avsc", row), []string{"totals-table/v1.avsc is missing, but v2.avsc exists"}},
		"odd names":     {files("counter.events/v01.avsc", events, "counter.events/w2.avsc", events), []string{"v01.avsc: a version's file is named", "w2.avsc: a version's file is named"}},
		"stray":         {files("couter.events/v1.avsc", events), []string{`couter.events/v1.avsc belongs to no topic of the topology: is "couter.events" misspelt?`}},
		"not Avro": {files("counter.events/v1.avsc", "{", "counter-table/v1.avsc", `{"type":"recrod"}`, "totals-table/v1.avsc", `"no-such"`),
			[]string{"counter.events/v1.avsc: ", "counter-table/v1.avsc: ", "totals-table/v1.avsc: "}},
		"recursive": {files("totals-table/v1.avsc", change(row, `"long"`, `["null","TotalsRow"]`)), []string{"record TotalsRow contains itself"}},
		"no record": {files("totals-table/v1.avsc", `"long"`, "counter.events/v1.avsc", `"string"`), []string{"totals-table/v1.avsc: is long, not a record", "counter.events/v1.avsc: is string, not a record"}},
		"envelope": {files("counter.commands/v1.avsc", change(commands, `{"name":"actor","type":["null","string"],"default":null},`, ``),
			"counter.events/v1.avsc", change(change(events, `"version","type":"long"`, `"version","type":"int"`), `"timestamp-micros"`, `"timestamp-millis"`),
			"counter-table/v1.avsc", change(state, `"chain"`, `"chian"`)),
			[]string{"lacks the field actor", "field version must be of type long", "field recorded_at must be long with logicalType timestamp-micros", "lacks the field chain", "has the field chian"}},
		"no default in the envelope": {files("counter.commands/v1.avsc", change(commands, `"command_id","type":["null","string"],"default":null`, `"command_id","type":["null","string"]`)),
			[]string{`field command_id must be ["null", "string"] with default null`}},
		"commands and events": {files("counter.commands/v1.avsc", change(commands, "AddOne", "AddTwo"), "counter.events/v1.avsc", change(events, `"Added"`, `"Substracted"`)),
			[]string{"no record AddOne for the declared command add-one", "no record Added for the declared event", "the record Substracted, which is no declared event"}},
		"payloads": {files("counter.events/v1.avsc", change(events, `{"name":"n","type":"int"}`,
			`{"name":"n","type":{"type":"bytes","logicalType":"decimal","precision":5}},{"name":"m","type":["null","int","string"]},
			{"name":"o","type":{"type":"array","items":{"type":"fixed","name":"F","size":3}}},{"name":"p","type":{"type":"map","values":{"type":"long","logicalType":"timestamp-millis"}}}`)),
			[]string{"Added.n: logical type decimal", "Added.m: a union must be", "Added.o[]: fixed is not supported", "Added.p{}: logical type timestamp-millis"}},
		"retired fields": {files("counter.events/v1.avsc", change(events, `{"name":"n","type":"int"}`, `{"name":"n","type":"int"},{"name":"m","type":"long","default":0,"copyOf":"n"},
			{"name":"o","type":"int","default":0,"copyOf":"p"},{"name":"q","type":{"type":"record","name":"Q","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","copyOf":"a"}]}}`)),
			[]string{`Added.m: copyOf must name another field of the record that has the same type and is no copy itself, not "n"`, `Added.o: copyOf must name`, "Added.q.b: copyOf is for fields of a whole"}},
		"data": {files("counter.events/v1.avsc", change(events, `"name":"data","type":[`, `"name":"data","type":["null",`)), []string{"data may hold records only, not null"}},
	} {
		_, err := schemas.Load(c.files, counterTopology())
		if err == nil {
			t.Errorf("%s: no problem was found", name)
			continue
		}
		for _, want := range c.problems {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not said in: %v", name, want, err)
			}
		}
		if got := strings.Count(err.Error(), "\n") + 1; got != len(c.problems) {
			t.Errorf("%s: %d problems, want %d: %v", name, got, len(c.problems), err)
		}
	}
}

func TestPublishedVersionsStayReadable(t *testing.T) {
	for name, c := range map[string]struct{ v2, problem string }{
		"field removed":             {`{"type":"record","name":"TotalsRow","fields":[]}`, ""},
		"field added":               {`{"type":"record","name":"TotalsRow","fields":[{"name":"n","type":"long"},{"name":"m","type":"string","default":""}]}`, ""},
		"renamed with alias":        {`{"type":"record","name":"TotalsRow","fields":[{"name":"z","aliases":["n"],"type":"long"}]}`, ""},
		"widened":                   {`{"type":"record","name":"TotalsRow","fields":[{"name":"n","type":"double"}]}`, ""},
		"optional":                  {`{"type":"record","name":"TotalsRow","fields":[{"name":"n","type":["null","long"]}]}`, ""},
		"field without default":     {`{"type":"record","name":"TotalsRow","fields":[{"name":"n","type":"long"},{"name":"m","type":"string"}]}`, "m"},
		"null first, no default":    {`{"type":"record","name":"TotalsRow","fields":[{"name":"n","type":"long"},{"name":"m","type":["null","string"]}]}`, "m is new and has no default"},
		"narrowed":                  {`{"type":"record","name":"TotalsRow","fields":[{"name":"n","type":"int"}]}`, "n"},
		"number becomes a time":     {`{"type":"record","name":"TotalsRow","fields":[{"name":"n","type":{"type":"long","logicalType":"timestamp-micros"}}]}`, "logical type"},
		"optional number to a time": {`{"type":"record","name":"TotalsRow","fields":[{"name":"n","type":["null",{"type":"long","logicalType":"timestamp-micros"}]}]}`, "logical type"},
		"renamed":                   {`{"type":"record","name":"TotalsRow","fields":[{"name":"z","type":"long"}]}`, "z"},
	} {
		_, err := schemas.Load(files("totals-table/v2.avsc", c.v2), counterTopology())
		if (err == nil) != (c.problem == "") || err != nil && (!strings.Contains(err.Error(), c.problem) || !strings.Contains(err.Error(), "v2 cannot read what was written with v1")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Every pair counts: v3 reads v2, but not v1.
	v2 := `{"type":"record","name":"TotalsRow","fields":[]}`
	v3 := `{"type":"record","name":"TotalsRow","fields":[{"name":"n","type":"string","default":""}]}`
	_, err := schemas.Load(files("totals-table/v2.avsc", v2, "totals-table/v3.avsc", v3), counterTopology())
	if err == nil || !strings.Contains(err.Error(), "v3 cannot read what was written with v1") || strings.Contains(err.Error(), "v3 cannot read what was written with v2") {
		t.Errorf("got %v", err)
	}
}
