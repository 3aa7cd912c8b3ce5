package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro/ocf"

	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/backup/archive"
)

// Schemas of two versions; "fields" stands if it is none, and a name is relative to the record's
// namespace.
const (
	one = `{"doc": "has \"fields\": [ in it", "x": {"fields": [1]}, "type": "record", "name": "E", "namespace": "a.b", "fields": [
		{"name": "version", "type": "long"}, {"name": "data", "type": [{"type": "record", "name": "D", "fields": [{"name": "n", "type": "string"}]}]}]}`
	two = `{"type":"record","name":"a.b.E","fields":[{"name":"version","type":"long"}]}`
)

// value returns a value of the first schema, written as no encoder of ours would: with more bytes
// for a number than needed.
func value(version byte, n string) []byte {
	return append([]byte{version<<1 | 0x80, 0x00, 0x00, byte(len(n) << 1)}, n...)
}

func day(n int) time.Time { return time.Date(2026, 3, n, 23, 59, 59, 999000, time.UTC) }

// filled returns an archive with three rows of the first schema, over two days, and one of the
// second.
func filled(t *testing.T) (string, []archive.Row) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a")
	a, err := archive.Create(dir, "bank", 3)
	if err != nil {
		t.Fatal(err)
	}
	rows := []archive.Row{
		{Partition: 2, Offset: 5, Time: time.UnixMilli(1).UTC(), Chain: bytes.Repeat([]byte{7}, 32), Cause: "account/2/17", Value: value(1, "x")},
		{Partition: 2, Offset: 7, Time: time.UnixMilli(2).UTC(), Complete: true, Headers: []record.Header{{Key: "a", Value: []byte{}}, {Key: "b", Value: []byte("c")}}, Value: value(2, "")},
		{Partition: 2, Offset: 8, Time: time.UnixMilli(3).UTC(), Value: value(3, "y")},
		{Partition: 2, Offset: 9, Time: time.UnixMilli(4).UTC(), Value: []byte{8}},
	}
	w := a.Writer(archive.Events, "account", 2, 1)
	for i, r := range rows {
		if err := w.Write([]string{one, one, one, two}[i], day([]int{1, 1, 2, 2}[i]), &r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Create(dir, "bank", 3); !errors.Is(err, archive.ErrUnfit) || !strings.Contains(err.Error(), "another export") {
		t.Errorf("two at a time: %v", err)
	}
	ends := make([]archive.Ends, 3)
	ends[2].Events = archive.Range{To: 10, Count: 4}
	if err := a.Finish(&archive.Cut{Number: 1, Aggregates: map[string][]archive.Ends{"account": ends}}); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, rows
}

func TestRowsComeBackAsTheyWere(t *testing.T) {
	dir, want := filled(t)
	a, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := a.Manifest().Within(archive.Events, "account", 2, a.Manifest().Cut.Aggregates["account"][2].Events)
	if err != nil {
		t.Fatal(err)
	}
	var paths, schemas []string
	for _, f := range files {
		paths = append(paths, f.Path)
		if err := a.Check(t.Context(), f); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"account.events/day=2026-03-01/0002-00000000000000000005.avro", "account.events/day=2026-03-02/0002-00000000000000000008.avro",
		"account.events/day=2026-03-02/0002-00000000000000000009.avro"}; !slices.Equal(paths, want) {
		t.Errorf("files %q, want %q", paths, want)
	}
	var got []archive.Row
	for row, err := range a.Rows(files) {
		if err != nil {
			t.Fatal(err)
		}
		got, schemas = append(got, *row.Row), append(schemas, row.Schema)
	}
	if !reflect.DeepEqual(got, want) || !slices.Equal(schemas, []string{one, one, one, two}) {
		t.Errorf("%+v\n%+v", got, want)
	}
	if _, err := a.Manifest().Within(archive.Events, "account", 2, archive.Range{To: 9, Count: 3}); !errors.Is(err, nil) {
		t.Errorf("a cut between two files: %v", err)
	}
}

// A library that knows nothing of us sees our columns and the fields of the event.
func TestFilesAreOrdinaryContainerFiles(t *testing.T) {
	dir, _ := filled(t)
	file, err := os.Open(filepath.Join(dir, "account.events/day=2026-03-01/0002-00000000000000000005.avro"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := ocf.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"5 account/2/17 false 1 map[n:x]", "7 <nil> true 2 map[n:]"} {
		var row map[string]any
		if err := r.Decode(&row); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(row["foldlog_offset"], " ", row["foldlog_cause"], " ", row["foldlog_complete"], " ", row["version"], " ", row["data"]); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Whatever is cut off or changed in a file is noticed, without the check of its SHA-256, too, as
// far as its form tells.
func TestBrokenFiles(t *testing.T) {
	dir, _ := filled(t)
	a, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	f := a.Manifest().Files[0]
	path := filepath.Join(dir, f.Path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read := func() error {
		for _, err := range a.Rows([]archive.File{f}) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	for n := 0; n < len(content); n += 1 + len(content)/100 {
		if err := os.WriteFile(path, content[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := read(); !errors.Is(err, archive.ErrDamaged) || !strings.Contains(err.Error(), f.Path) {
			t.Fatalf("%d of %d bytes: %v", n, len(content), err)
		}
		changed := slices.Clone(content)
		changed[n] ^= 0x81
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = read() // must end, without a panic and without much memory
		if err := a.Check(t.Context(), f); !errors.Is(err, archive.ErrDamaged) || !strings.Contains(err.Error(), f.Path) {
			t.Fatalf("byte %d changed: %v", n, err)
		}
	}
}

func TestCommands(t *testing.T) {
	for _, c := range []archive.Command{{}, {Key: []byte("k"), Schema: "abc", Value: []byte{}}, {Value: []byte("v")}} {
		raw := c.Bytes()
		if got, err := archive.ParseCommand(raw); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%+v, %v, want %+v", got, err, c)
		}
		if _, err := archive.ParseCommand(append(raw, 0)); err == nil {
			t.Errorf("%+v with a byte more was accepted", c)
		}
	}
}
