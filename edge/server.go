package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/foldlog/foldlog/gateway"
)

// Server serves the HTTP interface of one topology. Make one with [New]; it is safe for concurrent
// use.
type Server struct {
	config   Config
	metrics  *metrics
	routes   router
	listener net.Listener
	// places has room for MaxInFlight requests.
	places   chan struct{}
	draining atomic.Bool
}

// New checks the configuration and binds the address. [Server.Run] or [Server.Close] must follow,
// to free the address.
func New(config Config) (*Server, error) {
	config.EnsureDefaults()
	if err := config.Validate(); err != nil {
		return nil, err
	}
	s := &Server{config: config, places: make(chan struct{}, config.MaxInFlight)}
	var err error
	if s.metrics, err = newMetrics(config.Metrics); err != nil {
		return nil, fmt.Errorf("register the edge's metrics: %w", err)
	}
	s.routes = s.router()
	if s.listener = config.Listener; s.listener != nil {
		return s, nil
	}
	if s.listener, err = net.Listen("tcp", config.Listen); err != nil {
		return nil, fmt.Errorf("serve HTTP: %w (choose another address with --http)", err)
	}
	return s, nil
}

// Addr returns the address that is served.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Handler returns the HTTP interface without the server around it, for tests and for embedding.
// Timeouts and header limits are then the embedding server's.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Close releases everything that New took. Use it if Run is not called.
func (s *Server) Close() error { return s.listener.Close() }

// Run serves until ctx ends. Then it says so at /readyz, takes no more connections and waits for
// the requests under way, at most for DrainTimeout. It returns nil after a complete drain. It
// returns an error if requests were cut off or serving failed.
func (s *Server) Run(ctx context.Context) error {
	wait := max(s.config.Gateway.Patience(), s.config.VisibilityTimeout)
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: min(s.config.ReadTimeout/2, 5*time.Second),
		ReadTimeout:       s.config.ReadTimeout,
		WriteTimeout:      s.config.ReadTimeout + wait + 10*time.Second,
		IdleTimeout:       s.config.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()
	s.config.Logger.Info("serving HTTP", "address", s.Addr().String())
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP at %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.DrainTimeout)
	defer cancel()
	err := server.Shutdown(drain)
	if err != nil {
		_ = server.Close()
		err = fmt.Errorf("drain HTTP: requests were cut off after %s: %w", s.config.DrainTimeout, err)
	}
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// router returns every route. If two fit a path, the first one is used.
func (s *Server) router() router {
	get := func(h handler) map[string]handler { return map[string]handler{http.MethodGet: h} }
	post := func(h handler) map[string]handler { return map[string]handler{http.MethodPost: h} }
	metricsHandler := promhttp.HandlerFor(s.config.Metrics, promhttp.HandlerOpts{})
	return router{
		{pattern: "/healthz", methods: get(s.health)},
		{pattern: "/readyz", methods: get(s.ready)},
		{pattern: "/metrics", methods: get(func(w http.ResponseWriter, r *http.Request, _ params) error {
			metricsHandler.ServeHTTP(w, r)
			return nil
		})},
		{pattern: "/v1/views/{view}", methods: get(s.page), limited: true, check: s.checkView},
		{pattern: "/v1/views/{view}/{key}", methods: get(s.row), limited: true, check: s.checkView},
		{pattern: "/v1/traces/{id}", methods: get(s.trace), limited: true},
		{pattern: "/v1/{aggregate}/{id}", methods: get(s.state), limited: true, check: s.checkAggregate},
		{pattern: "/v1/{aggregate}/{id}/events", methods: get(s.events), limited: true, check: s.checkAggregate},
		{pattern: "/v1/{aggregate}/{id}/{command}", methods: post(s.command), limited: true, check: s.checkCommand},
		{pattern: "/v1/{aggregate}/{id}/commands/{command_id}", methods: get(s.outcome), limited: true, check: s.checkAggregate},
	}
}

func (s *Server) checkView(p params) error {
	if s.config.Topology.Projection(p["view"]) == nil {
		return notFound("there is no view %q", p["view"])
	}
	return nil
}

func (s *Server) checkAggregate(p params) error {
	if s.config.Topology.Aggregate(p["aggregate"]) == nil {
		return notFound("there is no aggregate type %q", p["aggregate"])
	}
	return nil
}

func (s *Server) checkCommand(p params) error {
	return gateway.Check(s.config.Topology, p["aggregate"], p["command"])
}
