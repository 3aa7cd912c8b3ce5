package devcluster

import (
	"errors"
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// described returns a topic's settings as a client is told them.
func described(t *testing.T, brokers []string, topic string) map[string]string {
	t.Helper()
	resources, err := admin(t, brokers).DescribeTopicConfigs(soon(t), topic)
	if err != nil || resources[0].Err != nil {
		t.Fatal(err, resources)
	}
	settings := make(map[string]string)
	for _, c := range resources[0].Configs {
		if _, twice := settings[c.Key]; twice {
			t.Errorf("setting %s is described twice", c.Key)
		}
		settings[c.Key] = c.MaybeValue()
	}
	return settings
}

func TestTopicSettingsAreDescribedAsCreated(t *testing.T) {
	dir := t.TempDir()
	c := started(t, dir)
	settings := map[string]map[string]string{
		"kept": {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "message.timestamp.type": "CreateTime",
			"min.insync.replicas": "1", "max.message.bytes": "2097152", "unclean.leader.election.enable": "false"},
		"compacted": {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime", "min.insync.replicas": "2",
			"max.message.bytes": "5000", "unclean.leader.election.enable": "true", "delete.retention.ms": "1000"},
		"expiring": {"cleanup.policy": "compact,delete", "retention.ms": "604800001", "retention.bytes": "1000000"},
	}
	for topic, config := range settings {
		createTopic(t, c.Brokers(), topic, 3, config)
	}
	for range 2 {
		for topic, want := range settings {
			got := described(t, c.Brokers(), topic)
			for name, value := range want {
				if got[name] != value {
					t.Errorf("%s: %s is described as %q, want %q", topic, name, got[name], value)
				}
			}
		}
		closed(t, c)
		c = started(t, dir) // and once more after a restart
	}
}

func TestTopicSettingsInEffectAreDescribed(t *testing.T) {
	config := config(t, t.TempDir())
	config.MaxMessageBytes = 12345
	c, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, c)
	createTopic(t, c.Brokers(), "plain", 1, nil)
	want := map[string]string{
		"cleanup.policy": "delete", "compression.type": "producer", "delete.retention.ms": "86400000", "max.message.bytes": "12345",
		"message.timestamp.type": "CreateTime", "min.insync.replicas": "1", "retention.bytes": "-1", "retention.ms": "-1",
		"segment.bytes": "104857600", "segment.ms": "604800000", "unclean.leader.election.enable": "false",
	}
	if got := described(t, c.Brokers(), "plain"); !maps.Equal(got, want) {
		t.Errorf("settings:\n%v, want\n%v", got, want)
	}

	// A client that asks for one setting is told that one.
	for _, name := range []string{"retention.ms", "unclean.leader.election.enable"} {
		req := kmsg.NewPtrDescribeConfigsRequest()
		resource := kmsg.NewDescribeConfigsRequestResource()
		resource.ResourceType, resource.ResourceName, resource.ConfigNames = kmsg.ConfigResourceTypeTopic, "plain", []string{name}
		req.Resources = append(req.Resources, resource)
		resp, err := req.RequestWith(soon(t), client(t, c.Brokers()))
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Resources[0].Configs; len(got) != 1 || got[0].Name != name || *got[0].Value != want[name] {
			t.Errorf("asked for %s: %+v", name, got)
		}
	}
}

func TestAlteredSettings(t *testing.T) {
	dir := t.TempDir()
	c := started(t, dir)
	createTopic(t, c.Brokers(), "log", 1, map[string]string{"retention.ms": "1000"})
	value := "2000"
	for _, change := range []struct {
		alter kadm.AlterConfig
		want  string
	}{
		{kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}, "2000"},
		{kadm.AlterConfig{Op: kadm.DeleteConfig, Name: "retention.ms"}, "-1"},
	} {
		resp, err := admin(t, c.Brokers()).AlterTopicConfigs(soon(t), []kadm.AlterConfig{change.alter}, "log")
		if err != nil || resp[0].Err != nil {
			t.Fatal(err, resp)
		}
		closed(t, c)
		c = started(t, dir)
		if got := described(t, c.Brokers(), "log")["retention.ms"]; got != change.want {
			t.Errorf("retention.ms is %q after its change and a restart, want %q", got, change.want)
		}
	}
}

func TestMaxMessageBytesIsEnforced(t *testing.T) {
	c := started(t, t.TempDir())
	createTopic(t, c.Brokers(), "small", 1, map[string]string{"max.message.bytes": "2000"})
	createTopic(t, c.Brokers(), "plain", 1, nil)
	producer := client(t, c.Brokers(), noCompression, kgo.ProducerBatchMaxBytes(4<<20))
	for _, test := range []struct {
		topic string
		bytes int
		want  error
	}{
		{"small", 1900, nil},
		{"small", 2001, kerr.MessageTooLarge},
		{"plain", DefaultMaxMessageBytes - 100, nil},
		{"plain", DefaultMaxMessageBytes, kerr.MessageTooLarge},
	} {
		err := producer.ProduceSync(soon(t), &kgo.Record{Topic: test.topic, Value: make([]byte, test.bytes)}).FirstErr()
		if !errors.Is(err, test.want) {
			t.Errorf("%d bytes to %s: %v, want %v", test.bytes, test.topic, err, test.want)
		}
	}
}
