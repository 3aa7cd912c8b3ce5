package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/retry"
	"github.com/foldlog/foldlog/topology"
)

// adminTimeout bounds one administrative request.
const adminTimeout = 30 * time.Second

// metadataPause is the pause between two looks at the brokers' metadata, which reaches them one
// after another.
const metadataPause = 100 * time.Millisecond

// admin asks the cluster or, if it matters, each broker by itself.
type admin struct {
	*kadm.Client
	kafka *kgo.Client
}

func (c Config) admin() (admin, error) {
	client, err := c.client()
	if err != nil {
		return admin{}, err
	}
	a := admin{Client: kadm.NewClient(client), kafka: client}
	a.SetTimeoutMillis(int32(adminTimeout.Milliseconds()))
	return a, nil
}

// ends returns the end offsets of topics. No topic stands for all.
func (a admin) ends(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
	ends, err := a.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	return ends, err
}

func namesOf(topics []topology.Topic) []string {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	return names
}

// metadataRequest asks a broker for topics.
func metadataRequest(topics []topology.Topic) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		asked := kmsg.NewMetadataRequestTopic()
		asked.Topic = &topic.Name
		req.Topics = append(req.Topics, asked)
	}
	return req
}

// awaitMetadata waits until every broker knows the wanted topics, and returns all topics of the
// topology.
func awaitMetadata(ctx context.Context, a admin, t *topology.Topology, s topology.Settings, wanted []topology.Topic) (map[string]topology.Topic, error) {
	err := a.awaitEverywhere(ctx, metadataRequest(wanted), func(answer kmsg.Response) (lacks string) {
		for _, topic := range answer.(*kmsg.MetadataResponse).Topics {
			if topic.ErrorCode == kerr.UnknownTopicOrPartition.Code {
				return "topic " + *topic.Topic
			}
		}
		return ""
	})
	if err != nil {
		return nil, err
	}
	return describe(ctx, a, t, s)
}

// awaitSetting waits until every broker has the setting of topics that was just changed.
func (a admin) awaitSetting(ctx context.Context, setting, value string, topics []string) error {
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, topic := range topics {
		resource := kmsg.NewDescribeConfigsRequestResource()
		resource.ResourceType, resource.ResourceName, resource.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{setting}
		req.Resources = append(req.Resources, resource)
	}
	return a.awaitEverywhere(ctx, req, func(answer kmsg.Response) (lacks string) {
		for _, resource := range answer.(*kmsg.DescribeConfigsResponse).Resources {
			for _, config := range resource.Configs {
				if config.Name == setting && config.Value != nil && *config.Value != value {
					return fmt.Sprintf("%s=%s of topic %s", setting, value, resource.ResourceName)
				}
			}
		}
		return ""
	})
}

// awaitEverywhere waits until no broker lacks anything. A change is acknowledged before the brokers
// have heard of it, one after another, and a process that starts then may ask any of them. A broker
// that does not answer is left out: nobody hears anything old from it.
func (a admin) awaitEverywhere(ctx context.Context, req kmsg.Request, lacks func(answer kmsg.Response) string) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	var missing string
	var err error
	for range retry.Attempts(ctx, metadataPause, metadataPause) {
		if missing, err = a.missing(ctx, req, lacks); err == nil && missing == "" {
			return nil
		}
	}
	return fmt.Errorf("wait for the brokers to know %s: %w", missing, errors.Join(err, ctx.Err()))
}

// missing returns what a broker lacks; "" if it has everything.
func (a admin) missing(ctx context.Context, req kmsg.Request, lacks func(answer kmsg.Response) string) (string, error) {
	brokers, err := a.ListBrokers(ctx)
	if err != nil {
		return "", fmt.Errorf("list brokers: %w", err)
	}
	var unheard []error
	for _, broker := range brokers {
		answer, err := a.kafka.Broker(int(broker.NodeID)).Request(ctx, req)
		if err != nil {
			unheard = append(unheard, err)
			continue
		}
		if missing := lacks(answer); missing != "" {
			return missing, nil
		}
	}
	if len(unheard) == len(brokers) {
		return "", fmt.Errorf("ask each broker: %w", errors.Join(unheard...))
	}
	return "", nil
}
