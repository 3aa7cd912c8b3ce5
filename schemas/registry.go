package schemas

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/riferrei/srclient"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/foldlog/foldlog/internal/address"
	"github.com/foldlog/foldlog/internal/avro"
)

// Config says how to reach a schema registry with Confluent's HTTP interface.
type Config struct {
	// URL is the registry's base URL, such as "http://localhost:8081" or
	// "https://host/apis/ccompat/v7". EnsureDefaults moves a user and a password in it to User and
	// Password, since the URL stands in errors, in the log and in dead letters.
	URL string
	// User and Password are sent as HTTP basic authentication if User is not empty.
	User     string
	Password string
	// TLS is the configuration for https; nil means Go's defaults.
	TLS *tls.Config
	// Timeout bounds one request; default 5 s.
	Timeout time.Duration
	// UnknownIDFor is the time for which the answer that an id is unknown is remembered. So a flood
	// of records with made-up ids does not become a flood of requests. Default 500 ms. Outages are
	// never remembered. If more than unknownPerSecond ids turn out to be unknown, further ones
	// count as unknown without a request for a while.
	UnknownIDFor time.Duration
}

// EnsureDefaults sets each zero field to its default, and takes secrets out of the URL.
func (c *Config) EnsureDefaults() {
	address, user, password := address.SplitUser(c.URL)
	if c.URL = address; c.User == "" {
		c.User, c.Password = user, password
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.UnknownIDFor == 0 {
		c.UnknownIDFor = 500 * time.Millisecond
	}
}

// Registry is a client of a schema registry. Answers are cached for ever, since neither an id nor a
// registered schema changes its meaning. So an outage does not affect records whose schema was seen
// before. It is safe for concurrent use.
type Registry struct {
	client  *srclient.SchemaRegistryClient
	log     *slog.Logger
	config  Config
	flights singleflight.Group

	unknown *rate.Limiter // of answers that an id is unknown

	mu      sync.RWMutex
	texts   map[int]string           // id -> schema
	refused map[int]refusal          // id -> a remembered answer that there is no such schema
	ids     map[registeredSchema]int // registered here -> id
}

type registeredSchema struct{ subject, text string }

type refusal struct {
	err   error
	until time.Time
}

// unknownPerSecond is the number of unknown ids that are asked for in a second, once a burst of
// four times as many was. A flood of made-up ids costs a request each, for which everything behind
// them waits.
const unknownPerSecond = 50

// maxRefused bounds the memory for unknown ids.
const maxRefused = 1024

// New returns a client. It sends nothing yet.
func New(config Config, logger *slog.Logger) *Registry {
	config.EnsureDefaults()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config.TLS
	client := srclient.NewSchemaRegistryClient(strings.TrimRight(config.URL, "/"), srclient.WithClient(&http.Client{
		Timeout:   config.Timeout,
		Transport: &roundTripper{next: transport, user: config.User, password: config.Password},
	}))
	// The client's own cache would keep ids and versions without their subject's context; ours is
	// below.
	client.CachingEnabled(false)
	return &Registry{
		client: client, log: logger, config: config, unknown: rate.NewLimiter(unknownPerSecond, 4*unknownPerSecond),
		texts: map[int]string{}, refused: map[int]refusal{}, ids: map[registeredSchema]int{},
	}
}

// Schema returns the schema with that id. The error wraps [ErrUnavailable] (try again),
// [ErrUnknownID] or [ErrNotAvro]. Callers that ask for the same id at the same time share one
// request, and each stops waiting when its own context ends.
func (r *Registry) Schema(ctx context.Context, id int) (string, error) {
	r.mu.RLock()
	text, known := r.texts[id]
	refused, wasRefused := r.refused[id]
	r.mu.RUnlock()
	if known {
		return text, nil
	}
	if wasRefused && time.Now().Before(refused.until) {
		return "", refused.err
	}
	if id <= 0 || id > math.MaxInt32 {
		return "", fmt.Errorf("schema id %d: %w", id, ErrUnknownID) // no registry gives such ids
	}
	if r.unknown.Tokens() < 1 {
		return "", fmt.Errorf("schema id %d was not asked for, since too many ids were unknown just now: %w", id, ErrUnknownID)
	}
	got, err := r.shared(ctx, "id "+strconv.Itoa(id), func() (any, error) { return r.fetch(id) })
	if err != nil {
		return "", fmt.Errorf("schema id %d at %s: %w", id, r.config.URL, err)
	}
	return got.(string), nil
}

func (r *Registry) fetch(id int) (string, error) {
	r.mu.RLock()
	text, known := r.texts[id]
	r.mu.RUnlock()
	if known { // somebody else's request ended just after we had looked
		return text, nil
	}
	s, err := r.client.GetSchema(id)
	if err != nil {
		if err = classify(err); !errors.Is(err, ErrUnknownID) && !errors.Is(err, ErrUnavailable) {
			// The answer was not about this id.
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	} else if err = selfContained(s); err == nil && s.Schema() == "" {
		err = fmt.Errorf("%w: it answered without a schema", ErrUnavailable)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.texts[id] = s.Schema()
		delete(r.refused, id)
		return s.Schema(), nil
	case !errors.Is(err, ErrUnavailable):
		r.unknown.Allow()
		if len(r.refused) >= maxRefused {
			clear(r.refused)
		}
		r.refused[id] = refusal{fmt.Errorf("schema id %d at %s: %w", id, r.config.URL, err), time.Now().Add(r.config.UnknownIDFor)}
	}
	return "", err
}

func selfContained(s *srclient.Schema) error {
	if t := s.SchemaType(); t != nil && *t != "" && *t != srclient.Avro {
		return fmt.Errorf("its type is %s: %w", *t, ErrNotAvro)
	}
	if len(s.References()) > 0 {
		return fmt.Errorf("it refers to %d other schemas: %w", len(s.References()), ErrNotAvro)
	}
	return nil
}

// shared runs the call once for all callers with the same key at the same time. The client's
// timeout bounds the call, so it outlives the context of the caller that started it: the others
// still want its answer.
func (r *Registry) shared(ctx context.Context, key string, call func() (any, error)) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	select {
	case result := <-r.flights.DoChan(key, call):
		return result.Val, result.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

// Register makes sure that the subject demands BACKWARD_TRANSITIVE compatibility and has the
// schema, and returns the schema's id. The error wraps [ErrUnavailable] (try again),
// [ErrIncompatible] or [ErrInvalid], with the registry's own words.
func (r *Registry) Register(ctx context.Context, subject, schema string) (int, error) {
	key := registeredSchema{subject, schema}
	r.mu.RLock()
	id, known := r.ids[key]
	r.mu.RUnlock()
	if known {
		return id, nil
	}
	got, err := r.shared(ctx, "subject "+subject+" "+schema, func() (any, error) { return r.register(key) })
	if err != nil {
		return 0, fmt.Errorf("register schema of subject %s at %s: %w", subject, r.config.URL, err)
	}
	return got.(int), nil
}

func (r *Registry) register(key registeredSchema) (int, error) {
	wanted, err := avro.Parse(key.text)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	pending, err := r.demandCompatibility(key.subject)
	if err != nil {
		return 0, err
	}
	s, err := r.client.CreateSchema(key.subject, key.text, srclient.Avro)
	if err != nil {
		// Another process that starts at the same time may have been faster. Some registries answer
		// with a conflict then.
		there, lookupErr := r.client.LookupSchema(key.subject, key.text, srclient.Avro)
		if lookupErr != nil {
			return 0, classify(err)
		}
		s = there
	}
	if pending {
		if _, err = r.demandCompatibility(key.subject); err != nil {
			return 0, err
		}
	}
	// Some registries answer with an older schema that differs only in documentation or aliases.
	// Its data look the same, so that is as good. Any other schema would make every record
	// unreadable.
	stored, err := avro.Parse(s.Schema())
	if err != nil || stored.Fingerprint != wanted.Fingerprint {
		return 0, fmt.Errorf("%w: it answered with id %d, whose schema is another one; look at the registry's own data", ErrInvalid, s.ID())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids[key] = s.ID()
	r.texts[s.ID()] = s.Schema()
	r.log.Debug("schema registered", "subject", key.subject, "id", s.ID())
	return s.ID(), nil
}

// demandCompatibility sets the subject's level if it differs. It reports pending if the registry
// cannot hold the level of a subject without schemas (Apicurio).
func (r *Registry) demandCompatibility(subject string) (pending bool, err error) {
	level, err := r.client.GetCompatibilityLevel(subject, false)
	if err != nil {
		var answered *statusError
		if !errors.As(err, &answered) || answered.status != http.StatusNotFound {
			return false, classify(err)
		}
	}
	if err == nil && *level == srclient.BackwardTransitive {
		return false, nil
	}
	_, err = r.client.ChangeSubjectCompatibilityLevel(subject, srclient.BackwardTransitive)
	var answered *statusError
	if errors.As(err, &answered) && answered.status == http.StatusNotFound {
		return true, nil
	}
	if err == nil {
		return false, nil
	}
	// Another process that starts at the same time may have been faster: Apicurio answers 409 then.
	if level, readErr := r.client.GetCompatibilityLevel(subject, false); readErr == nil && *level == srclient.BackwardTransitive {
		return false, nil
	}
	// Another process is changing it; no schema is in question yet.
	if answered != nil && answered.status == http.StatusConflict {
		return false, fmt.Errorf("set compatibility BACKWARD_TRANSITIVE: %w: %w", ErrUnavailable, answered)
	}
	return false, fmt.Errorf("set compatibility BACKWARD_TRANSITIVE: %w", classify(err))
}
