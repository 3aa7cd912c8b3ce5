package devcluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of the registry's HTTP server.
const (
	headerTimeout   = 5 * time.Second
	requestTimeout  = 30 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 5 * time.Second
	maxHeaderBytes  = 64 << 10
)

// registryServer serves a registry until it is closed.
type registryServer struct {
	address  string
	registry *registry
	server   *http.Server
	served   chan error
}

// startRegistry restores the registry from its journal and serves it. It takes over the listener
// unless it returns an error.
func startRegistry(l net.Listener, journalPath string, log *slog.Logger) (*registryServer, error) {
	log = log.With("part", "registry")
	r, err := openRegistry(journalPath, log)
	if err != nil {
		return nil, err
	}
	s := &registryServer{
		address:  l.Addr().String(),
		registry: r,
		served:   make(chan error, 1),
		server: &http.Server{
			Handler:           r.handler(),
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       requestTimeout,
			WriteTimeout:      requestTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		},
	}
	go func() { s.served <- s.server.Serve(l) }()
	return s, nil
}

// close lets running requests end, for a while, and closes the journal.
func (s *registryServer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("registry: requests were still at work after %s: %w", shutdownTimeout, err), s.server.Close())
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("registry: serve: %w", served))
	}
	return errors.Join(err, s.registry.close())
}
