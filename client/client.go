package client

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says which server to talk to and how. The zero value of each field but URL means its
// default.
type Config struct {
	// URL is the server's address, such as "http://127.0.0.1:8080".
	URL string
	// HTTPClient sends the requests; default one with room for many connections to the server and
	// Timeout for each attempt.
	HTTPClient *http.Client
	// Header is sent with every request, such as Authorization.
	Header http.Header
	// Timeout bounds one attempt, if HTTPClient is not given; default 30 s. It must be longer than
	// the server's own limits, or answers are thrown away.
	Timeout time.Duration
	// Patience is how long a call is retried altogether; default 1 min, negative means a single
	// attempt.
	Patience time.Duration
}

// EnsureDefaults sets each zero field to its default.
func (c *Config) EnsureDefaults() {
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.Patience = cmp.Or(c.Patience, time.Minute)
	if c.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConns = 0 // as many as there are for the one host
		transport.MaxIdleConnsPerHost = 256
		c.HTTPClient = &http.Client{Transport: transport, Timeout: c.Timeout}
	}
}

// Validate returns all errors of the configuration.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return fmt.Errorf("server URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("server URL %q: use http://host:port", c.URL)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("server URL %q: must end with the host or a path", c.URL)
	case c.Timeout < 0:
		return errors.New("client timeout: must not be negative")
	}
	return nil
}

// Client calls one server. It is safe for concurrent use, and keeps connections open for the next
// call: make one for a server and share it.
type Client struct {
	config Config
	base   string
}

// New returns a client. It does not connect.
func New(config Config) (*Client, error) {
	config.EnsureDefaults()
	if err := config.Validate(); err != nil {
		return nil, err
	}
	return &Client{config: config, base: strings.TrimRight(config.URL, "/")}, nil
}

// path joins encoded parts, so that a key with a slash stays one part.
func path(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString("/" + url.PathEscape(part))
	}
	return b.String()
}
