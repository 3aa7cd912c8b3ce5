package check

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog/proof/history"
)

func (w *world) line(o history.Op) {
	w.clock++
	o.At = w.clock * 1_000_000
	w.ops = append(w.ops, o)
}

func (w *world) begin(client int, o history.Op) history.Op {
	w.number++
	o.Number, o.Client, o.Kind = w.number, client, history.Invoke
	w.line(o)
	return o
}

func (w *world) end(invoke, end history.Op) history.Op {
	end.Number, end.Client, end.Call = invoke.Number, invoke.Client, invoke.Call
	w.line(end)
	return end
}

var instances = []string{"a", "b"}

// send has a client send a command over HTTP, and returns what it was told.
func (w *world) send(client int, a, id, kind, commandID string, p payload, expected *int64) history.Op {
	in := w.begin(client, history.Op{Call: history.CommandCall, Aggregate: a, ID: id, Command: kind, CommandID: commandID, Data: jsonOf(w.t, p, commandForms[a][kind]), ExpectedVersion: expected})
	value := w.command(a, kind, id, commandID, p, func(native map[string]any) {
		if expected != nil {
			native["expected_version"] = map[string]any{"long": *expected}
		}
	})
	w.append(a+".commands", id, value, headerContentType, "application/avro", headerActor, "anonymous")
	w.work()
	o := w.ledger[a+"\x00"+commandKey(id, commandID)]
	end := history.Op{Kind: history.OK, Instance: instances[client%2], Status: 422, Code: o.code, Repeat: o.repeat}
	if o.accepted {
		end.Status, end.FirstVersion, end.Version, end.EventIDs = 200, o.firstVersion, o.version, o.eventIDs
		end.Token = token(position{a, o.command.partition, o.command.offset})
	}
	return w.end(in, end)
}

// position returns what a read of that key shows at rest.
func (w *world) position(a, key string, all bool) string {
	var parts []string
	for p := range int32(testPartitions) {
		if offset, any := w.reached[position{a, p, 0}]; any && (all || p == partitionOf(key, testPartitions)) {
			parts = append(parts, position{a, p, offset}.String())
		}
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, ",")))
}

// read has a client read a state and its row.
func (w *world) read(client int, id, after string) {
	now := w.folds["account"][id]
	if now == nil {
		w.end(w.begin(client, history.Op{Call: history.StateCall, Aggregate: "account", ID: id}), history.Op{Kind: history.OK, Instance: instances[client%2], Status: 404, Code: "not_found"})
		return
	}
	end := history.Op{Kind: history.OK, Instance: instances[client%2], Status: 200, Version: now.version, Position: w.position("account", id, false),
		Body: must[[]byte](w.t)(json.Marshal(now.state.document("account")))}
	w.end(w.begin(client, history.Op{Call: history.StateCall, Aggregate: "account", ID: id, After: after}), end)
	row := now.state.document("account")
	row["account_id"], row["version"] = id, now.version
	if client%3 == 0 { // while the projection's second version serves
		row[depositedTotal] = now.state.depositedTotal
	}
	end.Version, end.Body = 0, must[[]byte](w.t)(json.Marshal(row))
	w.end(w.begin(client, history.Op{Call: history.ViewCall, View: "balances", ID: id, After: after}), end)
	end.Position, end.Body = w.position("account", "", true), json.RawMessage(`{}`)
	w.end(w.begin(client, history.Op{Call: history.ViewCall, View: "daily-turnover", ID: "2023-11-14:EUR", After: after}), end)
}

// produce has a client write a record to a commands topic.
func (w *world) produce(client int, a string, partition int32, key, value []byte, headers ...string) spot {
	in := w.begin(client, history.Op{Call: history.ProduceCall, Aggregate: a, ID: string(key), Key: key, Raw: value, Nil: value == nil})
	at := w.appendTo(a+".commands", partition, key, value, headers...)
	w.work()
	w.end(in, history.Op{Kind: history.OK, Partition: at.partition, Offset: at.offset})
	return at
}

// tell makes a run of some hundred commands in which everything happens that can.
func tell(t *testing.T) *world {
	w := newWorld(t)
	w.run.Began = w.clock * 1_000_000
	r := rand.New(rand.NewPCG(3, 9))
	id := func(n int) string { return fmt.Sprintf("acc-%d", n) }
	for n := range 12 {
		w.send(n, "account", id(n), "open", fmt.Sprintf("open-%d", n), payload{holderID: fmt.Sprintf("holder %d", n%4), holderName: fmt.Sprintf("%s %d", []string{"holder", "Name"}[n%2], n%4), currency: "EUR", overdraft: []int64{0, 100, -1}[n%3]}, nil)
		w.send(n, "account", id(n), "deposit", fmt.Sprintf("first-%d", n), payload{amount: 1000, currency: "EUR", reference: "é"}, nil)
	}
	for n := range 156 {
		client, account, commandID := n%5, id(r.IntN(12)), fmt.Sprintf("c-%d", n)
		p := payload{amount: r.Int64N(400), currency: "EUR"}
		switch n % 12 {
		case 0, 1:
			p.booked, p.bookedOn = n%24 == 0, "2026-01-31"
			if !p.booked {
				p.bookedOn = ""
			}
			end := w.send(client, "account", account, "deposit", commandID, p, nil)
			w.read(client, account, end.Token)
		case 2:
			w.send(client, "account", account, "withdraw", commandID, p, nil)
		case 3:
			w.send(client, "account", account, "withdraw", commandID, payload{amount: p.amount, currency: "USD"}, nil)
		case 4:
			w.send(client, "account", account, "deposit", commandID, payload{amount: 5, currency: "EUR"}, new(int64))
			w.read(client, account, "")
		case 5: // the same again, and another under its id
			w.send(client, "account", account, "deposit", commandID, payload{amount: 9, currency: "EUR"}, nil)
			w.send(client, "account", account, "deposit", commandID, payload{amount: 9, currency: "EUR"}, nil)
			w.send(client, "account", account, "deposit", commandID, payload{amount: 10, currency: "EUR"}, nil)
		case 11:
			w.send(client, "account", account, []string{"freeze", "unfreeze"}[n/12%2], commandID, payload{reason: "law"}, nil)
		default:
			w.send(client, "transfer", fmt.Sprintf("t-%d", n), "request", commandID, payload{from: account, to: id(r.IntN(14)), amount: p.amount, currency: "EUR"}, nil)
		}
	}
	w.badInputs()
	w.finish()
	return w
}

func (w *world) badInputs() {
	wrong := (partitionOf("acc-1", testPartitions) + 1) % testPartitions
	w.produce(7, "account", 0, []byte("acc-1"), nil)
	w.produce(7, "account", 0, []byte("acc-1"), []byte{})
	w.produce(7, "account", 1, []byte("acc-1"), []byte("\x00\x00\x00\x00\x63rubbish"))
	w.produce(7, "account", 2, []byte("__acc"), []byte(`{"type": "freeze", "data": {}}`))
	w.produce(7, "transfer", 2, []byte("t-0"), []byte(`{"command_id": 5}`))
	w.produce(7, "account", wrong, []byte("acc-1"), []byte(`{"command_id": "strayed", "type": "deposit", "actor": "me", "data": {"amount": 3, "currency": "EUR"}}`), headerContentType, "application/json")
	w.produce(7, "account", partitionOf("acc-1", testPartitions), []byte("acc-1"), []byte(`{"type": "deposit", "data": {"amount": 3.0, "currency": "EUR"}}`))
	// A debit that declines for a transfer that there is not: the policy's answer is rejected,
	// which is a dead letter.
	w.produce(7, "account", partitionOf("acc-1", testPartitions), []byte("acc-1"),
		[]byte(`{"type": "debit", "data": {"transfer_id": "t-none", "counterparty": "acc-2", "amount": 1, "currency": "USD"}}`))
}

// finish brings the system to rest and dumps it.
func (w *world) finish() {
	// One command without an answer, and one that certainly was not written.
	in := w.begin(0, history.Op{Call: history.CommandCall, Aggregate: "account", ID: "acc-2", Command: "freeze", CommandID: "timed-out", Data: json.RawMessage(`{"reason":""}`)})
	w.append("account.commands", "acc-2", w.command("account", "freeze", "acc-2", "timed-out", payload{}, nil), headerContentType, "application/avro", headerActor, "anonymous")
	w.work()
	w.end(in, history.Op{Kind: history.Unknown})
	in = w.begin(0, history.Op{Call: history.CommandCall, Aggregate: "account", ID: "acc-2", Command: "freeze", CommandID: "unsent", Data: json.RawMessage(`{"reason":""}`)})
	w.end(in, history.Op{Kind: history.Fail, Status: 503, Code: "unavailable"})

	shown := w.projector.rows(w.folds)
	for _, p := range projections {
		for _, key := range sortedKeys(shown[p.name]) {
			w.append(p.name+"-table", key, w.encode(p.name+"-table", avroRow(shown[p.name][key])))
		}
		for at := range int32(testPartitions) {
			for _, source := range w.sources() {
				if source.Aggregate == p.source && (p.rekeyed || source.Partition == at) {
					w.announce(p.name+"-table", p.source, spot{source.Partition, w.reached[source]}, at)
				}
			}
		}
	}
	for _, g := range w.dump.groups() {
		w.topics.Offsets[g.name] = map[string]map[int32]int64{g.input: {}}
		for p, end := range w.topics.Topics[g.input].End {
			w.topics.Offsets[g.name][g.input][p] = end
		}
	}
	w.show(shown)
	w.stores()
	w.run.Healed = w.clock * 1_000_000
	w.run.Settled = w.run.Healed + (3 * time.Second).Nanoseconds()
	w.run.Ended = w.run.Settled
	for i := range int64(240) {
		for _, instance := range []string{"a", "b"} {
			s := history.Sample{At: w.run.Began + i*1e9, Instance: instance, RSS: 200<<20 + i<<10, FDs: 80 + int(i%7), Goroutines: 150 + int(i%11), Ready: true}
			// most of the first quarter of its second life it waits for others
			if instance == "b" && i > 111 && i < 136 {
				s.Goroutines, s.Ready = 20, false
			}
			w.samples = append(w.samples, s)
		}
	}
	w.faults = []history.Fault{{At: w.run.Began + 100e9, Kind: "kill", Target: "b"}, {At: w.run.Began + 101e9, Kind: "start", Target: "b"}}
}

// show dumps what the instances answer.
func (w *world) show(shown rows) {
	for _, instance := range []string{"a", "b", "fresh"} {
		for _, p := range projections {
			for _, key := range sortedKeys(shown[p.name]) {
				w.addRow("views/"+instance+"/"+p.name+".jsonl", key, jsonRow(shown[p.name][key]))
			}
		}
		for _, a := range aggregates {
			for _, id := range sortedKeys(w.folds[a]) {
				f := w.folds[a][id]
				w.addRow("states/"+instance+"/"+a+".jsonl", id, jsonRow(map[string]any{"aggregate_id": id, "version": f.version, "recorded_at": f.recordedAt, "state": f.state.document(a)}))
			}
		}
	}
}

func (w *world) addRow(file, key string, row map[string]any) {
	w.rows[file] = append(w.rows[file], history.Row{Key: key, Row: must[[]byte](w.t)(json.Marshal(row))})
}

// stores dumps local stores: those of a, which owned all partitions at the end, and those that b
// had owned before.
func (w *world) stores() {
	for _, table := range []string{"account", "balances", "daily-turnover"} {
		for p := range int32(testPartitions) {
			end, outcomes := w.topics.Topics["t."+table+"-table"].End[p], w.topics.Topics["t."+table+".outcomes"].End[p]
			w.store("stores/a", table, p, receipt{end, outcomes})
			w.store("stores-left/b", table, p, receipt{end / 2, outcomes / 2})
		}
	}
}

func (w *world) store(where, table string, p int32, r receipt) {
	_, instance, _ := strings.Cut(where, "/")
	w.receipts[storeFile("receipts/"+instance, table, p)] = r
	last := map[string]history.Record{}
	for _, row := range w.committed["t."+table+"-table"] {
		if !strings.HasPrefix(string(row.Key), reservedPrefix) && row.Partition == p && row.Offset < r.TableNext {
			last[string(row.Key)] = row
		}
	}
	for _, key := range sortedKeys(last) {
		file := storeFile(where, table, p)
		w.rows[file] = append(w.rows[file], storeRow(w.t, key, last[key].Value))
	}
	for _, out := range w.committed["t."+table+".outcomes"] {
		if o := must[*outcome](w.t)(w.dump.decodeOutcome(table, &out)); out.Partition == p && out.Offset < r.IndexNext && !o.repeat {
			file := storeFile("indexes/"+instance, table, p)
			w.rows[file] = append(w.rows[file], storeRow(w.t, commandKey(o.aggregateID, o.commandID), out.Value))
		}
	}
}

func storeFile(where, table string, p int32) string {
	return fmt.Sprintf("%s/t.%s-table.%d.jsonl", where, table, p)
}

// avroRow makes a row as the Avro library wants it, and jsonRow one as the HTTP interface shows it.
func avroRow(row map[string]any) map[string]any {
	return convertTimes(row, func(name string, at time.Time) any {
		if name == "finished_at" {
			return map[string]any{"long.timestamp-micros": at}
		}
		return at
	})
}

func jsonRow(row map[string]any) map[string]any {
	return convertTimes(row, func(_ string, at time.Time) any { return at.Format(time.RFC3339Nano) })
}

func convertTimes(row map[string]any, convert func(string, time.Time) any) map[string]any {
	out := map[string]any{}
	for name, value := range row {
		if micros, ok := value.(int64); ok && timeFields[name] {
			value = convert(name, time.UnixMicro(micros).UTC())
		}
		out[name] = value
	}
	return out
}

// sources returns the source partitions that had events, in a fixed order.
func (w *world) sources() []position {
	var list []position
	for _, a := range aggregates {
		for p := range int32(testPartitions) {
			if _, any := w.reached[position{a, p, 0}]; any {
				list = append(list, position{a, p, 0})
			}
		}
	}
	return list
}
