package devcluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"syscall"
)

// Cluster is a running broker and registry. Its methods are safe for concurrent use.
type Cluster struct {
	broker    *broker
	registry  *registryServer
	lock      *dirLock
	whole     bool // what is in the directory needs no recovery
	closeOnce sync.Once
	closeErr  error
}

// Start starts the broker and the registry on the data directory, with everything that an earlier
// run left there. It returns when both answer. They run until Close; ctx only bounds the start.
//
// It fails when the directory is in use (ErrLocked), a port is taken, or the stored data cannot be
// read.
func Start(ctx context.Context, c Config) (*Cluster, error) {
	c.EnsureDefaults()
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("devcluster: configuration: %w", err)
	}
	cluster := &Cluster{}
	if err := cluster.start(ctx, c); err != nil {
		return nil, errors.Join(fmt.Errorf("devcluster: start: %w", err), cluster.Close())
	}
	c.Logger.Info("devcluster started", "kafka", cluster.Brokers()[0], "registry", cluster.RegistryURL(), "dir", c.Dir)
	return cluster, nil
}

func (c *Cluster) start(ctx context.Context, config Config) (err error) {
	if c.lock, err = lockDir(config.Dir); err != nil {
		return err
	}
	if c.lock.killed {
		config.Logger.Info("the last run did not end properly: its data are recovered", "dir", config.Dir)
		if err := recoverKafka(filepath.Join(config.Dir, kafkaDir), filepath.Join(config.Dir, commitFile), config.Logger); err != nil {
			return err
		}
	}
	c.whole = true
	kafka, err := listen(ctx, config.KafkaListen, "Kafka", "KafkaListen")
	if err != nil {
		return err
	}
	registry, err := listen(ctx, config.RegistryListen, "schema registry", "RegistryListen")
	if err != nil {
		return errors.Join(err, kafka.Close())
	}
	journal := filepath.Join(config.Dir, registryFile)
	if c.registry, err = startRegistry(registry, journal, config.Logger); err != nil {
		return errors.Join(err, kafka.Close(), registry.Close())
	}
	if c.broker, err = startBroker(kafka, config); err != nil {
		_ = kafka.Close() // it may be closed already
		return err
	}
	return ctx.Err()
}

func listen(ctx context.Context, address, what, setting string) (net.Listener, error) {
	address, err := listenAddress(address)
	if err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(address)
		return nil, fmt.Errorf("%s port %s is in use (%s): stop what listens there, or set %s to another address", what, port, address, setting)
	}
	if err != nil {
		return nil, fmt.Errorf("listen for %s on %s (setting %s): %w", what, address, setting, err)
	}
	return l, nil
}

// Brokers returns the broker's address, host:port, in the form that Kafka clients take as their
// bootstrap servers.
func (c *Cluster) Brokers() []string { return []string{c.broker.address} }

// RegistryURL returns the schema registry's base URL, without a slash at its end.
func (c *Cluster) RegistryURL() string { return "http://" + c.registry.address }

// Close stops the registry and the broker and saves the broker's memory. It returns the errors of
// saving. Clients see their connections end. Further calls do nothing and return the first call's
// error.
func (c *Cluster) Close() error {
	c.closeOnce.Do(func() {
		var all []error
		if c.registry != nil {
			all = append(all, c.registry.close())
		}
		if c.broker != nil {
			err := c.broker.close()
			all = append(all, err)
			c.whole = err == nil
		}
		if c.lock != nil {
			all = append(all, c.lock.release(c.whole))
		}
		if err := errors.Join(all...); err != nil {
			c.closeErr = fmt.Errorf("devcluster: close: %w", err)
		}
	})
	return c.closeErr
}
