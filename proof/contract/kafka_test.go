package contract

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const readTimeout = 10 * time.Second

func (p *player) kafka(options ...kgo.Opt) *kgo.Client {
	p.t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(p.system.Brokers...))...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(client.Close)
	return client
}

// topics shows all topics with their partitions and settings, and the consumer groups.
func (p *player) topics() string {
	p.t.Helper()
	ctx, admin := p.t.Context(), kadm.NewClient(p.kafka())
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	var shown strings.Builder
	for _, topic := range topics.Sorted() {
		fmt.Fprintf(&shown, "topic %s, %d partitions\n", topic.Topic, len(topic.Partitions))
		configs, err := admin.DescribeTopicConfigs(ctx, topic.Topic)
		if err != nil {
			p.t.Fatal(err)
		}
		var settings []string
		for _, config := range configs[0].Configs {
			settings = append(settings, "  "+config.Key+"="+config.MaybeValue())
		}
		shown.WriteString(strings.Join(sorted(settings), "\n") + "\n")
	}
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		shown.WriteString("group " + group + "\n")
	}
	return shown.String()
}

// produce writes a record as a foreign producer does: header lines "name: value" until an empty
// line, then the value, which Go unquotes if it is in double quotes.
func (p *player) produce(topic, key string, lines []string) string {
	p.t.Helper()
	record := &kgo.Record{Topic: topic, Key: []byte(key)}
	end := slices.Index(lines, "")
	for _, line := range lines[:end] {
		name, text, _ := strings.Cut(line, ": ")
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: []byte(text)})
	}
	text := strings.Join(lines[end+1:], "\n")
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	record.Value = []byte(text)
	if err := p.kafka().ProduceSync(p.t.Context(), record).FirstErr(); err != nil {
		p.t.Fatal(err)
	}
	return "written"
}

// records shows the committed records of a topic by key, each key's in the order of the log, and
// whether each is in the partition of its key. How many rows a table gets, and how many
// records say how far a partition is, depends on the timing: of those only the newest is shown.
func (p *player) records(topic string) string {
	p.t.Helper()
	records := p.readAll(topic)
	hashes := map[string]bool{}
	for _, name := range []string{"account.events", "transfer.events"} {
		for _, record := range p.readAll(name) {
			hashes[header(record, "foldlog-chain")] = true
		}
	}
	delete(hashes, "")
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return strings.Compare(string(a.Key), string(b.Key)) })
	var shown strings.Builder
	var compression uint8 // small batches have none
	for i, record := range records {
		replaced := i+1 < len(records) && tableKey(records[i+1]) == tableKey(record)
		if replaced && (strings.HasSuffix(topic, "-table") || tableKey(record) == "progress") {
			continue
		}
		fmt.Fprintf(&shown, "key %q, in its partition: %v\n", record.Key, record.Partition == partitionOf(record.Key))
		compression = max(compression, record.Attrs.CompressionType())
		for _, h := range record.Headers {
			fmt.Fprintf(&shown, "  %s: %q\n", h.Key, value(h.Value, hashes))
		}
		if record.Value == nil {
			shown.WriteString("  deleted\n")
		} else {
			fmt.Fprintf(&shown, "  value %q\n", value(record.Value, hashes))
		}
	}
	fmt.Fprintf(&shown, "compression %d\n", compression)
	return shown.String()
}

var progressKey = regexp.MustCompile(`^__foldlog-progress/.*`)

// tableKey is the key of a row, and the same for all records of progress.
func tableKey(record *kgo.Record) string {
	return progressKey.ReplaceAllString(string(record.Key), "progress")
}

func header(record *kgo.Record, name string) string {
	for _, h := range record.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

func (p *player) readAll(topic string) (records []*kgo.Record) {
	p.t.Helper()
	ctx := p.t.Context()
	client := p.kafka(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic)
	if err != nil {
		p.t.Fatal(err)
	}
	missing := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			missing[end.Partition] = end.Offset
		}
	})
	for deadline := time.Now().Add(readTimeout); len(missing) > 0; {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: not read to its end within %s; partitions %v are missing", topic, readTimeout, missing)
		}
		client.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
			if !record.Attrs.IsControl() {
				records = append(records, record)
			}
			if record.Offset+1 >= missing[record.Partition] {
				delete(missing, record.Partition)
			}
		})
	}
	return records
}

// partitionOf is Kafka's default partitioner for the four partitions of dev.
func partitionOf(key []byte) int32 {
	all := kgo.StickyKeyPartitioner(nil).ForTopic("")
	return int32(all.Partition(&kgo.Record{Key: key}, 4))
}
