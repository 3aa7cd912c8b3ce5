package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	xdgscram "github.com/xdg-go/scram"

	"github.com/foldlog/foldlog/topology"
)

// sarama has these settings only for the whole process. By default it has no bound on
// decompression. Its own metrics, which nobody reads here, cost several percent of a processor's
// time.
func init() {
	sarama.MaxDecompressedBatchSize = MaxDecompressed
	metrics.UseNilMetrics = true
}

// Franz returns the options of a franz-go client: connection, idempotent production with acks=all
// to the murmur2 partition, no lingering, bounded decompression ([Skip]).
func (c Config) Franz() ([]kgo.Opt, error) {
	c.EnsureDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // nil is Kafka's murmur2
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.WithDecompressor(Decompressor()),
		kgo.ProducerBatchMaxBytes(topology.MaxBatchBytes),
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
		kgo.RetryTimeout(30 * time.Second),
		kgo.RequestRetries(1000), // the time decides
		kgo.RetryBackoffFn(retryPause),
		// A frozen broker takes connections and answers nothing. A client leaves it after this
		// time, and with records after the time of the next line on top. This must be less than
		// callers give one try (a sixth of the engine's patience). Otherwise a whole try is spent
		// on the first broker.
		kgo.DialTimeout(3 * time.Second),
		kgo.RequestTimeoutOverhead(3 * time.Second),
		kgo.ProduceRequestTimeout(5 * time.Second),
		kgo.MetadataMinAge(250 * time.Millisecond),
	}
	tlsConfig, err := c.TLS.Config()
	if err != nil {
		return nil, err
	}
	if tlsConfig != nil {
		opts = append(opts, kgo.DialTLSConfig(tlsConfig))
	}
	switch c.SASL.Mechanism {
	case mechanismPlain:
		opts = append(opts, kgo.SASL(plain.Auth{User: c.SASL.User, Pass: c.SASL.Password}.AsMechanism()))
	case mechanismScram256:
		opts = append(opts, kgo.SASL(scram.Auth{User: c.SASL.User, Pass: c.SASL.Password}.AsSha256Mechanism()))
	case mechanismScram512:
		opts = append(opts, kgo.SASL(scram.Auth{User: c.SASL.User, Pass: c.SASL.Password}.AsSha512Mechanism()))
	}
	return opts, nil
}

func (c Config) client() (*kgo.Client, error) {
	opts, err := c.Franz()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka client for %s: %w", strings.Join(c.Brokers, ","), err)
	}
	return client, nil
}

// retryPause returns the pause before a try. The library's own pauses grow to five seconds, for
// which a partition would stand still although its leader is back. While a broker restarts, a
// transaction meets the wrong coordinator, one that is loading, and closed connections, half a
// dozen times in a row. Pauses of half a second were most of the time that this took. The pause is
// random, so that not all clients come at once.
func retryPause(tries int) time.Duration {
	const shortest, longest = 25 * time.Millisecond, 150 * time.Millisecond
	pause := min(shortest<<min(max(tries-1, 0), 4), longest)
	return pause*3/4 + rand.N(pause/2)
}

// Sarama returns a configuration for sarama as Goka uses it, with the safe settings that are not
// its defaults: read_committed, no skipping to the newest offset, idempotent production with
// acks=all, bounded decompression. Each call returns a configuration of its own, since Goka changes
// it.
func (c Config) Sarama() (*sarama.Config, error) {
	c.EnsureDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := sarama.NewConfig()
	s.ClientID = c.ClientID
	s.Version = sarama.V2_8_0_0 // below 2.5 offset commits carry no generation
	s.Consumer.IsolationLevel = sarama.ReadCommitted
	s.Consumer.Return.Errors = true
	s.Consumer.Offsets.Initial = sarama.OffsetOldest
	s.Consumer.Group.ResetInvalidOffsets = false
	s.Consumer.Group.Rebalance.Timeout = 2 * time.Minute // recovery runs inside it
	s.Consumer.Group.Session.Timeout = 10 * time.Second
	s.Consumer.Group.Heartbeat.Interval = 3 * time.Second
	s.Consumer.MaxWaitTime = 250 * time.Millisecond // an idle fetch; data is sent at once
	s.Consumer.MaxProcessingTime = time.Minute
	s.Consumer.Retry.Backoff = 250 * time.Millisecond
	s.Net.DialTimeout = 10 * time.Second
	s.Net.ReadTimeout = 25 * time.Second
	s.Net.WriteTimeout = 25 * time.Second
	s.Metadata.AllowAutoTopicCreation = false
	s.Metadata.Retry.Max = 60
	s.Metadata.Retry.Backoff = 500 * time.Millisecond
	s.Producer.Idempotent = true
	s.Producer.RequiredAcks = sarama.WaitForAll
	s.Producer.Retry.Max = 60
	s.Producer.Retry.Backoff = 500 * time.Millisecond
	s.Net.MaxOpenRequests = 1
	s.Producer.MaxMessageBytes = topology.MaxBatchBytes
	s.Producer.Compression = sarama.CompressionSnappy
	s.Producer.Return.Successes = true
	s.Producer.Return.Errors = true
	tlsConfig, err := c.TLS.Config()
	if err != nil {
		return nil, err
	}
	s.Net.TLS.Enable, s.Net.TLS.Config = tlsConfig != nil, tlsConfig
	if c.SASL.Mechanism != "" {
		s.Net.SASL.Enable = true
		s.Net.SASL.Mechanism = sarama.SASLMechanism(c.SASL.Mechanism)
		s.Net.SASL.User, s.Net.SASL.Password = c.SASL.User, c.SASL.Password
		s.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient {
			hash := xdgscram.SHA256
			if c.SASL.Mechanism == mechanismScram512 {
				hash = xdgscram.SHA512
			}
			return &scramClient{hash: hash}
		}
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("sarama configuration: %w", err)
	}
	return s, nil
}

// scramClient speaks SCRAM for sarama, which brings no implementation.
type scramClient struct {
	hash         xdgscram.HashGeneratorFcn
	conversation *xdgscram.ClientConversation
}

func (c *scramClient) Begin(user, password, authzID string) error {
	client, err := c.hash.NewClient(user, password, authzID)
	if err != nil {
		return err
	}
	c.conversation = client.NewConversation()
	return nil
}

func (c *scramClient) Step(challenge string) (string, error) { return c.conversation.Step(challenge) }

func (c *scramClient) Done() bool { return c.conversation.Done() }

// PingTimeout bounds how long [Ping] waits for an answer of any broker.
const PingTimeout = 5 * time.Second

// Ping returns nil, or says that no broker answers and what to do.
func Ping(ctx context.Context, c Config) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.Close()
	bounded, cancel := context.WithTimeout(ctx, PingTimeout)
	defer cancel()
	if err := client.Ping(bounded); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("no answer from Kafka at %s: is it running, and does --brokers name it? (%w)", strings.Join(c.Brokers, ","), err)
	}
	return nil
}
