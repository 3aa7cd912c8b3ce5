package exactlyonce

import (
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/foldlog/foldlog/internal/cluster"
)

func testConfig() Config {
	c := Config{Cluster: cluster.Config{Brokers: []string{"127.0.0.1:1"}}, DataDir: "/nowhere", Instance: "a"}
	c.EnsureDefaults()
	return c
}

func TestDefaultsAreValid(t *testing.T) {
	c := testConfig()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if _, err := saramaConfig(c, "g", newBalance(nil)); err != nil {
		t.Error(err)
	}
}

func TestConfigurationThatWouldFailLaterIsRefused(t *testing.T) {
	for want, spoil := range map[string]func(*Config){
		"instance":            func(c *Config) { c.Instance = "a b" },
		"unique":              func(c *Config) { c.Instance = "" },
		"data directory":      func(c *Config) { c.DataDir = "" },
		"session timeout":     func(c *Config) { c.SessionTimeout = time.Second },
		"heartbeat":           func(c *Config) { c.HeartbeatInterval = 5 * time.Second },
		"rebalance timeout":   func(c *Config) { c.RebalanceTimeout = time.Second },
		"transaction timeout": func(c *Config) { c.TransactionTimeout = time.Second },
		"patience":            func(c *Config) { c.Patience = c.TransactionTimeout },
		"no brokers":          func(c *Config) { c.Cluster.Brokers = nil },
	} {
		c := testConfig()
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Each of these would go wrong without a word.
func TestSilentlyWrongSaramaSettingsAreRefused(t *testing.T) {
	for want, spoil := range map[string]func(*sarama.Config){
		"Version":             func(s *sarama.Config) { s.Version = sarama.V2_0_0_0 },
		"IsolationLevel":      func(s *sarama.Config) { s.Consumer.IsolationLevel = sarama.ReadUncommitted },
		"Initial":             func(s *sarama.Config) { s.Consumer.Offsets.Initial = sarama.OffsetNewest },
		"AutoCommit":          func(s *sarama.Config) { s.Consumer.Offsets.AutoCommit.Enable = true },
		"ResetInvalidOffsets": func(s *sarama.Config) { s.Consumer.Group.ResetInvalidOffsets = true },
		"InstanceId":          func(s *sarama.Config) { s.Consumer.Group.InstanceId = "" },
		"Session.Timeout":     func(s *sarama.Config) { s.Consumer.Group.Session.Timeout = time.Second },
		"Metadata.Retry":      func(s *sarama.Config) { s.Metadata.Retry.Max = 3 },
		"Net.ReadTimeout":     func(s *sarama.Config) { s.Net.ReadTimeout = time.Minute },
		"AutoTopicCreation":   func(s *sarama.Config) { s.Metadata.AllowAutoTopicCreation = true },
		"balance strategy":    func(s *sarama.Config) { s.Consumer.Group.Rebalance.GroupStrategies = nil },
	} {
		c := testConfig()
		s, err := saramaConfig(c, "g", newBalance(nil))
		if err != nil {
			t.Fatal(err)
		}
		spoil(s)
		if err := assertSarama(s, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestSilentlyWrongProducerSettingsAreRefused(t *testing.T) {
	c := testConfig()
	for p, other := range map[protocol]protocol{transactionsV1: transactionsV2, transactionsV2: transactionsV1} {
		good, err := producerOptions(c, "id", p)
		if err != nil {
			t.Fatal(err)
		}
		for want, more := range map[string][]kgo.Opt{
			"delivery timeout": {kgo.RecordDeliveryTimeout(time.Minute)},
			"":                 nil,
			"Produce":          {kgo.MaxVersions(kversion.Stable())},
			"EndTxn":           {kgo.MaxVersions(other.versions())},
		} {
			client, err := kgo.NewClient(append(good, more...)...)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			err = assertProducer(client, p)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s, %q: %v", p, want, err)
			}
		}
	}
}

func TestSilentlyWrongFetchSettingsAreRefused(t *testing.T) {
	c := testConfig()
	good, err := fetchOptions(c, "topic", map[int32]kgo.Offset{0: kgo.NewOffset().At(3)})
	if err != nil {
		t.Fatal(err)
	}
	for want, more := range map[string][]kgo.Opt{
		"":               nil,
		"read_committed": {kgo.FetchIsolationLevel(kgo.ReadUncommitted())},
		"out of range":   {kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())},
	} {
		client, err := kgo.NewClient(append(good, more...)...)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		err = assertFetch(client)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
