package check

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog/proof/history"
)

const testPartitions = 3

// world is a small system that works as it should: it executes commands by the model, and keeps
// what it does as a run.
type world struct {
	*kept
	dump      *dump          // for its decoders and names
	ids       map[string]int // of the latest versions of schemas, by topic
	first     map[string]int // of the first ones of those that have two
	book      *schemaBook
	cursor    map[string]map[int32]int64
	clock     int64 // milliseconds
	folds     map[string]map[string]*fold
	index     map[string]standing
	projector *projector
	ledger    map[string]*outcome // by aggregate and command key
	reached   map[position]int64  // aggregate and partition (offset 0) -> last command with events
	number    int64
	written   int
}

func newWorld(t *testing.T) *world {
	k := &kept{t: t, committed: map[string][]history.Record{}, uncommitted: map[string][]history.Record{}, rows: map[string][]history.Row{}, receipts: map[string]receipt{}}
	k.run = history.Run{Scenario: "made up", Seed: 7, Partitions: testPartitions, Instances: []string{"a", "b"}, Fresh: "fresh", Settings: map[string]string{"topic-prefix": "t."}}
	k.topics = history.Topics{Topics: map[string]history.Topic{}, Offsets: map[string]map[string]map[int32]int64{}, Schemas: map[int]string{}}
	w := &world{kept: k, ids: map[string]int{}, first: map[string]int{}, cursor: map[string]map[int32]int64{}, clock: 1_700_000_000_000, folds: map[string]map[string]*fold{"account": {}, "transfer": {}},
		index: map[string]standing{}, projector: newProjector(), reached: map[position]int64{}, ledger: map[string]*outcome{}}
	w.dump = &dump{Report: newReport(), names: names{"t."}, strings: map[string]string{}, run: k.run}
	var topics []string
	for _, a := range aggregates {
		for _, kind := range []string{".commands", ".events", "-table"} {
			w.schema(a + kind)
			topics = append(topics, a+kind)
		}
		w.file(a+".outcomes", schemaFile("foldlog", "outcomes", "v2.avsc"))
		topics = append(topics, a+".outcomes")
	}
	for _, p := range projections {
		w.schema(p.name + "-table")
		topics = append(topics, p.name+"-table")
		if p.rekeyed {
			topics = append(topics, p.name+".rekeyed")
		}
	}
	for _, g := range w.dump.groups() {
		topics = append(topics, strings.TrimPrefix(g.name, "t.")+".dead-letters")
	}
	for _, name := range topics {
		topic := history.Topic{Compacted: strings.HasSuffix(name, "-table"), Start: map[int32]int64{}, End: map[int32]int64{}, Stable: map[int32]int64{}}
		for p := range int32(testPartitions) {
			topic.Start[p], topic.End[p], topic.Stable[p] = 0, 0, 0
		}
		k.topics.Topics["t."+name] = topic
	}
	w.book = newSchemaBook(k.topics.Schemas)
	w.dump.schemas = w.book
	return w
}

// schema publishes the versions of a topic's schema.
func (w *world) schema(topic string) {
	w.file(topic, schemaFile("bank", topic, "v1.avsc"))
	if second := schemaFile("bank", topic, "v2.avsc"); exists(second) {
		w.first[topic] = w.ids[topic]
		w.file(topic, second)
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func (w *world) file(topic, file string) {
	w.ids[topic] = len(w.topics.Schemas) + 1
	w.topics.Schemas[w.ids[topic]] = string(must[[]byte](w.t)(os.ReadFile(file)))
}

// encode writes a value with the latest version of the schema, and now and then with the first, as
// an instance of the release before does, if that can say the same.
func (w *world) encode(topic string, native map[string]any) []byte {
	id := w.ids[topic]
	if first, two := w.first[topic]; two && w.written%3 == 0 && firstSays(native, "") {
		id = first
	}
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(id))
	return must[[]byte](w.t)(w.book.writer(id).codec.BinaryFromNative(prefix, retired(native)))
}

// firstSays reports whether the first version has a place for all that a value says.
func firstSays(value any, id string) bool {
	switch v := value.(type) {
	case []any:
		return !slices.ContainsFunc(v, func(one any) bool { return !firstSays(one, id) })
	case map[string]any:
		if own, ok := v["holder_id"].(string); ok {
			id = own
		}
		name, named := v["holder_name"].(string)
		channel, has := v["channel"].(string)
		if named && name != id || has && channel != unknownChannel {
			return false
		}
		for _, inner := range v {
			if !firstSays(inner, id) {
				return false
			}
		}
	}
	return true
}

// retired returns the value with the copies of holder_id that old readers look for.
func retired(value map[string]any) map[string]any {
	out := map[string]any{}
	for name, inner := range value {
		if record, ok := inner.(map[string]any); ok {
			inner = retired(record)
		}
		if out[name] = inner; name == "holder_id" {
			out["holder"] = inner
		}
	}
	return out
}

func union(s string) any {
	if s == "" {
		return nil
	}
	return map[string]any{"string": s}
}

// append writes a committed record; now and then it leaves a marker or aborted data behind, as
// transactions do.
func (w *world) append(topic, key string, value []byte, headers ...string) spot {
	return w.appendTo(topic, partitionOf(key, testPartitions), []byte(key), value, headers...)
}

func (w *world) appendTo(topic string, partition int32, key, value []byte, headers ...string) spot {
	topic = "t." + topic
	places := w.topics.Topics[topic]
	w.written++
	if w.clock += 7; w.written%11 == 0 && !strings.HasSuffix(topic, ".commands") {
		aborted := history.Record{Partition: partition, Offset: places.End[partition], Time: w.clock, Key: key, Value: value}
		w.uncommitted[topic] = append(w.uncommitted[topic], aborted)
		places.End[partition] += 2
	}
	r := history.Record{Partition: partition, Offset: places.End[partition], Time: w.clock, Key: key, Value: value}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, [2][]byte{[]byte(headers[i]), []byte(headers[i+1])})
	}
	w.committed[topic] = append(w.committed[topic], r)
	w.uncommitted[topic] = append(w.uncommitted[topic], r)
	places.End[partition]++
	if w.written%3 == 0 {
		places.End[partition]++
	}
	places.Stable[partition] = places.End[partition]
	return spotOf(&r)
}

// work handles all commands, and what policies make of them, until nothing is left.
func (w *world) work() {
	for busy := true; busy; {
		busy = false
		for _, a := range aggregates {
			topic := "t." + a + ".commands"
			if w.cursor[a] == nil {
				w.cursor[a] = map[int32]int64{}
			}
			for i := 0; i < len(w.committed[topic]); i++ {
				if r := w.committed[topic][i]; r.Offset >= w.cursor[a][r.Partition] {
					w.cursor[a][r.Partition] = r.Offset + 1
					w.handle(a, &r)
					busy = true
				}
			}
		}
	}
}

func (w *world) deadLetter(group, topic string, r *history.Record, cause string) {
	headers := []string{headerDeadLetter + "cause", cause, headerDeadLetter + "topic", topic, headerDeadLetter + "partition", fmt.Sprint(r.Partition), headerDeadLetter + "offset",
		fmt.Sprint(r.Offset), headerDeadLetter + "timestamp", time.UnixMilli(r.Time).UTC().Format(time.RFC3339Nano), headerDeadLetter + "group", "t." + group}
	w.appendTo(group+".dead-letters", partitionOf(string(r.Key), testPartitions), r.Key, r.Value, headers...)
}

func (w *world) handle(a string, r *history.Record) {
	topic := "t." + a + ".commands"
	c := w.dump.decodeCommand(a, topic, r)
	switch {
	case c.bad != "":
		w.deadLetter(a, topic, r, c.bad)
		return
	case c.key == "" || partitionOf(c.aggregateID, testPartitions) != c.partition:
		var headers []string
		for _, h := range r.Headers {
			headers = append(headers, string(h[0]), string(h[1]))
		}
		headers = append(headers, headerOrigin+"topic", topic, headerOrigin+"partition", fmt.Sprint(r.Partition), headerOrigin+"offset", fmt.Sprint(r.Offset))
		w.append(a+".commands", c.aggregateID, r.Value, headers...)
		return
	}
	o := &outcome{commandID: c.id, aggregateID: c.aggregateID, commandType: c.kind, correlationID: c.correlation, actor: c.actor, command: c.spot, recordedAt: c.time * 1000}
	key := a + "\x00" + commandKey(c.aggregateID, c.id)
	if first, repeat := w.index[key]; repeat {
		if first.same == c.same {
			*o = *first.outcome
		} else if o.code = c.problem; o.code == "" {
			o.code = "command_id_reused"
		}
		o.repeat = true
		w.outcome(a, c, o)
		return
	}
	w.index[key] = standing{o, c.same}
	now := w.folds[a][c.aggregateID]
	if now == nil {
		now = &fold{chain: make([]byte, sha256.Size)}
	}
	var f fact
	switch {
	case c.problem != "":
		o.code = c.problem
	case c.expects && c.expected != now.version:
		o.code = "version_conflict"
	default:
		f, o.code = decide(a, now.state, c.kind, c.payload)
	}
	if o.code != "" {
		w.outcome(a, c, o)
		if strings.HasPrefix(c.actor, policyActor) {
			w.deadLetter(a, topic, r, o.code)
		}
		return
	}
	w.folds[a][c.aggregateID] = now
	e := &event{key: c.aggregateID, kind: f.kind, payload: f.payload, id: eventID(c.id, c.aggregateID, 0), aggregateID: c.aggregateID, commandID: c.id, correlationID: c.correlation,
		causationID: c.id, actor: c.actor, version: now.version + 1, recordedAt: max(now.recordedAt, c.time*1000), cause: c.spot}
	w.event(a, now, e)
	o.accepted, o.firstVersion, o.version, o.eventIDs, o.recordedAt = true, e.version, e.version, []string{e.id}, e.recordedAt
	w.outcome(a, c, o)
}

func (w *world) event(a string, now *fold, e *event) {
	cause := position{a, e.cause.partition, e.cause.offset}.String()
	at := time.UnixMicro(e.recordedAt).UTC()
	value := w.encode(a+".events", map[string]any{"event_id": e.id, "event_type": e.kind, "aggregate_id": e.aggregateID, "version": e.version, "recorded_at": at,
		"command_id": e.commandID, "correlation_id": e.correlationID, "causation_id": union(e.causationID), "actor": e.actor,
		"data": map[string]any{"foldlog.bank." + a + "." + e.kind: e.native(eventForms[a][e.kind])}})
	print := w.book.writer(int(binary.BigEndian.Uint32(value[1:]))).fingerprint
	sum := sha256.Sum256(append(append(append([]byte(nil), now.chain...), print[:]...), value[5:]...))
	headers := []string{headerChain, string(sum[:]), headerCause, cause, headerContentType, "application/avro", "ce_specversion", "1.0", "ce_id", e.id, "ce_source", "/foldlog/bank/" + a,
		"ce_type", e.kind, "ce_time", at.Format(time.RFC3339Nano), "ce_subject", e.aggregateID, headerProgress, cause}
	e.spot = w.append(a+".events", e.aggregateID, value, headers...)
	now.state, now.version, now.recordedAt, now.chain = evolve(now.state, e.kind, e.payload), e.version, e.recordedAt, sum[:]
	w.projector.add(e)
	w.reached[position{a, e.cause.partition, 0}] = e.cause.offset
	w.appendTo(a+"-table", e.partition, []byte(e.aggregateID), w.encode(a+"-table", map[string]any{"version": now.version, "recorded_at": at, "chain": now.chain,
		"state": now.state.document(a)}))
	w.announce(a+"-table", a, e.cause, e.partition)
	for _, p := range projections {
		if p.rekeyed && p.source == a {
			if key := rekeyedKey(p.name, e); key != "" {
				w.append(p.name+".rekeyed", key, value, headers[:len(headers)-2]...)
			}
		}
	}
	if r, reacts := react(e.kind, e.aggregateID, e.payload); reacts {
		w.append(r.aggregate+".commands", r.id, w.command(r.aggregate, r.kind, r.id, policyCommandID(r.policy, e.id), r.payload, func(native map[string]any) {
			native["correlation_id"], native["causation_id"] = union(e.correlationID), union(e.id)
		}), headerContentType, "application/avro", headerActor, policyActor+r.policy)
	}
}

// announce writes a progress record into a partition.
func (w *world) announce(topic, a string, cause spot, partition int32) {
	text := position{a, cause.partition, cause.offset}.String()
	for n := 0; ; n++ {
		key := fmt.Sprintf("%s%s/%d/%d", progressPrefix, a, cause.partition, n)
		if partitionOf(key, testPartitions) == partition {
			w.append(topic, key, []byte(text), headerProgress, text)
			return
		}
	}
}

func (w *world) outcome(a string, c *command, o *outcome) {
	ids := []any{}
	for _, id := range o.eventIDs {
		ids = append(ids, id)
	}
	w.append(a+".outcomes", c.aggregateID, w.encode(a+".outcomes", map[string]any{"command_id": o.commandID, "aggregate_id": o.aggregateID, "command_type": o.commandType,
		"accepted": o.accepted, "first_version": o.firstVersion, "version": o.version, "event_ids": ids, "code": union(o.code), "message": nil, "field": nil,
		"recorded_at": time.UnixMicro(o.recordedAt).UTC(), "correlation_id": o.correlationID, "payload_hash": c.same[:], "command_partition": o.command.partition,
		"command_offset": o.command.offset, "repeat": o.repeat, "actor": union(o.actor)}), headerCause, position{a, c.partition, c.offset}.String())
	w.last(a, o)
}

// command returns a command's value in Avro.
func (w *world) command(a, kind, id, commandID string, p payload, change func(map[string]any)) []byte {
	native := map[string]any{"command_id": union(commandID), "type": kind, "aggregate_id": union(id), "expected_version": nil, "correlation_id": nil, "causation_id": nil,
		"actor": nil, "data": map[string]any{"foldlog.bank." + a + "." + recordNames[kind]: p.native(commandForms[a][kind])}}
	if change != nil {
		change(native)
	}
	return w.encode(a+".commands", native)
}

// last remembers the outcome that was just written, for the client that waits for it.
func (w *world) last(a string, o *outcome) {
	w.ledger[a+"\x00"+commandKey(o.aggregateID, o.commandID)] = o
}

func jsonOf(t *testing.T, p payload, fields []field) json.RawMessage {
	out := map[string]any{}
	for name, value := range p.native(fields) {
		if branch, ok := value.(map[string]any); ok {
			value = branch["string"]
		}
		out[name] = value
	}
	return must[[]byte](t)(json.Marshal(out))
}
