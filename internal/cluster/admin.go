package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/topology"
)

// adminTimeout bounds one administrative request.
const adminTimeout = 30 * time.Second

// metadataPause is between two looks at metadata that reach the brokers one after another.
const metadataPause = 100 * time.Millisecond

// admin asks the cluster, and where it matters each broker by itself.
type admin struct {
	*kadm.Client
	kafka *kgo.Client
}

func (c Config) admin() (admin, error) {
	opts, err := c.Franz()
	if err != nil {
		return admin{}, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return admin{}, fmt.Errorf("kafka client for %s: %w", strings.Join(c.Brokers, ","), err)
	}
	a := admin{Client: kadm.NewClient(client), kafka: client}
	a.SetTimeoutMillis(int32(adminTimeout.Milliseconds()))
	return a, nil
}

// awaitMetadata waits until every broker knows the wanted topics, and returns all topics of the topology: creation is acknowledged before that, and a
// process that starts then asks any broker.
func awaitMetadata(ctx context.Context, a admin, t *topology.Topology, s topology.Settings, wanted []topology.Topic) (map[string]topology.Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	for {
		missing, err := a.unknown(ctx, wanted)
		if err == nil && missing == "" {
			return describe(ctx, a, t, s)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for new topic %s to be known to the brokers: %w", missing, errors.Join(err, ctx.Err()))
		case <-time.After(metadataPause):
		}
	}
}

// unknown returns one of the topics that a broker does not know yet, or "". A broker that does not answer is left out: nobody hears anything old from it.
func (a admin) unknown(ctx context.Context, topics []topology.Topic) (string, error) {
	brokers, err := a.ListBrokers(ctx)
	if err != nil {
		return "", fmt.Errorf("list brokers: %w", err)
	}
	var unheard []error
	for _, broker := range brokers {
		req := kmsg.NewPtrMetadataRequest()
		for _, topic := range topics {
			asked := kmsg.NewMetadataRequestTopic()
			asked.Topic = &topic.Name
			req.Topics = append(req.Topics, asked)
		}
		answer, err := a.kafka.Broker(int(broker.NodeID)).Request(ctx, req)
		if err != nil {
			unheard = append(unheard, err)
			continue
		}
		for _, topic := range answer.(*kmsg.MetadataResponse).Topics {
			if topic.ErrorCode == kerr.UnknownTopicOrPartition.Code {
				return *topic.Topic, nil
			}
		}
	}
	if len(unheard) == len(brokers) {
		return "", fmt.Errorf("ask each broker for its topics: %w", errors.Join(unheard...))
	}
	return "", nil
}
