package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/schemas"
)

// pingTimeout bounds how long a command waits for an answer of any broker before it says that there
// is none.
const pingTimeout = 5 * time.Second

// clusterConfig returns how to reach Kafka, checked.
func (c *Context) clusterConfig() (cluster.Config, error) {
	brokers, err := c.brokers()
	if err != nil {
		return cluster.Config{}, err
	}
	config := cluster.Config{
		Brokers: brokers,
		TLS: cluster.TLS{
			Enabled:    c.yes("kafka-tls"),
			CAFile:     c.text("kafka-tls-ca"),
			CertFile:   c.text("kafka-tls-cert"),
			KeyFile:    c.text("kafka-tls-key"),
			ServerName: c.text("kafka-tls-server-name"),
		},
		SASL: cluster.SASL{
			Mechanism: c.text("kafka-sasl-mechanism"),
			User:      c.text("kafka-sasl-user"),
			Password:  c.config.secret("kafka-sasl-password"),
		},
	}
	config.EnsureDefaults()
	if err := config.Validate(); err != nil {
		return config, Usage("%w", err)
	}
	if _, err := config.TLS.Config(); err != nil {
		return config, Usage("%w", err)
	}
	return config, nil
}

// ping returns nil or says that no broker answers and what to do.
func ping(ctx context.Context, config cluster.Config) error {
	opts, err := config.Franz()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("kafka client: %w", err)
	}
	defer client.Close()
	bounded, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := client.Ping(bounded); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return Infrastructure("no answer from Kafka at %s: is it running, and does --brokers name it? (%w)", strings.Join(config.Brokers, ","), err)
	}
	return nil
}

// registryConfig returns how to reach the schema registry, checked.
func (c *Context) registryConfig() (schemas.Config, error) {
	address, err := c.httpURL("registry")
	if err != nil {
		return schemas.Config{}, err
	}
	config := schemas.Config{URL: address, User: c.text("registry-user"), Password: c.config.secret("registry-password")}
	if file := c.text("registry-tls-ca"); file != "" {
		if config.TLS, err = (cluster.TLS{Enabled: true, CAFile: file}).Config(); err != nil {
			return config, Usage("schema registry: %w", err)
		}
	}
	return config, nil
}
