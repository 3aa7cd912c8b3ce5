package edge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foldlog/foldlog/api"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/gateway"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/topology"
	"github.com/foldlog/foldlog/views"
)

// running is a server without a log or a view behind it: what is tested here ends before either.
type running struct {
	*Server
	url  string
	logs *lines
	stop context.CancelFunc
	end  chan error
}

// lines collects what is logged.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// anyGateway returns one that reaches nothing.
func anyGateway(t *testing.T) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(gateway.Config{Topology: bank.Topology(), Codecs: &codecs.Codecs{}, Cluster: cluster.Config{Brokers: []string{"127.0.0.1:1"}},
		Expect: func(string, string, string) gateway.Expectation { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func run(t *testing.T, change func(*Config), extra ...*route) *running {
	t.Helper()
	logs := &lines{}
	config := Config{
		Topology: bank.Topology(), Views: &views.Set{}, Gateway: anyGateway(t), Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&config)
	}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.routes = append(extra, s.routes...)
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Server: s, url: "http://" + s.Addr().String(), logs: logs, stop: stop, end: make(chan error, 1)}
	go func() { r.end <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case <-r.end:
		case <-time.After(20 * time.Second):
			t.Error("the server did not stop")
		}
	})
	return r
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) has(t *testing.T, what string, status int, parts ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("%s: status %d, want %d: %s", what, r.status, status, r.body)
	}
	for _, part := range parts {
		if !strings.Contains(r.body, part) {
			t.Errorf("%s: the answer has no %s: %s", what, part, r.body)
		}
	}
}

func call(t *testing.T, method, url string, body io.Reader, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

// rawPost is the beginning of a command's request.
const rawPost = "POST /v1/account/a/deposit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

// dial opens a raw connection with a deadline for everything.
func dial(t *testing.T, s *running) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSlowHeadersAreCutOff(t *testing.T) {
	t.Parallel()
	s := run(t, func(c *Config) { c.ReadTimeout = time.Second })
	c := dial(t, s)
	begin := time.Now()
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		_, _ = io.Copy(io.Discard, c)
	}()
	for i := 0; ; i++ { // a header every now and then, for ever
		select {
		case <-cut:
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("cut off after %s", took)
			}
			return
		case <-time.After(50 * time.Millisecond):
			_, _ = fmt.Fprintf(c, "X-%d: y\r\n", i)
		}
	}
}

func TestSlowBodiesAreCutOff(t *testing.T) {
	t.Parallel()
	s := run(t, func(c *Config) { c.ReadTimeout = time.Second })
	c := dial(t, s)
	if _, err := io.WriteString(c, rawPost+"Content-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	reply{resp.StatusCode, resp.Header, string(body)}.has(t, "slow body", http.StatusRequestTimeout, `"code":"request_timeout"`)
}

func TestTooManyHeaders(t *testing.T) {
	t.Parallel()
	s := run(t, nil)
	var request strings.Builder
	request.WriteString("GET /healthz HTTP/1.1\r\nHost: x\r\n")
	for i := range 10_000 {
		fmt.Fprintf(&request, "X-Header-%d: value\r\n", i)
	}
	request.WriteString("\r\n")
	c := dial(t, s)
	go func() { _, _ = io.WriteString(c, request.String()) }()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestHugeBodies(t *testing.T) {
	t.Parallel()
	s := run(t, nil)
	target := s.url + "/v1/account/a/deposit"
	huge := bytes.Repeat([]byte(" "), 2<<20)
	for name, body := range map[string]io.Reader{
		"with its length":   bytes.NewReader(huge),
		"without a length":  io.MultiReader(bytes.NewReader(huge)),
		"one byte too many": bytes.NewReader(huge[:topology.MaxCommandBytes+1]),
	} {
		got := call(t, "POST", target, body, "Content-Type", "application/json", "Idempotency-Key", "k")
		got.has(t, name, http.StatusRequestEntityTooLarge, `"code":"too_large"`, `"command_id":"k"`)
	}
	// This client reads nothing before it has sent everything, as many do.
	c := dial(t, s)
	fmt.Fprintf(c, rawPost+"Content-Length: %d\r\n\r\n", len(huge))
	if _, err := c.Write(huge); err != nil {
		t.Fatalf("the server hung up before all was sent: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
	// This one asks first and never sends.
	c = dial(t, s)
	fmt.Fprintf(c, rawPost+"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", 1<<40)
	if resp, err = http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("asked first: status %d", resp.StatusCode)
	}
}

func TestBodiesThatBreakOff(t *testing.T) {
	t.Parallel()
	s := run(t, nil)
	c := dial(t, s)
	if _, err := io.WriteString(c, rawPost+"Content-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, c) // whatever the answer, the server goes on
	call(t, "GET", s.url+"/healthz", nil).has(t, "afterwards", http.StatusOK, "true")
}

func TestTooManyRequests(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s := run(t, func(c *Config) { c.MaxInFlight = 1 }, &route{pattern: "/hold", limited: true, methods: map[string]handler{
		http.MethodGet: func(w http.ResponseWriter, _ *http.Request, _ params) error {
			close(entered)
			<-release
			return answer(w, "released")
		}}})
	held := make(chan reply, 1)
	go func() { held <- call(t, "GET", s.url+"/hold", nil) }()
	<-entered
	refused := call(t, "GET", s.url+"/v1/account/a", nil)
	refused.has(t, "second request", http.StatusTooManyRequests, `"code":"too_many_requests"`)
	if refused.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", refused.header.Get("Retry-After"))
	}
	call(t, "GET", s.url+"/healthz", nil).has(t, "health", http.StatusOK, "true") // not counted
	close(release)
	(<-held).has(t, "first request", http.StatusOK, "released")
	call(t, "GET", s.url+"/v1/account/a?x=1", nil).has(t, "afterwards", http.StatusBadRequest, `"field":"x"`)
}

func TestPanicsAndDefectsAreHiddenAndLogged(t *testing.T) {
	get := func(h handler) map[string]handler { return map[string]handler{http.MethodGet: h} }
	s := run(t, nil,
		&route{pattern: "/panic", methods: get(func(http.ResponseWriter, *http.Request, params) error { panic("hunter2") })},
		&route{pattern: "/defect", methods: get(func(http.ResponseWriter, *http.Request, params) error { return errors.New("hunter2") })},
		&route{pattern: "/no-json", methods: get(func(w http.ResponseWriter, _ *http.Request, _ params) error { return answer(w, func() {}) })},
		&route{pattern: "/half", methods: get(func(w http.ResponseWriter, _ *http.Request, _ params) error {
			_, _ = io.WriteString(w, "half an answer")
			_ = http.NewResponseController(w).Flush()
			panic("hunter2")
		})},
	)
	for _, path := range []string{"/panic", "/defect", "/no-json"} {
		got := call(t, "GET", s.url+path, nil)
		got.has(t, path, http.StatusInternalServerError, `"code":"internal_error"`, `"detail":"internal error"`)
		if strings.Contains(got.body, "hunter2") {
			t.Errorf("%s: said outside: %s", path, got.body)
		}
		id := got.header.Get(api.HeaderRequestID)
		if id == "" || !strings.Contains(got.body, id) || !strings.Contains(s.logs.String(), "level=ERROR msg=\"request failed\" id="+id) {
			t.Errorf("%s: request id %q is not in answer and log", path, id)
		}
	}
	if !strings.Contains(s.logs.String(), "panic: hunter2") || !strings.Contains(s.logs.String(), "limits_test.go") {
		t.Error("the log has no panic with its stack")
	}
	resp, err := http.Get(s.url + "/half")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("half an answer passed for a whole one")
	}
}
