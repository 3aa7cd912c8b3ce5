package edge

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foldlog/foldlog/gateway"
	"github.com/foldlog/foldlog/topology"
	"github.com/foldlog/foldlog/views"
)

// Config holds the parts, addresses and limits of a [Server]. The zero value of each field below
// Gateway means its default.
type Config struct {
	Topology *topology.Topology
	Names    topology.Names
	// Views answers reads.
	Views *views.Set
	// Gateway takes commands. It must live until the server's Run has returned, and so must the
	// source of its outcomes: draining requests still wait for them. After the gateway's patience a
	// command is answered with 504.
	Gateway *gateway.Gateway

	// Listen is the address to serve on, host:port; default "127.0.0.1:8080". Port 0 takes a free
	// one: see Server.Addr.
	Listen string
	// Listener is served if it is not nil, instead of Listen. The server closes it.
	Listener net.Listener
	// VisibilityTimeout is how long a read with Foldlog-After may wait; default 5 s. After it the
	// answer is 504.
	VisibilityTimeout time.Duration
	// ReadTimeout is how long a client may take to send a whole request; default 15 s. Half of it,
	// at most 5 s, is for the headers.
	ReadTimeout time.Duration
	// IdleTimeout is how long a connection is kept between requests; default 2 min.
	IdleTimeout time.Duration
	// DrainTimeout is how long Run waits for requests under way when its context ends; default
	// the gateway's patience + 5 s.
	DrainTimeout time.Duration
	// MaxInFlight is how many requests may be under way at once, health and metrics not counted;
	// default 1024. More are answered 429. Each may hold a body of topology.MaxCommandBytes.
	MaxInFlight int
	// ReadyChecks are asked by /readyz, beside the views. The key is the name in the answer. A
	// check returns nil or the reason to wait.
	ReadyChecks map[string]func() error
	// Metrics takes the edge's metrics and is served at /metrics; default a registry of its own.
	Metrics *prometheus.Registry
	// Logger gets failures as errors and warnings, and each request at debug level; default none.
	Logger *slog.Logger
}

// maxHeaderBytes bounds the request's headers. A token of a large topology, in Foldlog-After, must
// fit.
const maxHeaderBytes = 64 << 10

// EnsureDefaults sets each zero field to its default.
func (c *Config) EnsureDefaults() {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:8080")
	c.VisibilityTimeout = cmp.Or(c.VisibilityTimeout, 5*time.Second)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 15*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 2*time.Minute)
	if c.Gateway != nil {
		c.DrainTimeout = cmp.Or(c.DrainTimeout, c.Gateway.Patience()+5*time.Second)
	}
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 1024)
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate returns all that is wrong with the configuration, after EnsureDefaults.
func (c Config) Validate() error {
	var all []error
	if c.Topology == nil || c.Views == nil || c.Gateway == nil {
		all = append(all, errors.New("edge: Topology, Views and Gateway are needed"))
	}
	if c.VisibilityTimeout < 0 || c.ReadTimeout < 0 || c.IdleTimeout < 0 || c.DrainTimeout < 0 {
		all = append(all, errors.New("edge: timeouts must not be negative"))
	}
	if c.MaxInFlight < 1 {
		all = append(all, fmt.Errorf("edge: %d requests in flight: use at least 1", c.MaxInFlight))
	}
	return errors.Join(all...)
}
