package schemas_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/schemas"
)

const (
	schemaA = `{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}`
	schemaB = `{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}`
)

func logger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// server is a registry that counts requests and can be told to misbehave.
type server struct {
	*httptest.Server
	requests  atomic.Int64
	intercept atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

func (s *server) on(f func(w http.ResponseWriter, r *http.Request) bool) { s.intercept.Store(&f) }

func newServer(tb testing.TB, start func(http.Handler) *httptest.Server) *server {
	tb.Helper()
	handler := srfake.NewRegistry().Handler()
	s := &server{}
	s.Server = start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if f := s.intercept.Load(); f != nil && *f != nil && (*f)(w, r) {
			return
		}
		handler.ServeHTTP(w, r)
	}))
	tb.Cleanup(s.Close)
	return s
}

func failing(status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

func get(tb testing.TB, r *schemas.Registry, id int, want error) string {
	tb.Helper()
	text, err := r.Schema(context.Background(), id)
	if !errors.Is(err, want) || (want != nil) != (err != nil) {
		tb.Errorf("id %d: %v, want %v", id, err, want)
	}
	return text
}

func TestRegisterAndRead(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	r := schemas.New(schemas.Config{URL: s.URL + "/"}, logger())
	ctx := context.Background()
	id, err := r.Register(ctx, "x-value", schemaA)
	if err != nil {
		t.Fatal(err)
	}
	before := s.requests.Load()
	if again, err := r.Register(ctx, "x-value", schemaA); err != nil || again != id {
		t.Errorf("got %d, %v", again, err)
	}
	if text := get(t, r, id, nil); text != schemaA {
		t.Errorf("got %s", text)
	}
	if s.requests.Load() != before {
		t.Error("what was registered here was asked for again")
	}
	fresh := schemas.New(schemas.Config{URL: s.URL}, logger())
	if text := get(t, fresh, id, nil); text != schemaA {
		t.Errorf("got %s", text)
	}
	before = s.requests.Load()
	s.Close()
	if text := get(t, fresh, id, nil); text != schemaA || s.requests.Load() != before {
		t.Errorf("a known id in an outage: %s", text)
	}
	get(t, fresh, id+1, schemas.ErrUnavailable)
}

func TestRegisterDemandsCompatibility(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	var puts atomic.Int64
	s.on(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			puts.Add(1)
		}
		return false
	})
	for range 3 {
		r := schemas.New(schemas.Config{URL: s.URL}, logger())
		if _, err := r.Register(context.Background(), "x-value", schemaA); err != nil {
			t.Fatal(err)
		}
	}
	if puts.Load() != 1 {
		t.Errorf("the level was set %d times, want once", puts.Load())
	}
	resp, err := http.Get(s.URL + "/config/x-value?defaultToGlobal=false")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), "BACKWARD_TRANSITIVE") {
		t.Errorf("got %s, %v", body, err)
	}
}

// Some registries cannot hold the level of a subject that has no schema yet.
func TestLevelIsSetAfterTheFirstSchemaWhereItMust(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	var registered, leveled atomic.Bool
	s.on(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPost:
			registered.Store(true)
		case strings.HasPrefix(r.URL.Path, "/config/") && !registered.Load():
			return failing(404, `{"error_code":40401,"message":"no such subject"}`)(w, r)
		case r.Method == http.MethodPut:
			leveled.Store(true)
		}
		return false
	})
	r := schemas.New(schemas.Config{URL: s.URL}, logger())
	if _, err := r.Register(context.Background(), "x-value", schemaA); err != nil || !leveled.Load() {
		t.Errorf("level set: %v, %v", leveled.Load(), err)
	}
}

// Processes of a system start at the same time and register the same schemas. Apicurio answers the
// slower one with a conflict, although all is as it wants it.
func TestConflictWithAProcessThatWasFaster(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	faster := schemas.New(schemas.Config{URL: s.URL}, logger())
	r := schemas.New(schemas.Config{URL: s.URL}, logger())
	var looked, leveled, created atomic.Bool
	var want int
	s.on(func(w http.ResponseWriter, req *http.Request) bool {
		switch {
		case req.Method == http.MethodGet && strings.HasPrefix(req.URL.Path, "/config/") && !looked.Swap(true):
			return failing(404, `{"error_code":40401,"message":"no level yet"}`)(w, req)
		case req.Method == http.MethodPut && !leveled.Swap(true):
			s.on(nil) // the faster one goes through in between
			var err error
			if want, err = faster.Register(context.Background(), "x-value", schemaA); err != nil {
				t.Error(err)
			}
			s.on(func(w http.ResponseWriter, req *http.Request) bool {
				if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/versions") && !created.Swap(true) {
					return failing(409, `{"error_code":409,"message":"the version already exists"}`)(w, req)
				}
				return false
			})
			return failing(409, `{"error_code":409,"message":"A rule named 'COMPATIBILITY' already exists."}`)(w, req)
		}
		return false
	})
	got, err := r.Register(context.Background(), "x-value", schemaA)
	if err != nil || got != want || !created.Load() {
		t.Errorf("id %d, want %d; %v", got, want, err)
	}
}

func TestIncompatibleSchemaIsRefusedWithTheRegistrysWords(t *testing.T) {
	c, err := devcluster.Start(context.Background(), devcluster.Config{Dir: t.TempDir(), KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := schemas.New(schemas.Config{URL: c.RegistryURL()}, logger())
	ctx := context.Background()
	if _, err := r.Register(ctx, "x-value", schemaA); err != nil {
		t.Fatal(err)
	}
	_, err = r.Register(ctx, "x-value", schemaB)
	if !errors.Is(err, schemas.ErrIncompatible) || errors.Is(err, schemas.ErrUnavailable) || !strings.Contains(err.Error(), "409") {
		t.Errorf("got %v", err)
	}
	if _, err := r.Register(ctx, "x-value", `{"type":"recrod"}`); !errors.Is(err, schemas.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	get(t, r, 4711, schemas.ErrUnknownID)
}

func TestAnswersThatSayNothingAboutTheID(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	for _, c := range []struct {
		status int
		body   string
		want   error
	}{
		{404, `{"error_code":40403,"message":"Schema not found"}`, schemas.ErrUnknownID},
		{404, `{"error_code":404,"message":"HTTP 404 Not Found"}`, schemas.ErrUnavailable}, {404, `<html>no such page</html>`, schemas.ErrUnavailable},
		{500, ``, schemas.ErrUnavailable}, {503, `{"error_code":50301,"message":"starting"}`, schemas.ErrUnavailable}, {429, ``, schemas.ErrUnavailable},
		{401, `{"error_code":401,"message":"Unauthorized"}`, schemas.ErrUnavailable}, {403, ``, schemas.ErrUnavailable}, {422, `{"error_code":422}`, schemas.ErrUnavailable},
		{200, `<html>a portal</html>`, schemas.ErrUnavailable}, {200, `{"schema":"syntax = 'proto3'","schemaType":"PROTOBUF"}`, schemas.ErrNotAvro},
		{200, `{"schema":"{}","references":[{"name":"x","subject":"y","version":1}]}`, schemas.ErrNotAvro}, {200, `{}`, schemas.ErrUnavailable},
		{200, `{"schema":"\"int\"","schemaType":"AVRO"}`, nil},
	} {
		s.on(failing(c.status, c.body))
		get(t, schemas.New(schemas.Config{URL: s.URL}, logger()), 7, c.want)
	}
	for _, id := range []int{0, -1, 1 << 31, 1<<32 - 1} {
		before := s.requests.Load()
		if get(t, schemas.New(schemas.Config{URL: s.URL}, logger()), id, schemas.ErrUnknownID); s.requests.Load() != before {
			t.Errorf("the registry was asked for id %d", id)
		}
	}
}

func TestFlappingRegistry(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	id, err := schemas.New(schemas.Config{URL: s.URL}, logger()).Register(context.Background(), "x-value", schemaA)
	if err != nil {
		t.Fatal(err)
	}
	r := schemas.New(schemas.Config{URL: s.URL}, logger())
	for range 3 {
		s.on(failing(503, ""))
		get(t, r, id, schemas.ErrUnavailable)
		// the connection breaks in the middle of the answer
		s.on(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"schema":"`)
			panic(http.ErrAbortHandler)
		})
		get(t, r, id, schemas.ErrUnavailable)
	}
	s.on(nil)
	if text := get(t, r, id, nil); text != schemaA { // no outage is remembered
		t.Errorf("got %s", text)
	}
}

func TestUnknownIDIsRememberedForAWhile(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	r := schemas.New(schemas.Config{URL: s.URL, UnknownIDFor: time.Hour}, logger())
	for range 5 {
		get(t, r, 1, schemas.ErrUnknownID)
	}
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests for the same unknown id", n)
	}
	// a flood of made-up ids does not fill the memory, nor does it hide a known one
	for id := range 3000 {
		get(t, r, 10_000+id, schemas.ErrUnknownID)
	}
	short := schemas.New(schemas.Config{URL: s.URL, UnknownIDFor: time.Nanosecond}, logger())
	get(t, short, 1, schemas.ErrUnknownID)
	if _, err := short.Register(context.Background(), "x-value", schemaA); err != nil {
		t.Fatal(err)
	}
	if text := get(t, short, 1, nil); text != schemaA {
		t.Errorf("an id that came to be known: %s", text)
	}
}

func TestOneRequestForManyWhoAsk(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	id, err := schemas.New(schemas.Config{URL: s.URL}, logger()).Register(context.Background(), "x-value", schemaA)
	if err != nil {
		t.Fatal(err)
	}
	r := schemas.New(schemas.Config{URL: s.URL}, logger())
	asked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.on(func(http.ResponseWriter, *http.Request) bool {
		once.Do(func() { close(asked) })
		<-release
		return false
	})
	before := s.requests.Load()
	impatient, cancel := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	go func() { _, err := r.Schema(impatient, id); gone <- err }()
	<-asked
	var group sync.WaitGroup
	texts := make(chan string, 20)
	for range cap(texts) {
		group.Add(1)
		go func() {
			defer group.Done()
			text, err := r.Schema(context.Background(), id)
			if err != nil {
				text = err.Error()
			}
			texts <- text
		}()
	}
	cancel() // the first asker goes away; the others still get the answer
	if err := <-gone; !errors.Is(err, schemas.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	group.Wait()
	close(texts)
	for text := range texts {
		if text != schemaA {
			t.Errorf("got %s", text)
		}
	}
	if n := s.requests.Load() - before; n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestTimeout(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	release := make(chan struct{})
	defer close(release)
	s.on(func(http.ResponseWriter, *http.Request) bool { <-release; return true })
	r := schemas.New(schemas.Config{URL: s.URL, Timeout: 50 * time.Millisecond}, logger())
	start := time.Now()
	get(t, r, 1, schemas.ErrUnavailable)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestCredentials(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	s.on(func(w http.ResponseWriter, r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		return (user != "ann" || password != "") && failing(401, `{"error_code":401,"message":"Unauthorized"}`)(w, r)
	})
	ctx := context.Background()
	if _, err := schemas.New(schemas.Config{URL: s.URL, User: "ann"}, logger()).Register(ctx, "x-value", schemaA); err != nil {
		t.Error(err)
	}
	_, err := schemas.New(schemas.Config{URL: s.URL, User: "ann", Password: "secret-word"}, logger()).Register(ctx, "x-value", schemaA)
	if !errors.Is(err, schemas.ErrUnavailable) || !strings.Contains(err.Error(), "user and password") || strings.Contains(err.Error(), "secret-word") {
		t.Errorf("got %v", err)
	}
}

func TestTLS(t *testing.T) {
	s := newServer(t, func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		// it complains about the client that refuses its certificate
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		return s
	})
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	ctx := context.Background()
	if _, err := schemas.New(schemas.Config{URL: s.URL, TLS: &tls.Config{RootCAs: roots}}, logger()).Register(ctx, "x-value", schemaA); err != nil {
		t.Error(err)
	}
	if _, err := schemas.New(schemas.Config{URL: s.URL}, logger()).Register(ctx, "x-value", schemaA); !errors.Is(err, schemas.ErrUnavailable) {
		t.Errorf("a certificate of nobody: %v", err)
	}
}

func TestSubjectsAreEscapedForAPath(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	var mu sync.Mutex
	var subjects []string
	s.on(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if rest, ok := strings.CutPrefix(r.URL.Path, "/subjects/"); ok && r.Method == http.MethodPost {
			subjects = append(subjects, strings.TrimSuffix(rest, "/versions"))
		}
		return false
	})
	r := schemas.New(schemas.Config{URL: s.URL}, logger())
	wanted := []string{"a b-value", "a+b-value", "a%20b-value", "ü-value", "a:b@c$d-value"}
	for _, subject := range wanted {
		if _, err := r.Register(context.Background(), subject, schemaA); err != nil {
			t.Errorf("%s: %v", subject, err)
		}
	}
	if fmt.Sprint(subjects) != fmt.Sprint(wanted) {
		t.Errorf("got %q", subjects)
	}
}

// A registry may answer with an older schema that differs in documentation only, but not with
// another one.
func TestAnswerWithAnotherSchema(t *testing.T) {
	s := newServer(t, httptest.NewServer)
	answer := func(schema string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			return strings.HasPrefix(r.URL.Path, "/schemas/ids/") && failing(200, fmt.Sprintf(`{"schema":%q}`, schema))(w, r)
		}
	}
	s.on(answer(strings.Replace(schemaA, `"name":"R"`, `"doc":"of old", "name":"R"`, 1)))
	if _, err := schemas.New(schemas.Config{URL: s.URL}, logger()).Register(context.Background(), "x-value", schemaA); err != nil {
		t.Error(err)
	}
	s.on(answer(schemaB))
	if _, err := schemas.New(schemas.Config{URL: s.URL}, logger()).Register(context.Background(), "x-value", schemaA); !errors.Is(err, schemas.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}
