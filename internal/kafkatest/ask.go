package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// askLimit bounds one request to one node. A live broker answers within milliseconds, or seconds on
// a busy machine.
const askLimit = 10 * time.Second

func newAsker(addr string) (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(addr), kgo.ClientID("kafkatest"), kgo.DialTimeout(askLimit))
}

// ask sends a request to this node's broker alone, whatever metadata say.
func (n *node) ask(ctx context.Context, request kmsg.Request) (kmsg.Response, error) {
	return n.askBy(ctx, n.client, "broker", request)
}

// askController sends a request to this node's controller. A broker would pass it on to the active
// controller, and wait half a minute for one that is frozen.
func (n *node) askController(ctx context.Context, request kmsg.Request) (kmsg.Response, error) {
	return n.askBy(ctx, n.controller, "controller", request)
}

func (n *node) askBy(ctx context.Context, client *kgo.Client, role string, request kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := within(ctx, askLimit)
	defer cancel()
	response, err := client.SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("ask %s %d: %w", role, n.ID, err)
	}
	return response, nil
}

// ask sends a request to brokers that run and are not frozen, one after the other until one
// answers.
func (k *Kafka) ask(ctx context.Context, request kmsg.Request) (kmsg.Response, error) {
	nodes := k.responsive()
	if len(nodes) == 0 {
		return nil, fatal{errors.New("no broker runs, or all are frozen")}
	}
	var all []error
	for _, n := range nodes {
		response, err := n.ask(ctx, request)
		if err == nil {
			return response, nil
		}
		all = append(all, err)
	}
	return nil, errors.Join(all...)
}

func (k *Kafka) responsive() []*node {
	var nodes []*node
	for _, n := range k.nodes {
		if n.process.Responsive() {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func metadataRequest(topics ...string) *kmsg.MetadataRequest {
	request := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &name
		request.Topics = append(request.Topics, topic)
	}
	return request
}

// coordinatorKind is what a key of a coordinator request is.
type coordinatorKind int8

const (
	ofGroup       coordinatorKind = 0
	ofTransaction coordinatorKind = 1
)

func coordinatorRequest(kind coordinatorKind, key string) *kmsg.FindCoordinatorRequest {
	request := kmsg.NewPtrFindCoordinatorRequest()
	request.CoordinatorType = int8(kind)
	request.CoordinatorKeys = []string{key}
	return request
}

func quorumRequest() *kmsg.DescribeQuorumRequest {
	request := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	// the only one, 0
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	request.Topics = append(request.Topics, topic)
	return request
}
