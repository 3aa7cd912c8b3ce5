package devcluster

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func ask(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Content-Type"); resp.StatusCode == 200 && got != "application/vnd.schemaregistry.v1+json" {
		t.Errorf("%s %s: content type %q", method, url, got)
	}
	return resp.StatusCode, string(text)
}

func schemaJSON(schema string) string {
	text, err := json.Marshal(map[string]string{"schema": schema})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func versionsURL(c *Cluster, subject string) string {
	return c.RegistryURL() + "/subjects/" + url.PathEscape(subject) + "/versions"
}

// register registers a schema and returns its id.
func register(t *testing.T, c *Cluster, subject, schema string) int {
	t.Helper()
	status, body := ask(t, http.MethodPost, versionsURL(c, subject), schemaJSON(schema))
	id := schemaID([]byte(body))
	if status != http.StatusOK || id == 0 {
		t.Fatalf("register %s: %d %s", subject, status, body)
	}
	return id
}

func setLevel(t *testing.T, c *Cluster, subject, level string) {
	t.Helper()
	status, body := ask(t, http.MethodPut, c.RegistryURL()+"/config/"+url.PathEscape(subject), fmt.Sprintf(`{"compatibility":%q}`, level))
	if status != http.StatusOK {
		t.Fatalf("set level: %d %s", status, body)
	}
}

func record(fields ...string) string {
	return `{"type":"record","name":"R","namespace":"n","fields":[` + strings.Join(fields, ",") + `]}`
}

const (
	fieldA        = `{"name":"a","type":"string"}`
	fieldALong    = `{"name":"a","type":"long"}`
	fieldB        = `{"name":"b","type":"int"}`
	fieldBDefault = `{"name":"b","type":"int","default":0}`
	fieldCNull    = `{"name":"c","type":["null","int"],"default":null}`
	fieldCNoDef   = `{"name":"c","type":["null","int"]}`
)

// TestLevels registers schemas one after the other under each level: the last must be accepted or
// refused, and the compatibility endpoint must have said so.
func TestLevels(t *testing.T) {
	c := started(t, t.TempDir())
	for i, test := range []struct {
		level   string
		schemas []string
		ok      bool
	}{
		{"BACKWARD", []string{record(fieldA), record(fieldA, fieldBDefault)}, true},
		{"BACKWARD", []string{record(fieldA), record(fieldA, fieldB)}, false},
		{"BACKWARD", []string{record(fieldA), record(fieldA, fieldCNull)}, true},
		{"BACKWARD", []string{record(fieldA), record(fieldA, fieldCNoDef)}, false},
		{"BACKWARD", []string{record(fieldA, fieldCNoDef), record(fieldA, fieldCNoDef)}, true},
		{"BACKWARD", []string{record(fieldA, fieldB), record(fieldA)}, true},
		{"BACKWARD", []string{record(fieldA), record(fieldALong)}, false},
		// b goes, and comes back as it was: the last version lacks it, the first has it with
		// another type.
		{"BACKWARD", []string{record(fieldA, `{"name":"b","type":"string"}`), record(fieldA), record(fieldA, fieldBDefault)}, true},
		{"BACKWARD_TRANSITIVE", []string{record(fieldA, `{"name":"b","type":"string"}`), record(fieldA), record(fieldA, fieldBDefault)}, false},
		{"FORWARD", []string{record(fieldA), record(fieldA, fieldB)}, true},
		{"FORWARD", []string{record(fieldA, fieldB), record(fieldA)}, false},
		{"FORWARD", []string{record(fieldA, fieldCNoDef), record(fieldA)}, false},
		{"FORWARD", []string{record(fieldA, fieldBDefault), record(fieldA), record(fieldA, `{"name":"b","type":"string"}`)}, true},
		{"FORWARD_TRANSITIVE", []string{record(fieldA, fieldBDefault), record(fieldA), record(fieldA, `{"name":"b","type":"string"}`)}, false},
		{"FULL", []string{record(fieldA), record(fieldA, fieldB)}, false},
		{"FULL", []string{record(fieldA), record(fieldA, fieldBDefault)}, true},
		{"FULL_TRANSITIVE", []string{record(fieldA, fieldB), record(fieldA)}, false},
		{"NONE", []string{record(fieldA), `"int"`}, true},
	} {
		subject := fmt.Sprintf("s%d", i)
		setLevel(t, c, subject, test.level)
		last := len(test.schemas) - 1
		for _, s := range test.schemas[:last] {
			register(t, c, subject, s)
		}
		name := fmt.Sprintf("%d %s %s after %s", i, test.level, test.schemas[last], test.schemas[last-1])
		path := "/compatibility/subjects/" + subject + "/versions?verbose=true"
		status, body := ask(t, http.MethodPost, c.RegistryURL()+path, schemaJSON(test.schemas[last]))
		if want := fmt.Sprintf(`"is_compatible":%v`, test.ok); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: compatibility is answered with %d %s", name, status, body)
		}
		status, body = ask(t, http.MethodPost, versionsURL(c, subject), schemaJSON(test.schemas[last]))
		if test.ok && status != http.StatusOK || !test.ok && (status != http.StatusConflict || !strings.Contains(body, `"error_code":409`)) {
			t.Errorf("%s: registration is answered with %d %s, want ok %v", name, status, body, test.ok)
		}
	}
}

// TestGlobalLevelCounts: the level of the registry is that of a subject without its own, BACKWARD
// at first.
func TestGlobalLevelCounts(t *testing.T) {
	c := started(t, t.TempDir())
	register(t, c, "s", record(fieldA))
	if status, _ := ask(t, http.MethodPost, versionsURL(c, "s"), schemaJSON(record(fieldA, fieldB))); status != http.StatusConflict {
		t.Errorf("at first: status %d, want 409", status)
	}
	if status, body := ask(t, http.MethodPut, c.RegistryURL()+"/config", `{"compatibility":"NONE"}`); status != http.StatusOK {
		t.Fatalf("set level: %d %s", status, body)
	}
	register(t, c, "s", record(fieldA, fieldB))
}

func TestCompatibilityWithOneVersion(t *testing.T) {
	c := started(t, t.TempDir())
	setLevel(t, c, "s", "BACKWARD_TRANSITIVE")
	register(t, c, "s", record(fieldA))
	register(t, c, "s", record(fieldA, fieldBDefault))
	for version, want := range map[string]string{
		"1": `"is_compatible":false`, "2": `"is_compatible":true`, "latest": `"is_compatible":true`, "3": "40402", "x": "42202",
	} {
		_, body := ask(t, http.MethodPost, c.RegistryURL()+"/compatibility/subjects/s/versions/"+version, schemaJSON(record(fieldA, fieldB)))
		if !strings.Contains(body, want) {
			t.Errorf("version %s: %s, want %s", version, body, want)
		}
	}
}

func TestRequestsOfConfluentClients(t *testing.T) {
	c := started(t, t.TempDir())
	for _, test := range []struct {
		method, path, body string
		status             int
		contains           string
	}{
		{"GET", "/", "", 200, "{}"},
		{"POST", "/subjects/a%2Fb-value/versions?normalize=false", `{"schema":"\"string\"","schemaType":"AVRO","references":[],` +
			`"metadata":{"tags":{}},"ruleSet":{"domainRules":[]}}`, 200, `"id":1`},
		{"GET", "/subjects", "", 200, `["a/b-value"]`},
		{"POST", "/subjects/a%2Fb-value?normalize=false", `{"schema":"\"string\"","metadata":null,"ruleSet":null}`, 200, `"version":1`},
		{"GET", "/schemas/ids/1?subject=a%2Fb-value", "", 200, `"schema":"\"string\""`},
		{"GET", "/schemas/ids/99", "", 404, `"error_code":40403`},
		{"GET", "/subjects/none/versions", "", 404, `"error_code":40401`},
		{"PUT", "/config/a%2Fb-value", `{"compatibility":"FULL","alias":null,"normalize":false}`, 200, `"compatibility":"FULL"`},
		{"GET", "/config/a%2Fb-value", "", 200, `"compatibilityLevel":"FULL"`},
		{"PUT", "/config", `{}`, 422, `"error_code":42203`},
		{"PUT", "/config", `{"compatibility":"SIDEWAYS"}`, 400, `"error_code"`},
		{"PUT", "/mode", `{}`, 422, `"error_code":42203`},
		{"GET", "/mode", "", 200, `"READWRITE"`},
		{"POST", "/subjects/bad/versions", `{"schema":"{\"type\":\"record\"}"}`, 422, `"error_code":42201`},
		{"POST", "/subjects/bad/versions", `not json`, 422, `"error_code":42201`},
		{"POST", "/subjects/bad/versions", schemaJSON(`"` + strings.Repeat("x", maxSchemaBytes) + `"`), 413, `"error_code":413`},
		{"DELETE", "/contexts/.x", "", 404, "not supported"},
		{"POST", "/contexts/.x/subjects/s/versions", `{"schema":"\"string\""}`, 404, "not supported"},
		{"DELETE", "/subjects/a%2Fb-value", "", 200, "[1]"},
		{"GET", "/subjects", "", 200, "[]"},
	} {
		status, body := ask(t, test.method, c.RegistryURL()+test.path, test.body)
		if status != test.status || !strings.Contains(body, test.contains) {
			t.Errorf("%s %s: %d %s; want %d with %s", test.method, test.path, status, body, test.status, test.contains)
		}
	}
}

func TestReferences(t *testing.T) {
	c := started(t, t.TempDir())
	register(t, c, "money", `{"type":"record","name":"Money","namespace":"n","fields":[{"name":"minor","type":"long"}]}`)
	body := func(extra string) string {
		schema := `{"type":"record","name":"Pay","namespace":"n","fields":[{"name":"amount","type":"n.Money"}` + extra + `]}`
		text, err := json.Marshal(map[string]any{"schema": schema, "references": []map[string]any{{"name": "n.Money", "subject": "money", "version": 1}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, test := range []struct {
		extra string
		want  int
	}{
		{"", 200},
		{`,{"name":"b","type":"int"}`, 409},
		{`,{"name":"b","type":["null","n.Money"]}`, 409},
		{`,{"name":"b","type":"n.Money","default":{"minor":0}}`, 200},
	} {
		if status, text := ask(t, http.MethodPost, versionsURL(c, "pay"), body(test.extra)); status != test.want {
			t.Errorf("with the field %q: %d %s, want %d", test.extra, status, text, test.want)
		}
	}
}

func TestOtherSchemaTypes(t *testing.T) {
	c := started(t, t.TempDir())
	post := func(schema string) int {
		status, _ := ask(t, http.MethodPost, versionsURL(c, "j"), fmt.Sprintf(`{"schemaType":"JSON","schema":%q}`, schema))
		return status
	}
	if got := []int{post(`{"type":"object"}`), post(`{"type":"object"}`), post(`{"type":"string"}`)}; !slices.Equal(got, []int{200, 200, 409}) {
		t.Errorf("JSON schemas: %v; what cannot be compared must be refused", got)
	}
	setLevel(t, c, "j", "NONE")
	if status := post(`{"type":"string"}`); status != 200 {
		t.Errorf("JSON schema under NONE: %d", status)
	}
}

// TestRegistryRemembers compares every answer before and after a restart.
func TestRegistryRemembers(t *testing.T) {
	dir := t.TempDir()
	c := started(t, dir)
	setLevel(t, c, "s", "BACKWARD_TRANSITIVE")
	register(t, c, "s", record(fieldA))
	register(t, c, "s", record(fieldA, fieldBDefault))
	register(t, c, "other", record(fieldA, fieldBDefault)) // the same id
	register(t, c, "gone", `"int"`)
	ask(t, http.MethodDelete, c.RegistryURL()+"/subjects/gone", "")
	ask(t, http.MethodDelete, c.RegistryURL()+"/subjects/gone?permanent=true", "")
	register(t, c, "after", `"long"`)
	ask(t, http.MethodPut, c.RegistryURL()+"/config", `{"compatibility":"FULL"}`)
	ask(t, http.MethodPut, c.RegistryURL()+"/mode/after", `{"mode":"READONLY"}`)

	view := func(c *Cluster) string {
		var all strings.Builder
		for _, path := range []string{"/schemas", "/subjects", "/schemas/ids/1", "/schemas/ids/2", "/schemas/ids/3", "/schemas/ids/4",
			"/config", "/config/s", "/mode/after", "/subjects/other/versions"} {
			status, body := ask(t, http.MethodGet, c.RegistryURL()+path, "")
			fmt.Fprintln(&all, path, status, body)
		}
		return all.String()
	}
	want := view(c)
	size := journalSize(t, dir)
	for range 2 {
		closed(t, c)
		c = started(t, dir)
		if got := view(c); got != want {
			t.Errorf("after a restart:\n%s\nbefore:\n%s", got, want)
		}
		// What programs do at every start changes nothing.
		setLevel(t, c, "s", "BACKWARD_TRANSITIVE")
		register(t, c, "s", record(fieldA))
		if got := journalSize(t, dir); got != size {
			t.Errorf("the journal grew from %d to %d bytes by what it had already", size, got)
		}
	}
	if id := register(t, c, "new", `"bytes"`); id != 5 {
		t.Errorf("the next id is %d, want 5", id)
	}
}

func journalSize(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, registryFile))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestDamagedJournal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, registryFile)
	c := started(t, dir)
	first := register(t, c, "s", record(fieldA))
	second := register(t, c, "s", record(fieldA, fieldBDefault))
	closed(t, c)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(good), "\n")

	// A torn last line was never acknowledged: it goes, and the next change takes its place.
	write(t, path, lines[0]+lines[1][:len(lines[1])/2])
	c = started(t, dir)
	if id := register(t, c, "s", record(fieldA, fieldBDefault)); id != second {
		t.Errorf("id after a torn line: %d, want %d", id, second)
	}
	closed(t, c)
	if now, err := os.ReadFile(path); err != nil || string(now) != string(good) {
		t.Errorf("journal after a torn line:\n%s, %v; want\n%s", now, err, good)
	}

	for name, text := range map[string]string{
		"middle cut":      lines[0][:20] + "\n" + lines[1],
		"one byte":        strings.Replace(lines[0], `\"R\"`, `\"Q\"`, 1) + lines[1],
		"line lost":       lines[1],
		"lines swapped":   lines[1] + lines[0],
		"garbage":         "\x00\x00\x00\n" + lines[1],
		"nothing in it":   "{}\n" + lines[1],
		"unknown request": journalLine(t, entry{Method: "POST", Path: "/nowhere"}) + lines[0],
	} {
		write(t, path, text)
		_, err := Start(t.Context(), config(t, dir))
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "line 1") || !strings.Contains(err.Error(), "Reset") {
			t.Errorf("%s: %v; want the file, line 1 and what to do", name, err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != text {
			t.Errorf("%s: a refused journal was changed", name)
		}
	}
	write(t, path, string(good))
	if id := register(t, started(t, dir), "s", record(fieldA)); id != first {
		t.Errorf("id %d, want %d", id, first)
	}
}

func journalLine(t *testing.T, e entry) string {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	l, err := json.Marshal(line{Sum: checksum(text), Entry: text})
	if err != nil {
		t.Fatal(err)
	}
	return string(l) + "\n"
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestUnsavedChangeStopsTheRegistry: an id that memory has and the journal has not would go to
// another schema after a restart.
func TestUnsavedChangeStopsTheRegistry(t *testing.T) {
	dir := t.TempDir()
	c, err := Start(t.Context(), config(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	register(t, c, "s", `"string"`)
	if err := c.registry.registry.journal.file.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/subjects/lost/versions", "/subjects/s"} {
		if status, body := ask(t, http.MethodPost, c.RegistryURL()+path, schemaJSON(`"int"`)); status != http.StatusServiceUnavailable {
			t.Errorf("POST %s: %d %s, want 503", path, status, body)
		}
	}
	if status, _ := ask(t, http.MethodGet, c.RegistryURL()+"/schemas/ids/2", ""); status != http.StatusServiceUnavailable {
		t.Errorf("the unsaved schema is answered with %d, want 503", status)
	}
	if err := c.Close(); err == nil {
		t.Error("Close tells nothing of the journal")
	}
	c = started(t, dir)
	if id := register(t, c, "s2", `"string"`); id != 1 {
		t.Errorf("id %d after a restart, want 1", id)
	}
}
