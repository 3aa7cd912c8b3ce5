package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"slices"
	"strings"

	"github.com/foldlog/foldlog/proof/history"
)

// aggregates are the bank's aggregate types.
var aggregates = []string{"account", "transfer"}

// dump is a run's directory, decoded.
type dump struct {
	*Report
	dir     string
	run     history.Run
	topics  history.Topics
	names   names
	schemas *schemaBook
	strings map[string]string

	// by aggregate type, in the order of partition and offset, as all below
	commands    map[string][]*command
	events      map[string][]*event
	outcomes    map[string][]*outcome
	deadLetters map[string][]*deadLetter     // by group
	tables      map[string]map[string]*entry // by name of the aggregate type or projection
	histories   map[string][]version         // of the tables' rows
	rekeyed     map[string][]*entry          // by projection
	progress    map[string][]mark            // by topic
	// by topic: the offset of the last committed record of a partition
	last    map[string]map[int32]int64
	faults  []history.Fault
	samples []history.Sample
}

// entry is a record of a table or a re-keyed topic.
type entry struct {
	spot
	key   string
	value []byte   // of a table's row
	sum   [32]byte // of a re-keyed record's value
	event *event   // that a re-keyed record is a copy of
}

// version is a value that a row of a table had.
type version struct {
	spot
	key     string
	sum     uint64
	deleted bool
}

// mark is a progress record.
type mark struct {
	spot
	key string
	position
	sound bool
}

// intern returns one string for all that are equal.
func (d *dump) intern(s string) string {
	if known, ok := d.strings[s]; ok {
		return known
	}
	d.strings[s] = s
	return s
}

func (d *dump) interned(p payload) payload {
	for _, s := range []*string{&p.holderID, &p.holderName, &p.channel, &p.currency, &p.reference, &p.reason, &p.transferID, &p.counterparty, &p.from, &p.to, &p.bookedOn} {
		if *s != "" {
			*s = d.intern(*s)
		}
	}
	return p
}

func load(dir string) (*dump, error) {
	d := &dump{
		Report: newReport(), dir: dir, strings: map[string]string{}, commands: map[string][]*command{}, events: map[string][]*event{},
		outcomes: map[string][]*outcome{}, deadLetters: map[string][]*deadLetter{}, tables: map[string]map[string]*entry{},
		histories: map[string][]version{}, rekeyed: map[string][]*entry{}, progress: map[string][]mark{}, last: map[string]map[int32]int64{},
	}
	if err := history.ReadJSON(dir, "run.json", &d.run); err != nil {
		return nil, err
	}
	if d.run.Partitions <= 0 {
		return nil, errors.New("run.json says no number of partitions")
	}
	if err := history.ReadJSON(dir, "topics.json", &d.topics); err != nil {
		return nil, err
	}
	d.Scenario, d.Seed = d.run.Scenario, d.run.Seed
	d.names = names{d.run.Settings["topic-prefix"]}
	d.schemas = newSchemaBook(d.topics.Schemas)
	err := errors.Join(
		optionally(history.Read(dir, "faults.jsonl", func(f history.Fault) error { d.faults = append(d.faults, f); return nil })),
		optionally(history.Read(dir, "samples.jsonl", func(s history.Sample) error { d.samples = append(d.samples, s); return nil })),
	)
	if err != nil {
		return nil, err
	}
	return d, d.loadTopics()
}

// optionally makes nothing of a file that is not there.
func optionally(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d *dump) loadTopics() error {
	for _, a := range aggregates {
		topic := d.names.commands(a)
		if err := d.load(topic, func(r *history.Record) { d.commands[a] = append(d.commands[a], d.decodeCommand(a, topic, r)) }); err != nil {
			return err
		}
		if err := d.load(d.names.events(a), func(r *history.Record) {
			e, err := d.decodeEvent(a, r)
			if err != nil {
				d.violate(Versions, spotOf(r).in(d.names.events(a)), "no event can be read here: %v", err)
				return
			}
			d.events[a] = append(d.events[a], e)
		}); err != nil {
			return err
		}
		if err := d.load(d.names.outcomes(a), func(r *history.Record) {
			o, err := d.decodeOutcome(a, r)
			if err != nil {
				d.violate(Answered, spotOf(r).in(d.names.outcomes(a)), "no outcome can be read here: %v", err)
				return
			}
			d.outcomes[a] = append(d.outcomes[a], o)
		}); err != nil {
			return err
		}
		if err := d.loadTable(a); err != nil {
			return err
		}
		slices.SortStableFunc(d.commands[a], func(x, y *command) int { return compareSpots(x.spot, y.spot) })
		slices.SortStableFunc(d.events[a], func(x, y *event) int { return compareSpots(x.spot, y.spot) })
		slices.SortStableFunc(d.outcomes[a], func(x, y *outcome) int { return compareSpots(x.spot, y.spot) })
	}
	for _, p := range projections {
		if err := d.loadTable(p.name); err != nil {
			return err
		}
		if !p.rekeyed {
			continue
		}
		topic := d.names.rekeyed(p.name)
		if err := d.load(topic, func(r *history.Record) {
			if !d.isProgress(topic, r) {
				d.rekeyed[p.name] = append(d.rekeyed[p.name], &entry{spot: spotOf(r), key: d.intern(string(r.Key)), sum: digestOf(r.Value)})
			}
		}); err != nil {
			return err
		}
		slices.SortFunc(d.rekeyed[p.name], func(a, b *entry) int { return compareSpots(a.spot, b.spot) })
		slices.SortFunc(d.progress[topic], func(a, b mark) int { return compareSpots(a.spot, b.spot) })
	}
	for _, g := range d.groups() {
		topic := d.names.deadLetters(g.name)
		if err := d.load(topic, func(r *history.Record) {
			d.deadLetters[g.name] = append(d.deadLetters[g.name], d.decodeDeadLetter(topic, r))
		}); err != nil {
			return err
		}
		slices.SortStableFunc(d.deadLetters[g.name], func(x, y *deadLetter) int { return compareSpots(x.spot, y.spot) })
	}
	return nil
}

// isProgress takes progress records out.
func (d *dump) isProgress(topic string, r *history.Record) bool {
	text, announced := header(r, headerProgress)
	if !strings.HasPrefix(string(r.Key), reservedPrefix) {
		return false
	}
	m := mark{spot: spotOf(r), key: string(r.Key)}
	m.position, m.sound = parsePosition(text)
	m.sound = m.sound && announced && string(r.Value) == text && strings.HasPrefix(m.key, progressPrefix)
	d.progress[topic] = append(d.progress[topic], m)
	return true
}

func (d *dump) loadTable(name string) error {
	topic := d.names.table(name)
	d.tables[name] = map[string]*entry{}
	defer func() {
		slices.SortFunc(d.histories[name], func(a, b version) int { return compareSpots(a.spot, b.spot) })
		slices.SortFunc(d.progress[topic], func(a, b mark) int { return compareSpots(a.spot, b.spot) })
	}()
	return d.load(topic, func(r *history.Record) {
		if d.isProgress(topic, r) {
			return
		}
		key := d.intern(string(r.Key))
		d.histories[name] = append(d.histories[name], version{spotOf(r), key, maphash.Bytes(seed, r.Value), r.Value == nil})
		if have := d.tables[name][key]; have == nil || have.partition != r.Partition || have.offset < r.Offset {
			d.tables[name][key] = &entry{spot: spotOf(r), key: key, value: r.Value}
		}
		if want := partitionOf(key, d.run.Partitions); want != r.Partition {
			d.violate(Folded, spotOf(r).in(topic), "the row %q belongs to partition %d", key, want)
		}
	})
}

func compareSpots(a, b spot) int {
	switch {
	case a.before(b):
		return -1
	case b.before(a):
		return 1
	}
	return 0
}

// fingerprint is what a record looked like, to find it again.
type fingerprint struct {
	spot
	sum uint64
}

var seed = maphash.MakeSeed()

func fingerprintOf(r *history.Record) fingerprint {
	var h maphash.Hash
	h.SetSeed(seed)
	part := func(b []byte) {
		length := int64(len(b))
		if b == nil {
			length = -1
		}
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(length))
		_, _ = h.Write(n[:])
		_, _ = h.Write(b)
	}
	part(r.Key)
	part(r.Value)
	for _, one := range r.Headers {
		part(one[0])
		part(one[1])
	}
	part(binary.LittleEndian.AppendUint64(nil, uint64(r.Time)))
	return fingerprint{spotOf(r), h.Sum64()}
}

// load reads a topic's committed records, and checks that all of them stand in the log.
func (d *dump) load(topic string, each func(*history.Record)) error {
	places, known := d.topics.Topics[topic]
	if !known {
		d.violate(Dump, topic, "the topic is not in the dump")
		return nil
	}
	d.last[topic] = map[int32]int64{}
	committed, err := readTopic(d.dir, topic+".committed.jsonl", func(r *history.Record) {
		if last, any := d.last[topic][r.Partition]; !any || r.Offset > last {
			d.last[topic][r.Partition] = r.Offset
		}
		each(r)
	})
	if err != nil {
		return err
	}
	for p, end := range places.End {
		if stable := places.Stable[p]; stable < end {
			d.violate(Dump, spot{p, stable}.in(topic), "a transaction is still open: the last stable offset is %d of %d", stable, end)
		}
	}
	for i, r := range committed {
		if i > 0 && committed[i-1].spot == r.spot {
			d.violate(Dump, r.in(topic), "the record is in the dump twice")
		}
		if r.offset < places.Start[r.partition] || r.offset >= places.End[r.partition] {
			d.violate(Dump, r.in(topic), "the record is outside of the partition, which has %d to %d", places.Start[r.partition], places.End[r.partition]-1)
		}
	}
	all, err := readTopic(d.dir, topic+".uncommitted.jsonl", func(*history.Record) {})
	if errors.Is(err, fs.ErrNotExist) {
		d.note(Dump, "%s was not read uncommitted", topic)
		return nil
	}
	if err != nil {
		return err
	}
	d.checked(Dump, len(committed))
	for _, r := range committed {
		at, found := slices.BinarySearchFunc(all, r, func(a, b fingerprint) int { return compareSpots(a.spot, b.spot) })
		switch {
		case !found && !places.Compacted: // between two reads of a compacted topic a record may go
			d.violate(Dump, r.in(topic), "the committed record is not in the log as read_uncommitted shows it")
		case found && all[at].sum != r.sum:
			d.violate(Dump, r.in(topic), "read_committed and read_uncommitted show different records here")
		}
	}
	return nil
}

func readTopic(dir, file string, each func(*history.Record)) ([]fingerprint, error) {
	var prints []fingerprint
	err := history.Read(dir, "topics/"+file, func(r history.Record) error {
		prints = append(prints, fingerprintOf(&r))
		each(&r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("topics/%s: %w", file, err)
	}
	slices.SortStableFunc(prints, func(a, b fingerprint) int { return compareSpots(a.spot, b.spot) })
	return prints, nil
}

// group is a consumer group: what it reads and whether it must leave an outcome for each input.
type group struct{ name, input string }

func (d *dump) groups() []group {
	n := d.names
	list := []group{
		{n.group("account"), n.commands("account")}, {n.group("transfer"), n.commands("transfer")},
		{n.group("transfer-steps"), n.events("transfer")}, {n.group("transfer-replies"), n.events("account")},
	}
	for _, p := range projections {
		if p.rekeyed {
			list = append(list, group{n.rekeyGroup(p.name), n.events(p.source)}, group{n.group(p.name), n.rekeyed(p.name)})
		} else {
			list = append(list, group{n.group(p.name), n.events(p.source)})
		}
	}
	return list
}
