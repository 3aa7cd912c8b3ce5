package replay_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// corruption is one thing that is changed in an intact log, and the finding that it must lead to.
type corruption struct {
	name string
	// plant changes the log and returns where and what must be found: check, topic, partition,
	// offset and key.
	plant func(k *corrupt) kit.Finding
	// more are checks that may find something, too, since it follows from the same thing.
	more string
}

// corrupt is a log to be corrupted.
type corrupt struct {
	log
	s *system
}

const (
	accountEvents   = "account.events"
	accountOutcomes = "account.outcomes"
	accountCommands = "account.commands"
	accountTable    = "account-table"
	balancesTable   = "balances-table"
	turnoverTable   = "daily-turnover-table"
	turnoverRekeyed = "daily-turnover.rekeyed"
)

// spot is a record's place in a log.
type spot struct {
	topic string
	p, i  int
}

func (k *corrupt) at(s spot) *record.Record { return &k.log[s.topic][s.p][s.i] }

// find returns the n-th record of a topic that a condition holds for.
func (k *corrupt) find(topic string, n int, holds func(r *record.Record) bool) spot {
	k.s.t.Helper()
	for p, list := range k.log[topic] {
		for i := range list {
			if holds(&list[i]) {
				if n == 0 {
					return spot{topic, p, i}
				}
				n--
			}
		}
	}
	k.s.t.Fatalf("%s has no such record", topic)
	return spot{}
}

// event returns where an account's event stands.
func (k *corrupt) event(id string, version int64) spot {
	return k.find(accountEvents, 0, func(r *record.Record) bool { return string(r.Key) == id && k.decode(r).Version == version })
}

func (k *corrupt) decode(r *record.Record) foldlog.Event[any] {
	e, err := k.s.codecs.Aggregate("account").DecodeEvent(k.s.t.Context(), r.Value)
	if err != nil {
		k.s.t.Fatal(err)
	}
	return e
}

// edit changes an event; its chain stays as it was.
func (k *corrupt) edit(at spot, change func(e *foldlog.Event[any])) {
	e := k.decode(k.at(at))
	change(&e)
	k.value(at, func() ([]byte, error) { return k.s.codecs.Aggregate("account").EncodeEvent(e) })
}

func (k *corrupt) value(at spot, encode func() ([]byte, error)) {
	value, err := encode()
	if err != nil {
		k.s.t.Fatal(err)
	}
	k.at(at).Value = value
}

// outcome returns where the n-th outcome is that a condition holds for.
func (k *corrupt) outcome(n int, holds func(o foldlog.Outcome) bool) spot {
	return k.find(accountOutcomes, n, func(r *record.Record) bool {
		o, err := k.s.codecs.Aggregate("account").DecodeOutcome(k.s.t.Context(), r.Value)
		if err != nil {
			k.s.t.Fatal(err)
		}
		return holds(o)
	})
}

func ofCommand(id, command string) func(foldlog.Outcome) bool {
	return func(o foldlog.Outcome) bool { return o.AggregateID == id && o.CommandID == command && !o.Repeat }
}

func (k *corrupt) editOutcome(at spot, change func(o *foldlog.Outcome)) {
	codec := k.s.codecs.Aggregate("account")
	o, err := codec.DecodeOutcome(k.s.t.Context(), k.at(at).Value)
	if err != nil {
		k.s.t.Fatal(err)
	}
	change(&o)
	k.value(at, func() ([]byte, error) { return codec.EncodeOutcome(o) })
}

// row returns where the last row of a key is.
func (k *corrupt) row(topic, key string) (last spot) {
	k.s.t.Helper()
	last = k.find(topic, 0, func(r *record.Record) bool { return string(r.Key) == key })
	for i, r := range k.log[topic][last.p] {
		if string(r.Key) == key {
			last.i = i
		}
	}
	return last
}

func (k *corrupt) editState(at spot, change func(s *codecs.State)) {
	codec := k.s.codecs.Aggregate("account")
	state, err := codec.DecodeState(k.s.t.Context(), k.at(at).Value)
	if err != nil {
		k.s.t.Fatal(err)
	}
	change(&state)
	k.value(at, func() ([]byte, error) { return codec.EncodeState(state) })
}

// editRow changes a row of a projection.
func editRow[R any](k *corrupt, projection string, at spot, change func(r *R)) {
	codec := k.s.codecs.Projection(projection)
	decoded, err := codec.DecodeRow(k.s.t.Context(), k.at(at).Value)
	if err != nil {
		k.s.t.Fatal(err)
	}
	row := decoded.(R)
	change(&row)
	k.value(at, func() ([]byte, error) { return codec.EncodeRow(row) })
}

func (k *corrupt) drop(at spot) {
	k.log[at.topic][at.p] = slices.Delete(k.log[at.topic][at.p], at.i, at.i+1)
}

// dropRows removes every row of a key.
func (k *corrupt) dropRows(topic, key string) (partition int) {
	partition = k.row(topic, key).p
	k.log[topic][partition] = slices.DeleteFunc(k.log[topic][partition], func(r record.Record) bool { return string(r.Key) == key })
	return partition
}

// insert puts a copy of a record at a place in the same partition.
func (k *corrupt) insert(at spot, i int) spot {
	k.log[at.topic][at.p] = slices.Insert(k.log[at.topic][at.p], i, *k.at(at))
	return spot{at.topic, at.p, i}
}

// add puts a record at the end of a partition.
func (k *corrupt) add(topic string, p int, r record.Record) spot {
	k.log[topic][p] = append(k.log[topic][p], r)
	return spot{topic, p, len(k.log[topic][p]) - 1}
}

func (k *corrupt) header(at spot, key, value string) {
	r := k.at(at)
	r.Headers = slices.Clone(r.Headers)
	r.Headers = slices.DeleteFunc(r.Headers, func(h record.Header) bool { return h.Key == key })
	if value != "" {
		r.Headers = append(r.Headers, record.Header{Key: key, Value: []byte(value)})
	}
}

// found returns the finding at a record's place.
func (k *corrupt) found(check kit.Check, at spot) kit.Finding {
	return kit.Finding{Check: check, Topic: at.topic, Partition: int32(at.p), Offset: int64(at.i), Key: string(k.at(at).Key)}
}

// none returns the finding that there is no row.
func none(check kit.Check, topic string, p int, key string) kit.Finding {
	return kit.Finding{Check: check, Topic: topic, Partition: int32(p), Offset: -1, Key: key}
}

// stranger returns an id of nobody that belongs to a partition.
func stranger(p int) string {
	for n := 0; ; n++ {
		if id := fmt.Sprintf("nobody-%d", n); topology.PartitionOf([]byte(id), partitions) == int32(p) {
			return id
		}
	}
}

// isEvent returns whether a record is a certain event of an account.
func (k *corrupt) isEvent(id string, version int64) func(r *record.Record) bool {
	return func(r *record.Record) bool {
		if strings.HasPrefix(string(r.Key), topology.ProgressPrefix) {
			return false
		}
		e := k.decode(r)
		return e.AggregateID == id && e.Version == version
	}
}

// day returns the key of the turnover of the day on which the victim's events were recorded.
func (k *corrupt) day() string {
	return k.decode(k.at(k.event(victim, 2))).RecordedAt.Format(time.DateOnly) + ":EUR"
}
