package edge

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
	"github.com/foldlog/foldlog/bank"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// field returns the field that an error names, or its code.
func field(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	f := failureOf(t.Context(), err)
	if f.field != "" {
		return f.field
	}
	return f.code
}

func TestExpectedVersion(t *testing.T) {
	for text, want := range map[string]int64{`"0"`: 0, `"7"`: 7, `"9223372036854775807"`: 9223372036854775807} {
		if got, err := expectedVersionOf(header("If-Match", text)); err != nil || got == nil || *got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "7", "*", `W/"7"`, `"-1"`, `"07"`, `"+7"`, `"7", "8"`,
		`"9223372036854775808"`, `"99999999999999999999"`, `"x"`, `""`, `"7" `} {
		if got, err := expectedVersionOf(header("If-Match", bad)); field(t, err) != "If-Match" {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
	if got, err := expectedVersionOf(header()); got != nil || err != nil {
		t.Errorf("absent: %v, %v", got, err)
	}
	if _, err := expectedVersionOf(header("If-Match", `"1"`, "If-Match", `"1"`)); field(t, err) != "If-Match" {
		t.Errorf("twice: %v", err)
	}
}

func TestCommandID(t *testing.T) {
	if id, err := commandIDOf(header("Idempotency-Key", "a/b!~")); id != "a/b!~" || err != nil {
		t.Errorf("%q, %v", id, err)
	}
	first, err := commandIDOf(header())
	if second, _ := commandIDOf(header()); err != nil || len(first) != 36 || first == second {
		t.Errorf("generated %q and %q, %v", first, second, err)
	}
	for _, bad := range []string{"", "a b", "ü", "\t", strings.Repeat("x", foldlog.MaxIDLength+1)} {
		if id, err := commandIDOf(header("Idempotency-Key", bad)); field(t, err) != api.HeaderIdempotencyKey {
			t.Errorf("%q: %q, %v", bad, id, err)
		}
	}
	if _, err := commandIDOf(header("Idempotency-Key", "a", "Idempotency-Key", "b")); field(t, err) != api.HeaderIdempotencyKey {
		t.Errorf("twice: %v", err)
	}
}

func TestTokensAreMerged(t *testing.T) {
	s := &Server{config: Config{Topology: bank.Topology()}}
	a := foldlog.Token{{Aggregate: "account", Partition: 1, Offset: 5}}
	b := foldlog.Token{{Aggregate: "account", Partition: 1, Offset: 9}, {Aggregate: "transfer", Partition: 0, Offset: 2}}
	got, err := s.afterOf(header("Foldlog-After", a.String()+", "+b.String(), "Foldlog-After", a.String()))
	if err != nil || got.String() != b.String() {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := s.afterOf(header()); got != nil || err != nil {
		t.Errorf("absent: %v, %v", got, err)
	}
	other := foldlog.Token{{Aggregate: "counter", Partition: 1, Offset: 5}}
	for _, bad := range []string{"nonsense!", "AAAA", other.String()} {
		if got, err := s.afterOf(header("Foldlog-After", bad)); field(t, err) != api.HeaderAfter {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
}

func TestUnchanged(t *testing.T) {
	for text, want := range map[string]bool{`"7"`: true, `W/"7"`: true, `"6", "7"`: true, "*": true,
		`"6"`: false, `7`: false, ``: false, `"77"`: false} {
		if got := unchanged(header("If-None-Match", text), etag(7)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestQueriesAreStrict(t *testing.T) {
	for raw, want := range map[string]string{"": "", "limit=1": "", "limit=1&prefix=": "", "version=3": "version", "limit=1&limit=2": "limit",
		"Limit=1": "Limit", "a=1&b=2": "a", "prefix=%zz": foldlog.CodeMalformed, "a;b": foldlog.CodeMalformed} {
		if _, err := queryOf(&url.URL{RawQuery: raw}, "limit", "prefix"); field(t, err) != want {
			t.Errorf("%q: %v, want %q", raw, err, want)
		}
	}
}

func TestMediaTypes(t *testing.T) {
	for _, good := range []string{"application/json", "Application/JSON; charset=UTF-8", `application/json;charset="utf-8"`} {
		if err := checkMediaType(header("Content-Type", good, "Content-Encoding", "identity")); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "text/json", "application/json; charset=latin1", "application/x-www-form-urlencoded",
		"application/json, text/plain", ";"} {
		if err := checkMediaType(header("Content-Type", bad)); field(t, err) != api.CodeUnsupportedMediaType {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := checkMediaType(header("Content-Type", "application/json", "Content-Encoding", "gzip")); field(t, err) != api.CodeUnsupportedMediaType {
		t.Errorf("gzip: %v", err)
	}
}
