package devcluster

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
)

// Defaults of Config.
const (
	DefaultKafkaListen    = "127.0.0.1:9092"
	DefaultRegistryListen = "127.0.0.1:8081"
	// DefaultMaxMessageBytes is Apache Kafka's default of message.max.bytes.
	DefaultMaxMessageBytes = 1048588
)

// Config says where the cluster keeps its data and where it listens. The zero value of each field
// but Dir means its default.
type Config struct {
	// Dir is the data directory; required. It is created with mode 0700. Who can read it can read
	// every record.
	Dir string
	// KafkaListen is the broker's address, host:port; default "127.0.0.1:9092". Port 0 takes any
	// free port; no host means 127.0.0.1. Clients are told to connect to the same address, so they
	// must be able to reach it: 0.0.0.0 and :: are refused. There is no authentication.
	KafkaListen string
	// RegistryListen is the schema registry's address, host:port; default "127.0.0.1:8081". The
	// rules are those of KafkaListen.
	RegistryListen string
	// MaxMessageBytes is the broker's message.max.bytes: the largest record batch of a topic
	// without max.message.bytes of its own. Default 1048588, as in Apache Kafka.
	MaxMessageBytes int
	// SyncWrites flushes every append to the disk before it is acknowledged, so that a power
	// failure loses nothing; kill -9 does not need it. Default off, as in Apache Kafka. With it,
	// producing one record at a time is about ten times slower.
	SyncWrites bool
	// Logger receives the log of the broker and the registry; default none.
	Logger *slog.Logger
}

// EnsureDefaults sets each zero field to its default.
func (c *Config) EnsureDefaults() {
	c.KafkaListen = cmp.Or(c.KafkaListen, DefaultKafkaListen)
	c.RegistryListen = cmp.Or(c.RegistryListen, DefaultRegistryListen)
	c.MaxMessageBytes = cmp.Or(c.MaxMessageBytes, DefaultMaxMessageBytes)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate returns all that is wrong with the configuration, after EnsureDefaults.
func (c Config) Validate() error {
	var all []error
	if c.Dir == "" {
		all = append(all, errors.New("no data directory: set Dir"))
	}
	if _, err := listenAddress(c.KafkaListen); err != nil {
		all = append(all, fmt.Errorf("KafkaListen: %w", err))
	}
	if _, err := listenAddress(c.RegistryListen); err != nil {
		all = append(all, fmt.Errorf("RegistryListen: %w", err))
	}
	if c.MaxMessageBytes < 1024 || c.MaxMessageBytes > maxRequestBytes {
		all = append(all, fmt.Errorf("MaxMessageBytes %d: use 1024 to %d bytes", c.MaxMessageBytes, maxRequestBytes))
	}
	return errors.Join(all...)
}

// listenAddress checks a host:port and fills in loopback if there is no host.
func listenAddress(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%q is not host:port: %w", address, err)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("%q: port %q is not a number from 0 to 65535", address, port)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return "", fmt.Errorf("%q: clients are told to connect to this very address: name one that they can reach", address)
	}
	return net.JoinHostPort(host, port), nil
}
