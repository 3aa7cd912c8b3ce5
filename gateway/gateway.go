package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/topology"
)

// Errors of [Gateway.Send], beside rejections.
var (
	// ErrNothingWritten says that a command is not in the log and will not get there.
	ErrNothingWritten = errors.New("nothing was written to the log")
	// ErrMayBeWritten says that nobody knows whether a command is in the log.
	ErrMayBeWritten = errors.New("the command may have been written to the log")
	// ErrNoOutcome says that a command is in the log, and that its outcome did not come in time.
	ErrNoOutcome = errors.New("the command is in the log, but no outcome came in time: are the processors running?")
	// ErrTooLarge is the rejection of a command that is too large for the log.
	ErrTooLarge = foldlog.Reject(foldlog.CodeTooLarge, "the command is larger than %d bytes", topology.MaxCommandBytes)
)

// Config names the commands that a [Gateway] takes and the log that it writes to.
type Config struct {
	Topology *topology.Topology
	Names    topology.Names
	Codecs   *codecs.Codecs
	Cluster  cluster.Config
	// Expect registers for the outcome of a command before it is written. It must work until the
	// last Send has returned.
	Expect func(aggregate, aggregateID, commandID string) Expectation
	// Patience is how long Send may take, the writing included; default 10 s, at least 2 s. A
	// command that cannot be written is given up after half of it.
	Patience time.Duration
}

// Expectation waits for the outcome of one command.
type Expectation interface {
	// Wait returns the outcome of the command that stands at that position. If ctx ends first, the
	// error wraps the cause.
	Wait(ctx context.Context, at foldlog.Position) (foldlog.Outcome, error)
	Close()
}

// EnsureDefaults sets each zero field to its default.
func (c *Config) EnsureDefaults() {
	if c.Patience == 0 {
		c.Patience = 10 * time.Second
	}
}

// Validate returns all that is wrong with the configuration, after EnsureDefaults.
func (c Config) Validate() error {
	var all []error
	if c.Topology == nil || c.Codecs == nil || c.Expect == nil {
		all = append(all, errors.New("gateway: Topology, Codecs and Expect are needed"))
	}
	if c.Patience < 2*time.Second {
		all = append(all, fmt.Errorf("gateway: patience %s: use at least 2 s", c.Patience))
	}
	return errors.Join(append(all, c.Cluster.Validate())...)
}

// Gateway sends the commands of one topology. It is safe for concurrent use.
type Gateway struct {
	config   Config
	producer *producer
}

// New checks the configuration. It connects lazily: an unreachable cluster is found by the first
// command. Close must follow.
func New(config Config) (*Gateway, error) {
	config.EnsureDefaults()
	if err := config.Validate(); err != nil {
		return nil, err
	}
	p, err := newProducer(config.Cluster, config.Patience/2)
	if err != nil {
		return nil, err
	}
	return &Gateway{config: config, producer: p}, nil
}

// Patience is how long Send may take.
func (g *Gateway) Patience() time.Duration { return g.config.Patience }

// Close gives up the writes that are still under way.
func (g *Gateway) Close() { g.producer.close() }

// Send writes the command and returns the outcome that answers it; a refusal is an outcome, too.
//
// A [foldlog.Rejection] as the error means that the command is not fit to be written: it is not
// declared, an id or a field is wrong, or it is [ErrTooLarge]. Other errors wrap
// [ErrNothingWritten], [ErrMayBeWritten] or [ErrNoOutcome], or are defects.
func (g *Gateway) Send(ctx context.Context, command Command) (foldlog.Outcome, error) {
	record, err := g.record(command)
	if err != nil {
		return foldlog.Outcome{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, g.config.Patience)
	defer cancel()
	expectation := g.config.Expect(command.Aggregate, command.ID, command.CommandID)
	defer expectation.Close()
	if err := g.producer.append(ctx, record); err != nil {
		return foldlog.Outcome{}, err
	}
	at := foldlog.Position{Aggregate: command.Aggregate, Partition: record.Partition, Offset: record.Offset}
	outcome, err := expectation.Wait(ctx, at)
	if err != nil {
		return foldlog.Outcome{}, fmt.Errorf("%w: %w", ErrNoOutcome, err)
	}
	return outcome, nil
}
