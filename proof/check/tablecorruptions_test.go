package check

import (
	"encoding/json"
	"strconv"

	"github.com/foldlog/foldlog/proof/history"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// tableCorruptions spoil tables, views, states, stores, offsets and the dump itself.
func tableCorruptions() []corruption {
	rowOf := func(i *intact, table, key string) spot { return i.was.tables[table][key].spot }
	return []corruption{
		{"a row is lost", "I3", "I9 I11", func(k *kept, i *intact) {
			k.edit(accountTable, func(records []history.Record) []history.Record {
				var rest []history.Record
				for _, r := range records {
					if string(r.Key) != "acc-3" {
						rest = append(rest, r)
					}
				}
				return rest
			})
		}},
		{"a row is an older one", "I3", "I9 I11", func(k *kept, i *intact) { k.drop(accountTable, rowOf(i, "account", "acc-1")) }},
		{"money is made in a row", "I3 I9", "I11", func(k *kept, i *intact) {
			k.fields(accountTable, rowOf(i, "account", "acc-4"), func(f map[string]any) {
				s := f["state"].(map[string]any)
				s["balance"] = s["balance"].(int64) + 1_000_000
			})
		}},
		{"a row's chain is wrong", "I3", "I11", func(k *kept, i *intact) {
			k.fields(accountTable, rowOf(i, "account", "acc-4"), func(f map[string]any) { f["chain"] = make([]byte, 32) })
		}},
		{"a row of nobody", "I3", "I9 I11", func(k *kept, i *intact) {
			key := "nobody-0"
			for n := 0; partitionOf(key, testPartitions) != rowOf(i, "account", "acc-4").partition; n++ {
				key = "nobody-" + itoa(int64(n))
			}
			k.add(accountTable, rowOf(i, "account", "acc-4"), func(r *history.Record) { r.Key = []byte(key) })
		}},
		{"a row is in the wrong partition", "I3", "I11", func(k *kept, i *intact) {
			k.add("t.balances-table", rowOf(i, "balances", "acc-4"), func(r *history.Record) { r.Partition = (r.Partition + 1) % testPartitions })
		}},
		{"a projection lost an event", "I3", "I11", func(k *kept, i *intact) {
			k.fields("t.daily-turnover-table", rowOf(i, "daily-turnover", sortedKeys(i.was.tables["daily-turnover"])[0]), func(f map[string]any) {
				f["deposit_count"] = f["deposit_count"].(int64) - 1
			})
		}},
		{"a projection's row is lost", "I3", "", func(k *kept, i *intact) { k.drop("t.transfers-table", rowOf(i, "transfers", "t-6")) }},
		{"a view is stale", "I3", "I11", func(k *kept, i *intact) {
			k.row("views/a/balances.jsonl", "acc-5", func(row map[string]any) { row["version"] = json.Number("1") })
		}},
		{"a view lost a row", "I3", "I11", func(k *kept, i *intact) { k.dropRow("views/b/transfers.jsonl", "t-6") }},
		{"a view has a row of nobody", "I3", "I11", func(k *kept, i *intact) {
			k.rows["views/a/balances.jsonl"] = append(k.rows["views/a/balances.jsonl"], history.Row{Key: "nobody", Row: json.RawMessage(`{"account_id":"nobody"}`)})
		}},
		{"a state is an older one", "I3", "I11", func(k *kept, i *intact) {
			k.row("states/b/account.jsonl", "acc-5", func(row map[string]any) { row["state"].(map[string]any)["balance"] = json.Number("-77") })
		}},
		{"a time in a view is off by a microsecond", "I3", "I11", func(k *kept, i *intact) {
			k.row("views/b/transfers.jsonl", "t-6", func(row map[string]any) { row["requested_at"] = "2023-11-14T22:13:20.000001Z" })
		}},
		{"the fresh instance lacks a row", "I3 I11", "", func(k *kept, i *intact) { k.dropRow("views/fresh/accounts-by-holder.jsonl", "holder 1") }},
		{"the fresh instance has another state", "I3 I11", "", func(k *kept, i *intact) {
			k.row("states/fresh/account.jsonl", "acc-5", func(row map[string]any) { row["version"] = json.Number("2") })
		}},
		{"a store has an older row", "I11", "", func(k *kept, i *intact) {
			file := storeFile("stores/a", "account", i.was.tables["account"]["acc-6"].partition)
			k.eachRow(file, storeRow(k.t, "acc-6", nil).Key, func(r *history.Row) { *r = storeRow(k.t, "acc-6", []byte("old")) })
		}},
		{"a store lost a row", "I11", "", func(k *kept, i *intact) {
			k.dropRow(storeFile("stores/a", "account", i.was.tables["account"]["acc-6"].partition), storeRow(k.t, "acc-6", nil).Key)
		}},
		{"a store that was left lost a row", "I11", "", func(k *kept, i *intact) {
			k.dropRow(storeFile("stores-left/b", "account", i.was.tables["account"]["acc-6"].partition), storeRow(k.t, "acc-6", nil).Key)
		}},
		{"a store has what was never committed", "I11", "", func(k *kept, i *intact) {
			file := storeFile("stores/a", "account", 0)
			k.rows[file] = append(k.rows[file], storeRow(k.t, "phantom", []byte("x")))
		}},
		{"a store's receipt promises more than there is", "I11", "", func(k *kept, i *intact) {
			k.receipts[storeFile("receipts/b", "account", 1)] = k.receipts[storeFile("receipts/a", "account", 1)]
		}},
		{"an owner's store is behind", "I11", "", func(k *kept, i *intact) {
			k.receipts[storeFile("receipts/a", "account", 1)] = k.receipts[storeFile("receipts/b", "account", 1)]
			for _, folder := range []string{"stores", "indexes"} {
				from := map[string]string{"stores": "stores-left/b", "indexes": "indexes/b"}[folder]
				k.rows[storeFile(folder+"/a", "account", 1)] = k.rows[storeFile(from, "account", 1)]
			}
		}},
		{"no store has everything", "I11", "", func(k *kept, i *intact) { delete(k.rows, storeFile("stores/a", "account", 1)) }},
		{"a store forgot a command id", "I11", "", func(k *kept, i *intact) {
			o := i.outcome(accepted)
			k.dropRow(storeFile("indexes/a", "account", o.partition), storeRow(k.t, commandKey(o.aggregateID, o.commandID), nil).Key)
		}},
		{"a store remembers a command of nobody", "I11", "", func(k *kept, i *intact) {
			file := storeFile("indexes/a", "account", 0)
			k.rows[file] = append(k.rows[file], storeRow(k.t, "acc-1\x00never", []byte("x")))
		}},
		{"an offset is behind", "I6", "", func(k *kept, i *intact) { k.topics.Offsets["t.balances"][accountEvents][1] = 3 }},
		{"an offset is beyond the end", "I6", "", func(k *kept, i *intact) { k.topics.Offsets["t.transfer-steps"]["t.transfer.events"][1] += 5000 }},
		{"an offset is missing", "I6", "", func(k *kept, i *intact) { delete(k.topics.Offsets["t.account"][accountCommands], 0) }},
		{"a table says that it is fresher than it is", "I8", "", func(k *kept, i *intact) {
			m := i.was.progress[accountTable][0]
			k.change(accountTable, m.spot, func(r *history.Record) {
				text := position{"account", m.position.Partition, 1 << 40}.String()
				r.Value = []byte(text)
				setHeader(r, headerProgress, text)
			})
		}},
		{"a table does not say that it is fresh", "I8", "", func(k *kept, i *intact) {
			marks := i.was.progress["t.daily-turnover-table"]
			k.drop("t.daily-turnover-table", marks[len(marks)-1].spot)
		}},
		{"a table says that it is fresh before it is", "I8", "I3 I11", func(k *kept, i *intact) {
			row := i.was.tables["account"]["acc-6"]
			for _, m := range i.was.progress[accountTable] {
				if row.spot.before(m.spot) && m.spot.partition == row.partition {
					k.swap(accountTable, row.spot, m.spot)
					return
				}
			}
		}},
		{"a table says that it is less fresh than before", "I8", "I11", func(k *kept, i *intact) {
			marks := i.was.progress[accountTable]
			k.add(accountTable, marks[0].spot, nil)
		}},
		{"a committed record is not in the log", "I0", "", func(k *kept, i *intact) {
			k.uncommitted[accountEvents] = k.uncommitted[accountEvents][:len(k.uncommitted[accountEvents])-1]
		}},
		{"the log has another record", "I0", "", func(k *kept, i *intact) {
			e := i.event("Deposited", 1)
			committed := k.committed[accountEvents]
			k.change(accountEvents, e.spot, func(r *history.Record) { r.Time++ })
			k.committed[accountEvents] = committed
		}},
		{"a transaction is left open", "I0", "", func(k *kept, i *intact) { k.topics.Topics[accountTable].Stable[1] -= 2 }},
		{"a transfer is unfinished", "I9", "I1 I2 I3 I4 I6 I8 I11", func(k *kept, i *intact) {
			k.drop("t.transfer.events", i.event("TransferCompleted", 0).spot)
		}},
		{"money is lost in flight", "I9", "I1 I2 I3 I3b I4 I6 I8 I11", func(k *kept, i *intact) { k.drop(accountEvents, i.event("Credited", 0).spot) }},
	}
}
