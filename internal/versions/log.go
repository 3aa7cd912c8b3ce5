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
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/topology"
)

// timeout bounds one read of the topic and one write to it.
const timeout = 30 * time.Second

// read returns the last record of each projection and the offset behind all of them. It returns
// none if the topic does not exist.
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
	admin := kadm.NewClient(client)
	ends, err := kafkalog.Offsets(ctx, admin.ListEndOffsets, 1, topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return States{}, 0, nil
	}
	if err != nil {
		return failed(err)
	}
	starts, err := kafkalog.Offsets(ctx, admin.ListStartOffsets, 1, topic)
	if err != nil {
		return failed(err)
	}
	log, err := kafkalog.Open(c)
	if err != nil {
		return nil, 0, err
	}
	defer log.Close()
	all, end := States{}, ends[topic][0]
	err = log.Read(ctx, topic, 0, starts[topic][0], end, func(part kafkalog.Part) error {
		for _, r := range part.Records {
			all.take(r)
		}
		return nil
	})
	if err != nil {
		return failed(err)
	}
	return all, end, nil
}

// take notes a record. It skips a record of another form.
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
