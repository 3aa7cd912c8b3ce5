package bankapp_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/cli/clitest"
)

// logged is an event as a reader sees it who knows Kafka, Avro and the schema registry, and nothing
// of Foldlog's code.
type logged struct {
	version    int64
	recordedAt time.Time
	typ        string
	data       map[string]any
}

// readLog reads all events of a topic, by aggregate id. The token covers what was read.
func readLog(t *testing.T, system *clitest.System, topic string) (map[string][]logged, foldlog.Token) {
	t.Helper()
	events := map[string][]logged{}
	var token foldlog.Token
	eachEvent(t, system.Brokers, system.Registry, topic, func(r *kgo.Record, event map[string]any) {
		events[string(r.Key)] = append(events[string(r.Key)],
			logged{event["version"].(int64), event["recorded_at"].(time.Time), event["event_type"].(string), event["data"].(map[string]any)})
		for _, h := range r.Headers {
			if h.Key == "foldlog-cause" {
				position, err := foldlog.ParsePosition(string(h.Value))
				if err != nil {
					t.Fatal(err)
				}
				token = token.With(position)
			}
		}
	})
	return events, token
}

// eachEvent reads a topic from its beginning to its end, as a data team would, with the schemas
// that the events were written with.
func eachEvent(t *testing.T, brokers []string, registry, topic string, each func(*kgo.Record, map[string]any)) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	schemas := map[uint32]*avro.Schema{}
	for len(left) > 0 {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if r.Attrs.IsControl() {
				return
			}
			id := binary.BigEndian.Uint32(r.Value[1:5])
			if schemas[id] == nil {
				schemas[id] = schemaOf(t, registry, id)
			}
			var event map[string]any
			if _, err := schemas[id].Decode(r.Value[5:], &event); err != nil {
				t.Fatal(err)
			}
			each(r, event)
		})
	}
}

func schemaOf(t *testing.T, registry string, id uint32) *avro.Schema {
	t.Helper()
	response, err := http.Get(fmt.Sprintf("%s/schemas/ids/%d", registry, id))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body struct{ Schema string }
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	schema, err := avro.Parse(body.Schema)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
