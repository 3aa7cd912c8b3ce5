package cli

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/gateway"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/schemas"
)

// outcomePatience is how long a command may wait for its outcome.
const outcomePatience = time.Minute

// Gateway returns a gateway that sends commands straight through Kafka, without the HTTP interface.
// It needs the flags [KafkaFlags], [RegistryFlags] and [NameFlags]. The returned function frees it.
func (c *Context) Gateway(ctx context.Context) (*gateway.Gateway, func(), error) {
	kafka, err := c.clusterConfig()
	if err != nil {
		return nil, nil, err
	}
	registry, err := c.registryConfig()
	if err != nil {
		return nil, nil, err
	}
	if err := cluster.Ping(ctx, kafka); err != nil {
		return nil, nil, err
	}
	codec, err := c.codecs(ctx, registry)
	if err != nil {
		return nil, nil, err
	}
	config := gateway.Config{Topology: c.App.Topology, Names: c.Names(), Codecs: codec, Cluster: kafka, Patience: outcomePatience}
	tail, err := gateway.OpenTail(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	config.Expect = tail.Expect
	g, err := gateway.New(config)
	if err != nil {
		tail.Close()
		return nil, nil, err
	}
	return g, func() { tail.Close(); g.Close() }, nil
}

// registryPatience bounds how long a registry that answers may take for all schemas.
const registryPatience = time.Minute

// codecs waits a moment for the registry to answer at all, not for ever: a person is waiting.
func (c *Context) codecs(ctx context.Context, config schemas.Config) (*codecs.Codecs, error) {
	set, err := schemas.Load(c.App.Schemas, c.App.Topology)
	if err != nil {
		return nil, Finding("%w", err)
	}
	registry := schemas.New(config, c.Logger)
	answers, cancel := context.WithTimeout(ctx, cluster.PingTimeout)
	defer cancel()
	_, err = registry.Registered(answers, set.Subjects(c.Names())[0].Name, math.MaxInt)
	var codec *codecs.Codecs
	if err == nil {
		bounded, cancel := context.WithTimeout(ctx, registryPatience)
		defer cancel()
		codec, err = codecs.New(bounded, c.App.Topology, c.Names(), set, registry, c.Logger)
	}
	if errors.Is(err, schemas.ErrUnavailable) && ctx.Err() == nil {
		return nil, Infrastructure("no answer from the schema registry at %s: is it running, and does --registry name it? (%w)", config.URL, err)
	}
	if errors.Is(err, codecs.ErrNewerSchema) {
		return nil, Finding("%w", err)
	}
	return codec, err
}
