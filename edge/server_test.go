package edge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/views"
)

func TestDrain(t *testing.T) {
	for _, patient := range []bool{true, false} {
		t.Run(fmt.Sprintf("patient=%v", patient), func(t *testing.T) {
			entered, release := make(chan struct{}), make(chan struct{})
			hold := &route{pattern: "/hold", methods: map[string]handler{
				http.MethodGet: func(w http.ResponseWriter, r *http.Request, _ params) error {
					close(entered)
					select {
					case <-release:
					case <-r.Context().Done():
					}
					return answer(w, "finished")
				}}}
			s := run(t, func(c *Config) {
				if !patient {
					c.DrainTimeout = 50 * time.Millisecond
				}
			}, hold)
			type result struct {
				body string
				err  error
			}
			held := make(chan result, 1)
			go func() {
				resp, err := http.Get(s.url + "/hold")
				if err != nil {
					held <- result{err: err}
					return
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				held <- result{string(body), err}
			}()
			<-entered
			s.stop()
			for deadline := time.Now().Add(5 * time.Second); !s.draining.Load(); {
				if time.Now().After(deadline) {
					t.Fatal("draining does not begin")
				}
				time.Sleep(time.Millisecond)
			}
			w := &plainRecorder{header: http.Header{}}
			if err := s.ready(w, nil, nil); err != nil || w.status != http.StatusServiceUnavailable || !strings.Contains(w.body.String(), "draining") {
				t.Errorf("readyz says %d %s, %v", w.status, w.body.String(), err)
			}
			if patient {
				close(release)
			}
			end := <-s.end
			s.end <- end // for the cleanup
			got := <-held
			if patient && (end != nil || got.err != nil || !strings.Contains(got.body, "finished")) {
				t.Errorf("Run ended with %v, the request with %+v", end, got)
			}
			if !patient && (end == nil || got.err == nil) {
				t.Errorf("Run ended with %v, the request with %+v", end, got)
			}
		})
	}
}

// plainRecorder is a ResponseWriter for one handler.
type plainRecorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *plainRecorder) Header() http.Header         { return r.header }
func (r *plainRecorder) WriteHeader(status int)      { r.status = status }
func (r *plainRecorder) Write(p []byte) (int, error) { return r.body.Write(p) }

func TestHealthReadinessAndMetrics(t *testing.T) {
	waiting := errors.New("partition 3 is restoring")
	var mu sync.Mutex
	s := run(t, func(c *Config) {
		c.ReadyChecks = map[string]func() error{"processors": func() error {
			mu.Lock()
			defer mu.Unlock()
			return waiting
		}}
	})
	call(t, "GET", s.url+"/healthz", nil).has(t, "healthz", http.StatusOK, `{"healthy":true}`)
	call(t, "GET", s.url+"/readyz", nil).has(t, "readyz", http.StatusServiceUnavailable,
		`{"ready":false,"waiting":{"processors":"partition 3 is restoring"}}`)
	mu.Lock()
	waiting = nil
	mu.Unlock()
	call(t, "GET", s.url+"/readyz", nil).has(t, "readyz", http.StatusOK, `{"ready":true}`)
	if head := call(t, "HEAD", s.url+"/readyz", nil); head.status != http.StatusOK || head.body != "" {
		t.Errorf("HEAD: %+v", head)
	}
	call(t, "BREW", s.url+"/nowhere", nil).has(t, "unknown path", http.StatusNotFound, `"code":"not_found"`)
	call(t, "GET", s.url+"/metrics", nil).has(t, "metrics", http.StatusOK,
		`foldlog_http_requests_total{method="GET",route="/readyz",status="200"} 1`,
		`foldlog_http_requests_total{method="GET",route="/readyz",status="503"} 1`,
		`foldlog_http_requests_total{method="other",route="none",status="404"} 1`, `foldlog_http_request_seconds_count{method="GET",route="/healthz"} 1`,
		`foldlog_http_in_flight 1`)
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{Topology: bank.Topology(), Views: &views.Set{}, Gateway: anyGateway(t), Listen: "127.0.0.1:0"}
	s, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	taken := s.Addr().String()
	for name, change := range map[string]func(*Config){
		"no topology":      func(c *Config) { c.Topology = nil },
		"no gateway":       func(c *Config) { c.Gateway = nil },
		"negative":         func(c *Config) { c.VisibilityTimeout = -1 },
		"taken address":    func(c *Config) { c.Listen = taken },
		"no room":          func(c *Config) { c.MaxInFlight = -1 },
		"metrics of other": func(c *Config) { c.Metrics = s.config.Metrics },
	} {
		c := good
		change(&c)
		if other, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
			other.Close()
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
