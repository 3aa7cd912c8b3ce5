package replay_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"golang.org/x/sync/errgroup"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/backup"
	"github.com/foldlog/foldlog/replay/rebuild"
	"github.com/foldlog/foldlog/replay/recovery"
	"github.com/foldlog/foldlog/replay/verify"
	"github.com/foldlog/foldlog/topology"
)

// benchEvents is how many events the log has; FOLDLOG_BENCH_EVENTS changes it.
func benchEvents(b *testing.B) int {
	text := os.Getenv("FOLDLOG_BENCH_EVENTS")
	if text == "" {
		return 20_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// deposits returns the log of an account system: events, commands and outcomes of deposits to as
// many accounts whatever the number of events, so that what grows with the log is seen; without
// tables.
func (s *system) deposits(events int) log {
	codec, spec := s.codecs.Aggregate("account"), s.topology.Aggregate("account")
	l := log{}
	for _, topic := range s.topology.Topics(topology.Settings{Partitions: partitions}) {
		l[topic.Name] = make([][]record.Record, partitions)
	}
	fail := func(err error) {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	const accounts = 10_000
	type state struct {
		version int64
		chain   [32]byte
		data    any
	}
	states := make([]state, accounts)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := range events {
		id, commandID := fmt.Sprintf("account-%d", n%accounts), fmt.Sprintf("command-%d", n)
		now := &states[n%accounts]
		p := topology.PartitionOf([]byte(id), partitions)
		at = at.Add(time.Millisecond)
		position := foldlog.Position{Aggregate: "account", Partition: p, Offset: int64(len(l[accountCommands][p]))}
		meta := foldlog.Meta{AggregateID: id, CommandID: commandID, CorrelationID: commandID, Actor: codecs.AnonymousActor, RecordedAt: at}
		command, data := any(account.Deposit{Amount: 5, Currency: "EUR", Reference: "benchmark"}), any(account.Deposited{HolderID: id, HolderName: id, Amount: 5, Currency: "EUR", Reference: "benchmark"})
		kind := "deposit"
		if now.version == 0 {
			now.data, kind = spec.Decider.Initial(), "open"
			command, data = account.Open{HolderID: id, HolderName: id, Currency: "EUR"}, account.Opened{HolderID: id, HolderName: id, Currency: "EUR"}
		}
		declared, _ := spec.EventOf(data)
		now.version++
		value, err := codec.EncodeCommand(foldlog.Command[any]{Meta: meta, Data: command})
		fail(err)
		add := func(topic string, value []byte, headers ...record.Header) {
			l[topic][p] = append(l[topic][p], record.Record{Key: []byte(id), Value: value, Headers: headers, Timestamp: at})
		}
		add(accountCommands, value, record.Header{Key: codecs.HeaderContentType, Value: []byte(codecs.ContentTypeAvro)},
			record.Header{Key: codecs.HeaderActor, Value: []byte(codecs.AnonymousActor)})
		meta.CausationID = commandID
		e := foldlog.Event[any]{Meta: meta, EventID: foldlog.EventID(commandID, id, 0), Type: declared.Name, Version: now.version, Data: data}
		value, err = codec.EncodeEvent(e)
		fail(err)
		now.chain, err = codec.Chain(s.t.Context(), now.chain, value)
		fail(err)
		cause := []byte(position.String())
		add(accountEvents, value, append([]record.Header{{Key: codecs.HeaderChain, Value: append([]byte(nil), now.chain[:]...)},
			{Key: codecs.HeaderCause, Value: cause}, {Key: codecs.HeaderProgress, Value: cause}}, codecs.CloudEventHeaders("/foldlog/bank/account", e)...)...)
		value, err = codec.EncodeOutcome(foldlog.Outcome{CommandID: commandID, AggregateID: id, CommandType: kind, Accepted: true, FirstVersion: now.version,
			Version: now.version, EventIDs: []string{e.EventID}, RecordedAt: at, CorrelationID: commandID, PayloadHash: make([]byte, 32), Position: position})
		fail(err)
		add(accountOutcomes, value, record.Header{Key: codecs.HeaderCause, Value: cause})
	}
	return l
}

// BenchmarkReplay says how many events a second are recovered from, verified, filled into a new
// version of a projection, exported and imported, with how much memory, and how fast the events
// alone are read, and all that verifying reads. The memory is the most that was in use, the
// embedded broker's with it, which grows with the log: what it needs at rest is printed.
func BenchmarkReplay(b *testing.B) {
	events := benchEvents(b)
	s := created(b, fmt.Sprintf("bench-%d.", b.N))
	s.stamp("CreateTime") // so that commands have the times that their events have
	s.fill(s.deposits(events))
	s.stamp("LogAppendTime")
	second := *s
	second.withSecondBalances()
	rate := func(took time.Duration) float64 { return float64(events) / took.Seconds() }
	for n := 0; b.Loop(); n++ {
		b.ReportMetric(mostMemory(func() {}), "broker-MiB")
		var done *recovery.Result
		var err error
		most := mostMemory(func() { done, err = recovery.Run(b.Context(), s.config()) })
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(rate(done.Took), "recover-events/s")
		b.ReportMetric(most, "recover-MiB")
		var verified *verify.Report
		b.ReportMetric(mostMemory(func() { verified = s.verify() }), "verify-MiB")
		if verified.Total != 0 || verified.Events != int64(events) {
			b.Fatalf("%d findings, the first: %v", verified.Total, verified.Findings[:min(1, len(verified.Findings))])
		}
		b.ReportMetric(rate(verified.Took), "verify-events/s")
		b.ReportMetric(float64(verified.Records())/verified.Took.Seconds(), "verify-records/s")
		topic := s.names.Events("account")
		readers := runtime.GOMAXPROCS(0)
		b.ReportMetric(s.drain(1, topic), "drain-by-one-events/s")
		b.ReportMetric(s.drain(readers, topic), "drain-events/s")
		all := []string{topic, s.names.Commands("account"), s.names.Outcomes("account")}
		for _, p := range s.topology.Projections {
			if p.Source == "account" && p.Rekeyed() {
				all = append(all, s.names.RekeyedTopic(p.ID()))
			}
		}
		b.ReportMetric(s.drain(readers, all...), "drain-records/s")
		var rebuilt *rebuild.Result
		most = mostMemory(func() { rebuilt, err = rebuild.Run(b.Context(), second.versions()) })
		if err != nil || !rebuilt.Switched {
			b.Fatal(err)
		}
		b.ReportMetric(rate(rebuilt.Took), "rebuild-events/s")
		b.ReportMetric(most, "rebuild-MiB")
		_, back := rebuild.Back(b.Context(), second.versions())
		_, dropped := rebuild.Drop(b.Context(), second.versions())
		if err := errors.Join(back, dropped); err != nil {
			b.Fatal(err)
		}
		dir := filepath.Join(b.TempDir(), strconv.Itoa(n))
		var exported *backup.Exported
		most = mostMemory(func() { exported, err = backup.Export(b.Context(), s.config(), dir, false) })
		if err != nil || exported.Events != int64(events) {
			b.Fatalf("%+v, %v", exported, err)
		}
		b.ReportMetric(rate(exported.Took), "export-events/s")
		b.ReportMetric(float64(exported.Bytes)/float64(events), "export-bytes/event")
		b.ReportMetric(most, "export-MiB")
		var imported *backup.Imported
		other := newSystem(b, fmt.Sprintf("bench-%d-%d.", b.N, n))
		most = mostMemory(func() { imported, err = backup.Import(b.Context(), other.config(), dir) })
		if err != nil || imported.Events != int64(events) {
			b.Fatalf("%+v, %v", imported, err)
		}
		b.ReportMetric(rate(imported.Took), "import-events/s")
		b.ReportMetric(most, "import-MiB")
	}
}

// mostMemory returns the most memory that objects took while something was done, in MiB.
func mostMemory(do func()) float64 {
	runtime.GC()
	most, done := make(chan uint64), make(chan struct{})
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for largest := uint64(0); ; {
			metrics.Read(sample)
			largest = max(largest, sample[0].Value.Uint64())
			select {
			case <-done:
				most <- largest
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	do()
	close(done)
	return float64(<-most) / (1 << 20)
}

// stamp says whose time commands have.
func (s *system) stamp(by string) {
	altered, err := s.admin.AlterTopicConfigs(s.t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "message.timestamp.type", Value: &by}},
		s.names.Commands("account"), s.names.Commands("transfer"))
	if err == nil {
		err = errors.Join(altered[0].Err, altered[1].Err)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// drain reads some topics, so many partitions at a time, throws the records away and returns how
// many a second there were.
func (s *system) drain(readers int, topics ...string) float64 {
	reader, err := kafkalog.Open(s.cluster)
	if err != nil {
		s.t.Fatal(err)
	}
	defer reader.Close()
	var group errgroup.Group
	group.SetLimit(readers)
	var records atomic.Int64
	began := time.Now()
	for _, topic := range topics {
		ends, err := s.admin.ListEndOffsets(s.t.Context(), topic)
		if err != nil {
			s.t.Fatal(err)
		}
		for p := range int32(partitions) {
			group.Go(func() error {
				end, _ := ends.Lookup(topic, p)
				return reader.Read(s.t.Context(), topic, p, 0, end.Offset, func(part kafkalog.Part) error {
					records.Add(int64(len(part.Records)))
					return nil
				})
			})
		}
	}
	if err := group.Wait(); err != nil {
		s.t.Fatal(err)
	}
	return float64(records.Load()) / time.Since(began).Seconds()
}
