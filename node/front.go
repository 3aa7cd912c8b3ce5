package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// front answers health, readiness and metrics before the HTTP interface can, and instead of it in a
// process without that role. Every other path is 503 until then.
type front struct {
	host     string
	listener *lendable
	server   *http.Server
	served   chan error
	stop     func() error

	mu     sync.Mutex
	checks map[string]func() error
}

// listenFront takes the address, which has been checked, and serves.
func listenFront(address string, metrics prometheus.Gatherer) (*front, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, Infrastructure.Errorf("%s is in use: choose another address with --http, or stop what listens there", address)
	}
	if err != nil {
		return nil, Infrastructure.Errorf("listen for HTTP: %w: choose another address with --http", err)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, Usage.Errorf("--http %q: %w", address, err)
	}
	f := &front{host: host, listener: &lendable{TCPListener: listener.(*net.TCPListener)}, served: make(chan error, 1), checks: map[string]func() error{}}
	f.stop = sync.OnceValue(f.shutDown)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]bool{"healthy": true})
	})
	mux.HandleFunc("GET /readyz", f.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		answer(w, http.StatusServiceUnavailable, map[string]any{
			"type": "about:blank", "title": http.StatusText(http.StatusServiceUnavailable), "status": http.StatusServiceUnavailable,
			"code": "unavailable", "detail": "not served by this process now; /readyz says what it waits for",
		})
	})
	f.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
	}
	go func() { f.served <- f.server.Serve(f.listener) }()
	return f, nil
}

// address is the address that is served: the host as it was given, so that it means the same when
// it is taken again, with the real port.
func (f *front) address() string {
	port := f.listener.Addr().(*net.TCPAddr).Port
	return net.JoinHostPort(f.host, strconv.Itoa(port))
}

// handOver stops serving and returns the listener, still open, for the next to serve. Connections
// that come while nobody serves wait in its queue, and nobody else can take the address in between.
func (f *front) handOver() (net.Listener, error) {
	f.listener.lent.Store(true)
	err := f.Close()
	f.listener.lent.Store(false)
	if err = errors.Join(err, f.listener.SetDeadline(time.Time{})); err != nil {
		return nil, fmt.Errorf("hand over %s: %w", f.listener.Addr(), errors.Join(err, f.listener.Close()))
	}
	return f.listener.TCPListener, nil
}

// lendable is a listener that a server can stop accepting from without closing it. A second
// descriptor of the same socket would not do: while the runtime makes a listener of it, the socket
// is in blocking mode for a moment, and who then waits for a connection cannot be interrupted.
type lendable struct {
	*net.TCPListener
	lent atomic.Bool
}

// Close is what a server calls that is shut down.
func (l *lendable) Close() error {
	if l.lent.Load() {
		return l.SetDeadline(time.Unix(1, 0)) // wakes up the one that accepts
	}
	return l.TCPListener.Close()
}

// check makes readiness depend on one more part. A check under the same name is replaced; nil takes
// it away.
func (f *front) check(name string, ready func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ready == nil {
		delete(f.checks, name)
		return
	}
	f.checks[name] = ready
}

// waiting makes readiness say what is being waited for.
func (f *front) waiting(name, text string) { f.check(name, func() error { return errors.New(text) }) }

func (f *front) ready(w http.ResponseWriter, _ *http.Request) {
	waiting := f.notReady()
	status := http.StatusOK
	body := map[string]any{"ready": len(waiting) == 0}
	if len(waiting) > 0 {
		status = http.StatusServiceUnavailable
		body["waiting"] = waiting
	}
	answer(w, status, body)
}

func (f *front) snapshot() map[string]func() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.checks)
}

// notReady returns what the parts that are not ready wait for.
func (f *front) notReady() map[string]string {
	waiting := map[string]string{}
	for name, ready := range f.snapshot() {
		if err := ready(); err != nil {
			waiting[name] = err.Error()
		}
	}
	return waiting
}

// Close stops serving and returns once nothing is served any more. The address is free unless it
// was handed over. It may be called more than once.
func (f *front) Close() error { return f.stop() }

func (f *front) shutDown() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if f.server.Shutdown(ctx) != nil {
		_ = f.server.Close() // a client that holds its request open must not hold up the start
	}
	if err := <-f.served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func answer(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone is nobody's error
}
