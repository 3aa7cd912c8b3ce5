package devcluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	longAgo       = time.Date(1993, 7, 1, 12, 0, 0, 0, time.UTC)
	appendTime    = map[string]string{"message.timestamp.type": "LogAppendTime"}
	createTime    = map[string]string{"message.timestamp.type": "CreateTime"}
	noCompression = kgo.ProducerBatchCompression(kgo.NoCompression())
)

// stale returns records with old timestamps, each a minute older than the one before.
func stale(topic string, n int) []*kgo.Record {
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Topic: topic, Key: []byte("k"), Value: fmt.Append(nil, "value ", i),
			Timestamp: longAgo.Add(-time.Duration(i) * time.Minute)})
	}
	return records
}

// wantBetween checks that records have the broker's time, that it does not go back, and that a
// timestamp's type says so.
func wantBetween(t *testing.T, records []*kgo.Record, from, to time.Time) {
	t.Helper()
	last := from.Truncate(time.Millisecond)
	for _, r := range records {
		if r.Timestamp.Before(last) || r.Timestamp.After(to) {
			t.Errorf("offset %d has the time %s, want one from %s to %s", r.Offset, r.Timestamp, last, to)
		}
		if r.Attrs.TimestampType() != 1 {
			t.Errorf("offset %d has timestamp type %d, want 1 (LogAppendTime)", r.Offset, r.Attrs.TimestampType())
		}
		last = r.Timestamp
	}
}

func TestAppendTimeIsTheBrokers(t *testing.T) {
	c := started(t, t.TempDir())
	createTopic(t, c.Brokers(), "commands", 1, appendTime)
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	begin := time.Now()
	for name, codec := range codecs {
		producer := client(t, c.Brokers(), kgo.ProducerBatchCompression(codec))
		if err := producer.ProduceSync(soon(t), stale("commands", 20)...).FirstErr(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	end := time.Now()
	want := 20 * len(codecs)
	wantBetween(t, read(t, c.Brokers(), "commands", want), begin, end)

	// By time, the log is found from the broker's times on, not the producers'.
	offsets, err := admin(t, c.Brokers()).ListOffsetsAfterMilli(soon(t), begin.UnixMilli(), "commands")
	if o, _ := offsets.Lookup("commands", 0); err != nil || o.Offset != 0 {
		t.Errorf("offset after the begin: %+v, %v; want 0", o, err)
	}
	offsets, err = admin(t, c.Brokers()).ListOffsetsAfterMilli(soon(t), end.Add(time.Second).UnixMilli(), "commands")
	if o, _ := offsets.Lookup("commands", 0); err != nil || o.Offset != int64(want) {
		t.Errorf("offset after the end: %+v, %v; want %d", o, err, want)
	}
}

// TestAppendTimeOutlivesARestart has to hold the checksum, too: kfake cuts its log off at a batch
// with a wrong one.
func TestAppendTimeOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	c := started(t, dir)
	createTopic(t, c.Brokers(), "commands", 1, appendTime)
	begin := time.Now()
	for range 3 {
		produceOnce(t, c.Brokers(), stale("commands", 2)...)
	}
	end := time.Now()
	closed(t, c)
	c = started(t, dir)
	wantBetween(t, read(t, c.Brokers(), "commands", 6), begin, end)
}

func TestAppendTimeFollowsAnAlteredTopic(t *testing.T) {
	c := started(t, t.TempDir())
	createTopic(t, c.Brokers(), "log", 1, nil)
	producer := client(t, c.Brokers())
	produce(t, producer, stale("log", 1)...)
	alter := func(value string) {
		t.Helper()
		resp, err := admin(t, c.Brokers()).AlterTopicConfigs(soon(t),
			[]kadm.AlterConfig{{Op: kadm.SetConfig, Name: "message.timestamp.type", Value: &value}}, "log")
		if err != nil || resp[0].Err != nil {
			t.Fatal(err, resp)
		}
	}
	alter("LogAppendTime")
	begin := time.Now()
	produce(t, producer, stale("log", 1)...)
	end := time.Now()
	alter("CreateTime")
	produce(t, producer, stale("log", 1)...)

	records := read(t, c.Brokers(), "log", 3)
	wantBetween(t, records[1:2], begin, end)
	for _, i := range []int{0, 2} {
		if !records[i].Timestamp.Equal(longAgo) || records[i].Attrs.TimestampType() != 0 {
			t.Errorf("record %d: time %s of type %d, want the producer's %s of type 0",
				i, records[i].Timestamp, records[i].Attrs.TimestampType(), longAgo)
		}
	}
}

func TestAppendTimeIsForgottenWithItsTopic(t *testing.T) {
	c := started(t, t.TempDir())
	for round, config := range []map[string]string{appendTime, createTime, appendTime} {
		createTopic(t, c.Brokers(), "again", 1, config)
		produceOnce(t, c.Brokers(), stale("again", 1)...)
		if old := read(t, c.Brokers(), "again", 1)[0].Timestamp.Equal(longAgo); old != (round == 1) {
			t.Errorf("round %d: the producer's time is shown: %v", round, old)
		}
		if _, err := admin(t, c.Brokers()).DeleteTopic(soon(t), "again"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAppendTimeInTransactions(t *testing.T) {
	c := started(t, t.TempDir())
	createTopic(t, c.Brokers(), "commands", 1, appendTime)
	producer := client(t, c.Brokers(), kgo.TransactionalID("tx"))
	begin := time.Now()
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, producer, stale("commands", 3)...)
		if err := producer.EndTransaction(soon(t), end); err != nil {
			t.Fatal(err)
		}
	}
	records := read(t, c.Brokers(), "commands", 6, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if len(records) != 6 {
		t.Errorf("%d committed records, want 6", len(records))
	}
	wantBetween(t, records, begin, time.Now())
}

func TestAppendTimeAsSaramaSeesIt(t *testing.T) {
	c := started(t, t.TempDir())
	createTopic(t, c.Brokers(), "commands", 1, appendTime)
	createTopic(t, c.Brokers(), "events", 1, createTime)
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer(c.Brokers(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	begin := time.Now().Truncate(time.Millisecond)
	for _, topic := range []string{"commands", "events"} {
		m := &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("v"), Timestamp: longAgo}
		if _, _, err := producer.SendMessage(m); err != nil {
			t.Fatal(err)
		}
		// The response tells the producer the broker's time, if that counts.
		if told := !m.Timestamp.Equal(longAgo); told != (topic == "commands") || told && m.Timestamp.Before(begin) {
			t.Errorf("%s: the producer was told the time %s", topic, m.Timestamp)
		}
	}
	end := time.Now()
	if m := saramaRead(t, c.Brokers(), config, "commands", 1)[0]; m.Timestamp.Before(begin) || m.Timestamp.After(end) {
		t.Errorf("commands: time %s, want one from %s to %s", m.Timestamp, begin, end)
	}
	if m := saramaRead(t, c.Brokers(), config, "events", 1)[0]; !m.Timestamp.Equal(longAgo) {
		t.Errorf("events: time %s, want the producer's, %s", m.Timestamp, longAgo)
	}
}

func saramaRead(t *testing.T, brokers []string, config *sarama.Config, topic string, n int) []*sarama.ConsumerMessage {
	t.Helper()
	consumer, err := sarama.NewConsumer(brokers, config)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer partition.Close()
	var messages []*sarama.ConsumerMessage
	for len(messages) < n {
		select {
		case m := <-partition.Messages():
			messages = append(messages, m)
		case <-soon(t).Done():
			t.Fatalf("%d of %d messages of %s came", len(messages), n, topic)
		}
	}
	return messages
}

// TestAppendTimesRiseWithOffsets has many producers at once on one partition, and a clock that goes
// back.
func TestAppendTimesRiseWithOffsets(t *testing.T) {
	c := started(t, t.TempDir())
	createTopic(t, c.Brokers(), "commands", 1, appendTime)
	begin := time.Now()
	const producers, each = 8, 50
	done := make(chan error, producers)
	for range producers {
		producer := client(t, c.Brokers(), kgo.ProducerLinger(0), noCompression)
		go func() {
			var err error
			for range each {
				err = errors.Join(err, producer.ProduceSync(context.Background(), stale("commands", 1)...).FirstErr())
			}
			done <- err
		}()
	}
	for range producers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	wantBetween(t, read(t, c.Brokers(), "commands", producers*each), begin, time.Now())

	clock := time.UnixMilli(5000)
	times := appendTimes{now: func() time.Time { return clock }}
	for i, step := range []struct{ clock, want int64 }{{5000, 5000}, {4000, 5000}, {5001, 5001}, {0, 5001}, {6000, 6000}} {
		clock = time.UnixMilli(step.clock)
		if got := times.next(); got != step.want {
			t.Errorf("step %d: clock %d gives %d, want %d", i, step.clock, got, step.want)
		}
	}
}

// TestProducerCannotClaimAppendTime: kfake stores such a batch with a wrong checksum, and loses it
// and all behind it at the next start.
func TestProducerCannotClaimAppendTime(t *testing.T) {
	dir := t.TempDir()
	c := started(t, dir)
	createTopic(t, c.Brokers(), "events", 1, createTime)
	produceOnce(t, c.Brokers(), stale("events", 2)...)

	raw := rawBatch(longAgo)
	claimed := batch(append([]byte(nil), raw...))
	claimed.setAttributes(logAppendTime)
	claimed.sign()
	if code := produceRaw(t, c.Brokers(), "events", claimed); code != kerr.InvalidTimestamp.Code {
		t.Errorf("a claim of LogAppendTime is answered with code %d, want %d (INVALID_TIMESTAMP)", code, kerr.InvalidTimestamp.Code)
	}
	marked := batch(append([]byte(nil), raw...))
	marked.setAttributes(appendTimeMark)
	marked.sign()
	if code := produceRaw(t, c.Brokers(), "events", marked); code != 0 {
		t.Errorf("a batch with the mark is answered with code %d, want 0", code)
	}
	damaged := batch(append([]byte(nil), raw...))
	damaged[len(damaged)-1] ^= 1
	if code := produceRaw(t, c.Brokers(), "events", damaged); code != kerr.CorruptMessage.Code {
		t.Errorf("a damaged batch is answered with code %d, want %d (CORRUPT_MESSAGE)", code, kerr.CorruptMessage.Code)
	}
	closed(t, c)
	c = started(t, dir)
	records := read(t, c.Brokers(), "events", 3)
	if last := records[2]; !last.Timestamp.Equal(longAgo) || last.Attrs.TimestampType() != 0 || string(last.Value) != "raw" {
		t.Errorf("the batch with the mark reads %q at %s of type %d", last.Value, last.Timestamp, last.Attrs.TimestampType())
	}
}

// rawBatch returns a batch of one record with the value "raw".
func rawBatch(at time.Time) batch {
	record := kmsg.Record{Value: []byte("raw")}
	record.Length = int32(len(record.AppendTo(nil)) - 1)
	b := kmsg.RecordBatch{Magic: 2, NumRecords: 1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, PartitionLeaderEpoch: -1,
		FirstTimestamp: at.UnixMilli(), MaxTimestamp: at.UnixMilli(), Records: record.AppendTo(nil)}
	b.Length = int32(len(b.AppendTo(nil)) - 12)
	raw := batch(b.AppendTo(nil))
	raw.sign()
	return raw
}

func produceRaw(t *testing.T, brokers []string, topic string, raw batch) int16 {
	t.Helper()
	c := client(t, brokers)
	defer c.Close()
	metadata, err := kadm.NewClient(c).Metadata(soon(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 1000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = topic, metadata.Topics[topic].ID
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = raw
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := c.Broker(0).Request(soon(t), req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
}

func TestTopicsAreNotCreatedByBeingNamed(t *testing.T) {
	c := started(t, t.TempDir())
	producer := client(t, c.Brokers(), kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(0))
	err := producer.ProduceSync(soon(t), stale("nobody-created-me", 1)...).FirstErr()
	if err == nil || !strings.Contains(err.Error(), "UNKNOWN_TOPIC") {
		t.Errorf("produce to a missing topic: %v, want an unknown topic", err)
	}
	topics, err := admin(t, c.Brokers()).ListTopics(soon(t))
	if err != nil || len(topics) != 0 {
		t.Errorf("topics: %v, %v; want none", topics.Names(), err)
	}
}
