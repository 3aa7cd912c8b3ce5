package cli

import (
	"github.com/foldlog/foldlog/internal/address"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/schemas"
)

// clusterConfig returns how to reach Kafka, checked.
func (c *Context) clusterConfig() (cluster.Config, error) {
	brokers := c.list("brokers")
	if len(brokers) == 0 {
		return cluster.Config{}, Usage("no brokers: give --brokers host:port,...")
	}
	for _, b := range brokers {
		if err := address.CheckHostPort("brokers", b); err != nil {
			return cluster.Config{}, Usage("%w", err)
		}
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

// registryConfig returns how to reach the schema registry, checked.
func (c *Context) registryConfig() (schemas.Config, error) {
	registry, err := c.httpURL("registry")
	if err != nil {
		return schemas.Config{}, err
	}
	config := schemas.Config{URL: registry, User: c.text("registry-user"), Password: c.config.secret("registry-password")}
	if file := c.text("registry-tls-ca"); file != "" {
		if config.TLS, err = (cluster.TLS{Enabled: true, CAFile: file}).Config(); err != nil {
			return config, Usage("schema registry: %w", err)
		}
	}
	return config, nil
}
