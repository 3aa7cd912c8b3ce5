package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/foldlog/foldlog/internal/cluster"
)

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// filled is a broker with one topic of two partitions and records in partition 0.
func filled(t *testing.T, records int) (*kfake.Cluster, *Log) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	log, err := Open(cluster.Config{Brokers: c.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for range records {
		if err := producer.ProduceSync(soon(t), &kgo.Record{Topic: "t", Value: make([]byte, 1000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return c, log
}

// endInAHole lets the broker answer as if compaction had removed partition 1 up to an end.
func endInAHole(c *kfake.Cluster, end int64) {
	c.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		asked := request.(*kmsg.FetchRequest)
		response := asked.ResponseKind().(*kmsg.FetchResponse)
		for _, at := range asked.Topics {
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic, topic.TopicID = at.Topic, at.TopicID
			for _, ap := range at.Partitions {
				if ap.Partition == 0 {
					// there is something to send: the broker's own answer has it, and 1 is empty in
					// it
					return nil, nil, false
				}
				partition := kmsg.NewFetchResponseTopicPartition()
				partition.Partition, partition.HighWatermark, partition.LastStableOffset = ap.Partition, end, end
				partition.RecordBatches = []byte{}
				topic.Partitions = append(topic.Partitions, partition)
			}
			response.Topics = append(response.Topics, topic)
		}
		return response, nil, true
	})
}

// A log may end in a hole: the last records before its end were compacted away, and no record at
// its end will ever come.
func TestReadEndsInAHole(t *testing.T) {
	for _, records := range []int{0, 20} {
		t.Run(fmt.Sprintf("%d records beside it", records), func(t *testing.T) {
			const end = 10
			c, log := filled(t, records)
			endInAHole(c, end)
			got, next := map[int32]int{}, map[int32]int64{}
			err := log.ReadTopic(soon(t), "t", map[int32]int64{0: 0, 1: 0}, map[int32]int64{0: int64(records), 1: end}, func(round []Part) error {
				for _, part := range round {
					got[part.Partition] += len(part.Records)
					next[part.Partition] = part.Next
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if got[0] != records || got[1] != 0 || next[1] != end || records > 0 && next[0] != int64(records) {
				t.Errorf("read %v records, up to %v", got, next)
			}
		})
	}
}

func TestReadFails(t *testing.T) {
	_, log := filled(t, 1)
	ignore := func(Part) error { return nil }
	if err := log.Read(soon(t), "t", 0, 5, 9, ignore); !errors.Is(err, ErrMoved) || !strings.Contains(err.Error(), "t/0 at 5") {
		t.Errorf("beyond the end: %v", err)
	}
	refused := errors.New("refused")
	if err := log.Read(soon(t), "t", 0, 0, 1, func(Part) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("deliver's error: %v", err)
	}
	if err := log.Read(soon(t), "nothing", 0, 0, 1, ignore); err == nil || !strings.Contains(err.Error(), "topics create") {
		t.Errorf("no topic: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := log.Read(ctx, "t", 0, 0, 1, ignore); err == nil {
		t.Error("no error although the context had ended")
	}
}

func TestOffsets(t *testing.T) {
	_, log := filled(t, 3)
	admin := kadm.NewClient(log.client)
	all, err := Offsets(soon(t), admin.ListEndOffsets, 2, "t")
	if err != nil || !slices.Equal(all["t"], []int64{3, 0}) {
		t.Errorf("ends %v, %v", all, err)
	}
	if all, err := Offsets(soon(t), admin.ListEndOffsets, 2); err != nil || len(all) != 0 {
		t.Errorf("of no topic: %v, %v", all, err)
	}
	if _, err := Offsets(soon(t), admin.ListEndOffsets, 3, "t"); err == nil || !strings.Contains(err.Error(), "no answer for t/2") {
		t.Errorf("of a partition that is not there: %v", err)
	}
	if _, err := Offsets(soon(t), admin.ListEndOffsets, 2, "nothing"); err == nil {
		t.Error("no error although there is no such topic")
	}
}
