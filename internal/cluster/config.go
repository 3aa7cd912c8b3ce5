package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/foldlog/foldlog/internal/address"
)

// Config says how to reach a Kafka cluster. The zero value of each field but Brokers means its
// default.
type Config struct {
	// Brokers are the bootstrap addresses, host:port.
	Brokers []string
	// ClientID is the name that brokers show in logs and quotas; default "foldlog".
	ClientID string
	TLS      TLS
	SASL     SASL
}

// TLS says whether and how connections are encrypted.
type TLS struct {
	Enabled bool
	// CAFile has the PEM certificates to trust; default the system's.
	CAFile string
	// CertFile and KeyFile have the client's own certificate and key in PEM, for mutual TLS.
	CertFile, KeyFile string
	// ServerName overrides the name that the brokers' certificates must have.
	ServerName string
}

// SASL says how to log in.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty means no login.
	Mechanism      string
	User, Password string
}

// EnsureDefaults sets each zero field to its default.
func (c *Config) EnsureDefaults() {
	if c.ClientID == "" {
		c.ClientID = "foldlog"
	}
	c.SASL.Mechanism = strings.ToUpper(c.SASL.Mechanism)
}

// Validate returns all that is wrong with the configuration, after EnsureDefaults.
func (c Config) Validate() error {
	var all []error
	if len(c.Brokers) == 0 {
		all = append(all, errors.New("no brokers: set --brokers to host:port, or several with commas in between"))
	}
	for _, broker := range c.Brokers {
		if strings.Contains(broker, "@") {
			all = append(all, fmt.Errorf("--brokers %q: use host:port; the user and the password have settings of their own", address.Redact(broker)))
		}
	}
	switch c.SASL.Mechanism {
	case "":
		if c.SASL.User != "" || c.SASL.Password != "" {
			all = append(all, errors.New("kafka user or password without a mechanism: set it to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"))
		}
	case mechanismPlain, mechanismScram256, mechanismScram512:
		if c.SASL.User == "" || c.SASL.Password == "" {
			all = append(all, fmt.Errorf("kafka login by %s needs a user and a password", c.SASL.Mechanism))
		}
	default:
		all = append(all, fmt.Errorf("kafka login mechanism %q: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", c.SASL.Mechanism))
	}
	if !c.TLS.Enabled && c.TLS != (TLS{}) {
		all = append(all, errors.New("kafka TLS files are set but TLS is not enabled"))
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		all = append(all, errors.New("kafka TLS: set the client's certificate and key together"))
	}
	return errors.Join(all...)
}

const (
	mechanismPlain    = "PLAIN"
	mechanismScram256 = "SCRAM-SHA-256"
	mechanismScram512 = "SCRAM-SHA-512"
)

// Config returns the TLS configuration, or nil if TLS is off.
func (t TLS) Config() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the TLS certificates to trust: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the TLS certificates to trust: %s has no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client's TLS certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return config, nil
}
