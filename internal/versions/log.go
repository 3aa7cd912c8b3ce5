package versions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/topology"
)

// timeout bounds one read of the topic and one write to it.
const timeout = 30 * time.Second

// read returns the last record of each projection and the offset behind all that was read; none
// where the topic does not exist.
func read(ctx context.Context, c cluster.Config, topic string) (States, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	failed := func(err error) (States, int64, error) {
		return nil, 0, fmt.Errorf("read which versions of projections serve, from %s: %w", topic, err)
	}
	client, err := client(c)
	if err != nil {
		return nil, 0, err
	}
	defer client.Close()
	listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return failed(err)
	}
	for _, o := range listed[topic] {
		if errors.Is(o.Err, kerr.UnknownTopicOrPartition) {
			return States{}, 0, nil
		}
	}
	if err := listed.Error(); err != nil {
		return failed(err)
	}
	last, found := listed.Lookup(topic, 0)
	if !found {
		return failed(errors.New("the brokers say nothing of partition 0"))
	}
	all := States{}
	client.AddConsumePartitions(from(topic, 0))
	for next := int64(0); next < last.Offset; { // the last record is never compacted away
		fetched := client.PollFetches(ctx)
		if err := fetched.Err0(); err != nil {
			return failed(err)
		}
		for _, e := range fetched.Errors() {
			return failed(e.Err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			all.take(r)
		})
	}
	return all, last.Offset, nil
}

// take notes a record. What is not one of ours is passed over.
func (all States) take(r *kgo.Record) {
	var s State
	if err := json.Unmarshal(r.Value, &s); err == nil && s.Projection == string(r.Key) && s.Serving > 0 {
		all[s.Projection] = s
	}
}

func from(topic string, offset int64) map[string]map[int32]kgo.Offset {
	return map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(offset)}}
}

func client(c cluster.Config) (*kgo.Client, error) {
	opts, err := c.Franz()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(opts, kgo.ClientID(c.ClientID+"-versions"), kgo.FetchMaxWait(500*time.Millisecond))...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	return client, nil
}

// Write records a state. The state is in force when the function has returned without an error.
func Write(ctx context.Context, c cluster.Config, names topology.Names, s State) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client, err := client(c)
	if err != nil {
		return err
	}
	defer client.Close()
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	record := &kgo.Record{Topic: names.Versions(), Partition: 0, Key: []byte(s.Projection), Value: value}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("record which version of %s serves, in %s: %w", s.Projection, names.Versions(), err)
	}
	return nil
}
