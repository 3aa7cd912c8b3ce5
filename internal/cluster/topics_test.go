package cluster

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/topology"
)

var (
	lamps    = topology.New("lamps", topology.Aggregate("lamp", foldlog.Decider[int, any, any]{}, topology.Commands(), topology.Events()))
	settings = topology.Settings{Partitions: 1, ReplicationFactor: 1}
)

func startBrokers(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	brokers, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(brokers.Close)
	return brokers
}

// A new topic reaches the brokers one after another: which answers the next question is chance.
func TestTopicsThatOneBrokerDoesNotKnowYet(t *testing.T) {
	brokers := startBrokers(t, kfake.NumBrokers(1))
	asked := 0
	brokers.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		if asked++; asked%2 == 1 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, r := range req.(*kmsg.DescribeConfigsRequest).Resources {
			one := kmsg.NewDescribeConfigsResponseResource()
			one.ErrorCode, one.ResourceType, one.ResourceName = kerr.UnknownTopicOrPartition.Code, r.ResourceType, r.ResourceName
			resp.Resources = append(resp.Resources, one)
		}
		return resp, nil, true
	})
	created, err := EnsureTopics(context.Background(), Config{Brokers: brokers.ListenAddrs()}, lamps, settings)
	if err != nil || len(created) == 0 {
		t.Fatalf("created %v: %v", created, err)
	}
	for range 2 { // any broker may be asked first
		if mismatches, err := VerifyTopics(context.Background(), Config{Brokers: brokers.ListenAddrs()}, lamps, settings); err != nil || len(mismatches) > 0 {
			t.Errorf("%v, %v", mismatches, err)
		}
	}
	if asked < 4 {
		t.Errorf("the settings were asked for %d times", asked)
	}
}

// A process that starts after the topics were created asks any broker.
func TestTopicsAreCreatedOnceEveryBrokerKnowsThem(t *testing.T) {
	brokers := startBrokers(t, kfake.NumBrokers(3))
	const late, times = 1, 5
	asked := 0
	brokers.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		topics := req.(*kmsg.MetadataRequest).Topics
		if brokers.CurrentNode() != late || len(topics) == 0 || asked == times {
			return nil, nil, false
		}
		asked++
		resp := withoutTopics(brokers, req)
		for _, topic := range topics {
			unknown := kmsg.NewMetadataResponseTopic()
			unknown.Topic, unknown.ErrorCode = topic.Topic, kerr.UnknownTopicOrPartition.Code
			resp.Topics = append(resp.Topics, unknown)
		}
		return resp, nil, true
	})
	if _, err := EnsureTopics(t.Context(), Config{Brokers: brokers.ListenAddrs()[:1]}, lamps, settings); err != nil {
		t.Fatal(err)
	}
	if asked < times {
		t.Errorf("the topics are said to be there, and a broker that was asked %d times does not know them", asked)
	}
}

// withoutTopics answers who the brokers are.
func withoutTopics(brokers *kfake.Cluster, req kmsg.Request) *kmsg.MetadataResponse {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	for i, addr := range brokers.ListenAddrs() {
		broker := kmsg.NewMetadataResponseBroker()
		broker.NodeID = int32(i)
		host, port, _ := net.SplitHostPort(addr)
		number, _ := strconv.Atoi(port)
		broker.Host, broker.Port = host, int32(number)
		resp.Brokers = append(resp.Brokers, broker)
	}
	return resp
}

// What a client was told a moment ago, by a broker that had not heard of the new topics, it must
// not go by when that broker has.
func TestNewTopicsAreNotLookedForInAnOldAnswer(t *testing.T) {
	brokers := startBrokers(t, kfake.NumBrokers(1))
	old := 0
	brokers.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		// those that are named are known as soon as they are created
		if req.(*kmsg.MetadataRequest).Topics != nil {
			return nil, nil, false
		}
		old++
		return withoutTopics(brokers, req), nil, true
	})
	if _, err := EnsureTopics(t.Context(), Config{Brokers: brokers.ListenAddrs()}, lamps, settings); err != nil {
		t.Error(err)
	}
	if old == 0 {
		t.Error("nobody asked for all topics: there is no old answer")
	}
}

// An import that is over must not look as if it went on to the next that asks.
func TestASettingIsSetOnceEveryBrokerHasIt(t *testing.T) {
	brokers := startBrokers(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "lamp.commands"))
	const late, times = 2, 4
	asked := 0
	brokers.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		brokers.KeepControl()
		if brokers.CurrentNode() != late || asked == times {
			return nil, nil, false
		}
		asked++
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, r := range req.(*kmsg.DescribeConfigsRequest).Resources {
			old := kmsg.NewDescribeConfigsResponseResource()
			old.ResourceType, old.ResourceName = r.ResourceType, r.ResourceName
			config := kmsg.NewDescribeConfigsResponseResourceConfig()
			config.Name, config.Value = timestampType, kmsg.StringPtr(importedTime)
			old.Configs = append(old.Configs, config)
			resp.Resources = append(resp.Resources, old)
		}
		return resp, nil, true
	})
	if err := FinishImport(t.Context(), Config{Brokers: brokers.ListenAddrs()[:1]}, lamps, settings); err != nil {
		t.Fatal(err)
	}
	if asked < times {
		t.Errorf("the setting is said to be set, and a broker that was asked %d times has the old one", asked)
	}
}

func TestMismatchesOfAllTopicsAreSaidOnce(t *testing.T) {
	partitions := func(topic string) topology.Mismatch {
		return topology.Mismatch{Topic: topic, Setting: "partitions", Want: "12", Have: "4"}
	}
	err := MismatchError([]topology.Mismatch{
		partitions("a"), {Topic: "a", Setting: "retention.ms", Want: "1", Have: "2"}, partitions("b"), {Topic: "b", Setting: "retention.ms", Want: "1", Have: "2"}, partitions("c"),
	})
	if !errors.Is(err, ErrMismatch) {
		t.Fatal(err)
	}
	text := err.Error()
	for _, want := range []string{"topic a has 4 partitions", "(and so for 2 other topics)", "topic a has retention.ms=2", "topic b has retention.ms=2"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\n"); n != 3 {
		t.Errorf("%d lines:\n%s", n, text)
	}
	if MismatchError(nil) != nil {
		t.Error("an error of nothing")
	}
}
