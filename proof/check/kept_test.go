package check

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/foldlog/foldlog/proof/history"
)

// kept is a run in memory, before it is written, so that tests can spoil it.
type kept struct {
	t           *testing.T
	run         history.Run
	topics      history.Topics
	committed   map[string][]history.Record
	uncommitted map[string][]history.Record
	ops         []history.Op
	faults      []history.Fault
	samples     []history.Sample
	rows        map[string][]history.Row // by file
	receipts    map[string]receipt       // likewise
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func writeLines[T any](t *testing.T, dir, file string, lines []T) {
	t.Helper()
	w := must[*history.Writer](t)(history.Create(dir, file))
	for _, line := range lines {
		if err := w.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// write writes the run and returns its directory.
func (k *kept) write() string {
	dir := k.t.TempDir()
	for file, content := range map[string]any{"run.json": k.run, "topics.json": k.topics} {
		if err := history.WriteJSON(dir, file, content); err != nil {
			k.t.Fatal(err)
		}
	}
	for topic := range k.topics.Topics {
		writeLines(k.t, dir, "topics/"+topic+".committed.jsonl", k.committed[topic])
		writeLines(k.t, dir, "topics/"+topic+".uncommitted.jsonl", k.uncommitted[topic])
	}
	for file, rows := range k.rows {
		writeLines(k.t, dir, file, rows)
	}
	for file, r := range k.receipts {
		writeLines(k.t, dir, file, []receipt{r})
	}
	writeLines(k.t, dir, "clients.jsonl", k.ops)
	writeLines(k.t, dir, "faults.jsonl", k.faults)
	writeLines(k.t, dir, "samples.jsonl", k.samples)
	return dir
}

// edit changes a topic as both isolation levels show it.
func (k *kept) edit(topic string, f func([]history.Record) []history.Record) {
	k.committed[topic] = f(slices.Clone(k.committed[topic]))
	k.uncommitted[topic] = f(slices.Clone(k.uncommitted[topic]))
}

// change changes the record at a place.
func (k *kept) change(topic string, at spot, f func(*history.Record)) {
	hit := 0
	k.edit(topic, func(records []history.Record) []history.Record {
		for i := range records {
			if spotOf(&records[i]) == at {
				records[i].Headers = slices.Clone(records[i].Headers)
				f(&records[i])
				hit++
			}
		}
		return records
	})
	if hit == 0 {
		k.t.Fatalf("no record at %s", at.in(topic))
	}
}

func (k *kept) drop(topic string, at spot) {
	k.edit(topic, func(records []history.Record) []history.Record {
		return slices.DeleteFunc(records, func(r history.Record) bool { return spotOf(&r) == at })
	})
}

// add puts a copy of the record at a place to the end of its partition, changed by f (or not at
// all).
func (k *kept) add(topic string, at spot, f func(*history.Record)) {
	i := slices.IndexFunc(k.committed[topic], func(r history.Record) bool { return spotOf(&r) == at })
	if i < 0 {
		k.t.Fatalf("no record at %s", at.in(topic))
	}
	r := k.committed[topic][i]
	r.Headers = slices.Clone(r.Headers)
	if f != nil {
		f(&r)
	}
	places := k.topics.Topics[topic]
	r.Offset = places.End[r.Partition]
	places.End[r.Partition]++
	places.Stable[r.Partition]++
	for _, g := range k.topics.Offsets {
		if g[topic] != nil {
			g[topic][r.Partition] = places.End[r.Partition]
		}
	}
	k.edit(topic, func(records []history.Record) []history.Record { return append(records, r) })
}

// swap exchanges what two records say; their places stay.
func (k *kept) swap(topic string, a, b spot) {
	find := func(at spot) history.Record {
		return k.committed[topic][slices.IndexFunc(k.committed[topic], func(r history.Record) bool { return spotOf(&r) == at })]
	}
	first, second := find(a), find(b)
	exchange := func(to *history.Record, from history.Record) {
		to.Key, to.Value, to.Headers, to.Time = from.Key, from.Value, slices.Clone(from.Headers), from.Time
	}
	k.change(topic, a, func(r *history.Record) { exchange(r, second) })
	k.change(topic, b, func(r *history.Record) { exchange(r, first) })
}

func setHeader(r *history.Record, name, value string) {
	for i := range r.Headers {
		if string(r.Headers[i][0]) == name {
			r.Headers[i][1] = []byte(value)
		}
	}
}

// fields changes the Avro fields of the record at a place.
func (k *kept) fields(topic string, at spot, f func(map[string]any)) {
	book := newSchemaBook(k.topics.Schemas)
	k.change(topic, at, func(r *history.Record) {
		fields, w, err := book.decode(r.Value)
		if err != nil {
			k.t.Fatal(err)
		}
		f(fields)
		r.Value = must[[]byte](k.t)(w.codec.BinaryFromNative(slices.Clone(r.Value[:5]), fields))
	})
}

// row changes a row of a view or state, as JSON.
func (k *kept) row(file, key string, f func(map[string]any)) {
	k.eachRow(file, key, func(r *history.Row) {
		document, err := readDocument(r.Row)
		if err != nil {
			k.t.Fatal(err)
		}
		f(document.(map[string]any))
		r.Row = must[[]byte](k.t)(json.Marshal(document))
	})
}

func (k *kept) eachRow(file, key string, f func(*history.Row)) {
	for i := range k.rows[file] {
		if k.rows[file][i].Key == key {
			f(&k.rows[file][i])
			return
		}
	}
	k.t.Fatalf("%s has no row %q", file, key)
}

func (k *kept) dropRow(file, key string) {
	before := len(k.rows[file])
	k.rows[file] = slices.DeleteFunc(slices.Clone(k.rows[file]), func(r history.Row) bool { return r.Key == key })
	if len(k.rows[file]) == before {
		k.t.Fatalf("%s has no row %q", file, key)
	}
}

// op changes the end of the first operation that fits.
func (k *kept) op(fits func(invoke, end history.Op) bool, f func(end *history.Op)) history.Op {
	invokes := map[int64]history.Op{}
	for i, o := range k.ops {
		if o.Kind == history.Invoke {
			invokes[o.Number] = o
			continue
		}
		if fits(invokes[o.Number], o) {
			f(&k.ops[i])
			return invokes[o.Number]
		}
	}
	k.t.Fatal("no operation fits")
	return history.Op{}
}

func storeRow(t *testing.T, key string, value []byte) history.Row {
	return history.Row{Key: base64.StdEncoding.EncodeToString([]byte(key)), Row: must[[]byte](t)(json.Marshal(value))}
}

func schemaFile(parts ...string) string {
	return filepath.Join(append([]string{"..", "..", "schemas"}, parts...)...)
}

// clone returns a copy that can be spoiled without harm to the original.
func (k *kept) clone(t *testing.T) *kept {
	c := &kept{t: t, run: k.run, committed: maps.Clone(k.committed), uncommitted: maps.Clone(k.uncommitted), ops: slices.Clone(k.ops), faults: slices.Clone(k.faults),
		samples: slices.Clone(k.samples), rows: map[string][]history.Row{}, receipts: maps.Clone(k.receipts)}
	for file, rows := range k.rows {
		c.rows[file] = slices.Clone(rows)
	}
	copied := must[[]byte](t)(json.Marshal(k.topics))
	if err := json.Unmarshal(copied, &c.topics); err != nil {
		t.Fatal(err)
	}
	return c
}
