package devcluster

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicSettings are the topic settings that kfake takes from a broker setting of another name.
// kfake applies the broker's value to a topic without its own. But it describes the topic with its
// built-in default and names the broker's setting beside it.
var topicSettings = map[string]string{
	"log.message.timestamp.type": "message.timestamp.type",
	"log.retention.bytes":        "retention.bytes",
	"log.retention.ms":           "retention.ms",
	"log.roll.ms":                "segment.ms",
	"log.segment.bytes":          "segment.bytes",
	"message.max.bytes":          "max.message.bytes",
}

// uncleanElection is a topic setting that kfake does not know by default, though a topic can be
// created with it.
const uncleanElection = "unclean.leader.election.enable"

// describeRequest reads the body of a request, after its correlation id. It returns nil if the body
// cannot be read; kfake refuses such a request.
func describeRequest(version int16, body []byte) *kmsg.DescribeConfigsRequest {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.SetVersion(version)
	reader := kbin.Reader{Src: body}
	reader.NullableString() // the client id
	if req.IsFlexible() {
		kmsg.SkipTags(&reader)
	}
	if err := req.ReadFrom(reader.Src); err != nil {
		return nil
	}
	return req
}

// describe corrects the description of topics: the settings in effect, by the names of topic
// settings, in a fixed order.
func (b *broker) describe(req *kmsg.DescribeConfigsRequest, resp *kmsg.DescribeConfigsResponse) {
	for i := range resp.Resources {
		r := &resp.Resources[i]
		if r.ResourceType != kmsg.ConfigResourceTypeTopic || r.ErrorCode != 0 {
			continue
		}
		fromBroker := make(map[string]*string, len(topicSettings))
		for broker, topic := range topicSettings {
			if v, ok := b.configs[broker]; ok {
				fromBroker[topic] = &v
			}
		}
		kept := r.Configs[:0]
		for _, c := range r.Configs {
			if topic, ok := topicSettings[c.Name]; ok && c.Source == kmsg.ConfigSourceDynamicBrokerConfig {
				fromBroker[topic] = c.Value
				continue
			}
			kept = append(kept, c)
		}
		for j := range kept {
			c := &kept[j]
			if v, ok := fromBroker[c.Name]; ok && c.Source == kmsg.ConfigSourceDefaultConfig {
				c.Value, c.Source, c.IsDefault = v, kmsg.ConfigSourceDynamicDefaultBrokerConfig, false
			}
		}
		if wants(req, r.ResourceName, uncleanElection) && !slices.ContainsFunc(kept, named(uncleanElection)) {
			c := kmsg.NewDescribeConfigsResponseResourceConfig()
			c.Name, c.Value = uncleanElection, kmsg.StringPtr("false")
			c.Source, c.IsDefault, c.ConfigType = kmsg.ConfigSourceDefaultConfig, true, kmsg.ConfigTypeBoolean
			kept = append(kept, c)
		}
		slices.SortFunc(kept, func(a, b kmsg.DescribeConfigsResponseResourceConfig) int { return strings.Compare(a.Name, b.Name) })
		r.Configs = kept
	}
}

func named(name string) func(kmsg.DescribeConfigsResponseResourceConfig) bool {
	return func(c kmsg.DescribeConfigsResponseResourceConfig) bool { return c.Name == name }
}

// wants reports whether the request asks for a topic's setting. A request without names asks for
// all.
func wants(req *kmsg.DescribeConfigsRequest, topic, setting string) bool {
	if req == nil {
		return false
	}
	for _, r := range req.Resources {
		if r.ResourceType == kmsg.ConfigResourceTypeTopic && r.ResourceName == topic {
			return r.ConfigNames == nil || slices.Contains(r.ConfigNames, setting)
		}
	}
	return false
}
