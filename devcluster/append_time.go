package devcluster

import (
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// rememberedAppends bounds how many appends are remembered for their produce responses. A response
// follows its append at once. If it never comes (acks=0, or the connection broke), later appends
// push it out.
const rememberedAppends = 4096

// appendTimes gives each append its time and recognises it when its response goes out.
type appendTimes struct {
	now func() time.Time

	// Only control functions touch these fields, and they are serial.
	last  int64
	types map[topicRef]bool // whether a topic is a LogAppendTime topic; nil after topics changed

	mu     sync.Mutex
	millis map[appended]int64
	order  []appended
}

// topicRef is a topic as requests name it: by name, or since version 13 by id.
type topicRef struct {
	name string
	id   [16]byte
}

// appended is the place where a batch begins.
type appended struct {
	topic     topicRef
	partition int32
	offset    int64
}

// next returns the time of an append in milliseconds: now, but never before the last one.
func (t *appendTimes) next() int64 {
	t.last = max(t.last, t.now().UnixMilli())
	return t.last
}

// forget makes the next append look at its topic's configuration again.
func (t *appendTimes) forget() { t.types = nil }

func (t *appendTimes) remember(a appended, millis int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.millis == nil {
		t.millis = make(map[appended]int64)
	}
	if len(t.order) == rememberedAppends {
		delete(t.millis, t.order[0])
		t.order = t.order[1:]
	}
	t.order = append(t.order, a)
	t.millis[a] = millis
}

func (t *appendTimes) of(a appended) (int64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	millis, ok := t.millis[a]
	return millis, ok
}

// onProduce stamps the batches of LogAppendTime topics. It runs right before kfake appends them,
// one request after the other, so that the times of a partition rise with its offsets.
func (b *broker) onProduce(r kmsg.Request) (kmsg.Response, error, bool) {
	req := r.(*kmsg.ProduceRequest)
	millis := b.times.next()
	for _, t := range req.Topics {
		ref := topicRef{name: t.Topic, id: t.TopicID}
		appendTime := b.isAppendTime(ref)
		for _, p := range t.Partitions {
			one := batch(p.Records)
			switch {
			case !one.wellFormed():
			case appendTime:
				one.stamp(millis)
				if info := b.kfake.PartitionInfo(b.topicName(ref), p.Partition); info != nil {
					b.times.remember(appended{ref, p.Partition, info.HighWatermark}, millis)
				}
			case one.attributes()&logAppendTime != 0:
				return refuseTimestampType(req)
			default:
				one.unmark()
			}
		}
	}
	return nil, nil, false
}

// topicName returns the name of a topic, also if the request has only its id. It returns "" if
// there is no such topic.
func (b *broker) topicName(ref topicRef) string {
	if ref.name != "" {
		return ref.name
	}
	if info := b.kfake.TopicIDInfo(ref.id); info != nil {
		return info.Topic
	}
	return ""
}

// isAppendTime reports whether a topic's records get the broker's time. Topics that do not exist
// are left to kfake.
func (b *broker) isAppendTime(ref topicRef) bool {
	if known, ok := b.times.types[ref]; ok {
		return known
	}
	info := b.kfake.TopicInfo(b.topicName(ref))
	if info == nil {
		return false
	}
	v := info.Configs["message.timestamp.type"]
	if b.times.types == nil {
		b.times.types = make(map[topicRef]bool)
	}
	b.times.types[ref] = v != nil && *v == "LogAppendTime"
	return b.times.types[ref]
}

// refuseTimestampType answers a producer that claims to be the broker. Apache Kafka refuses only
// the partition; no known client does this, so the whole request is refused here.
func refuseTimestampType(req *kmsg.ProduceRequest) (kmsg.Response, error, bool) {
	if req.Acks == 0 {
		return nil, errors.New("produce: the batch claims LogAppendTime, but its topic is a CreateTime topic"), true
	}
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.BaseOffset = p.Partition, kerr.InvalidTimestamp.Code, -1
			rp.ErrorMessage = kmsg.StringPtr("Invalid timestamp type. Producers should not set the timestamp type to LogAppendTime.")
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil, true
}

// showAppendTime puts the time of stamped appends into the response to their producer. A batch that
// was sent twice is answered with the offset and the time of its first sending, or with -1 if that
// time is no longer remembered.
func (t *appendTimes) showAppendTime(resp *kmsg.ProduceResponse) {
	for i := range resp.Topics {
		rt := &resp.Topics[i]
		for j := range rt.Partitions {
			p := &rt.Partitions[j]
			millis, ok := t.of(appended{topicRef{rt.Topic, rt.TopicID}, p.Partition, p.BaseOffset})
			if ok && p.ErrorCode == 0 {
				p.LogAppendTime = millis
			}
		}
	}
}
