package check

import (
	"strings"

	"github.com/foldlog/foldlog/proof/history"
)

// logCorruptions spoil commands, events, outcomes and dead letters.
func logCorruptions() []corruption {
	amount := func(fields map[string]any, change int64) {
		for _, data := range fields["data"].(map[string]any) {
			inner := data.(map[string]any)
			inner["amount"] = inner["amount"].(int64) + change
		}
	}
	return []corruption{
		{"an event is lost", "I2 I3 I4", "I3b I8 I9", func(k *kept, i *intact) { k.drop(accountEvents, i.event("Deposited", 20).spot) }},
		{"the last event of an account is lost", "I3 I4", "I8", func(k *kept, i *intact) {
			last := map[string]*event{}
			for _, e := range i.was.events["account"] {
				last[e.aggregateID] = e
			}
			k.drop(accountEvents, last["acc-2"].spot)
		}},
		{"an event is there twice", "I2", "I5", func(k *kept, i *intact) { k.add(accountEvents, i.event("Deposited", 9).spot, nil) }},
		{"two events are swapped", "I2 I5", "I8 I3b I3 I9", func(k *kept, i *intact) {
			byAccount := map[string]*event{}
			for _, e := range i.was.events["account"] {
				if before := byAccount[e.aggregateID]; before != nil && before.kind == "Deposited" && e.kind == "Deposited" {
					k.swap(accountEvents, before.spot, e.spot)
					return
				}
				byAccount[e.aggregateID] = e
			}
		}},
		{"an amount is edited", "I2 I3 I3b I4 I9", "I8", func(k *kept, i *intact) {
			k.fields(accountEvents, i.event("Deposited", 15).spot, func(f map[string]any) { amount(f, 1) })
		}},
		{"a chain header is wrong", "I2", "I3", func(k *kept, i *intact) {
			k.change(accountEvents, i.event("Withdrawn", 2).spot, func(r *history.Record) { setHeader(r, headerChain, strings.Repeat("x", 32)) })
		}},
		{"an event is in the wrong partition", "I2", "I3 I3b I4 I5 I6 I8 I9", func(k *kept, i *intact) {
			e := i.event("Deposited", 5)
			k.add(accountEvents, e.spot, func(r *history.Record) { r.Partition = (r.Partition + 1) % testPartitions })
			k.drop(accountEvents, e.spot)
		}},
		{"a version is skipped", "I2 I4", "I3 I3b I8 I9", func(k *kept, i *intact) {
			k.fields(accountEvents, i.event("Withdrawn", 4).spot, func(f map[string]any) { f["version"] = f["version"].(int64) + 1 })
		}},
		{"recorded_at goes back", "I2 I4", "I3", func(k *kept, i *intact) {
			k.fields(accountEvents, i.event("Deposited", 30).spot, func(f map[string]any) { f["recorded_at"] = i.event("AccountOpened", 0).recordedAt - 1 })
		}},
		{"an event id is not derived", "I2 I4", "", func(k *kept, i *intact) {
			k.fields(accountEvents, i.event("Withdrawn", 3).spot, func(f map[string]any) { f["event_id"] = "00000000-0000-5000-8000-000000000000" })
		}},
		{"an event names another command", "I2", "I4", func(k *kept, i *intact) {
			k.fields(accountEvents, i.event("Withdrawn", 3).spot, func(f map[string]any) { f["command_id"] = "another" })
		}},
		{"an actor is changed", "I2", "I4", func(k *kept, i *intact) {
			k.fields(accountEvents, i.event("Withdrawn", 3).spot, func(f map[string]any) { f["actor"] = "someone" })
		}},
		{"a CloudEvents header differs", "I2", "", func(k *kept, i *intact) {
			k.change(accountEvents, i.event("Credited", 0).spot, func(r *history.Record) { setHeader(r, "ce_type", "Debited") })
		}},
		{"an event without a command", "I4 I2", "I3", func(k *kept, i *intact) {
			k.add(accountEvents, i.event("AccountFrozen", 0).spot, func(r *history.Record) { setHeader(r, headerCause, "account/0/999999") })
		}},
		{"a rejected command's event", "I4", "I2 I3 I3b I5 I8 I9 I6", func(k *kept, i *intact) {
			rejected := i.outcome(func(o *outcome) bool { return o.code == "currency_mismatch" })
			k.change(accountEvents, i.event("Withdrawn", 1).spot, func(r *history.Record) {
				setHeader(r, headerCause, position{"account", rejected.cause.partition, rejected.cause.offset}.String())
			})
		}},
		{"an outcome is lost", "I1 I6", "I11", func(k *kept, i *intact) {
			k.drop(accountOutcomes, i.outcome(func(o *outcome) bool { return o.code == "version_conflict" }).spot)
		}},
		{"a policy command's outcome is lost", "I1 I6", "I11", func(k *kept, i *intact) {
			k.drop("t.transfer.outcomes", i.was.outcomes["transfer"][len(i.was.outcomes["transfer"])-1].spot)
		}},
		{"an outcome is there twice", "I1", "I5", func(k *kept, i *intact) { k.add(accountOutcomes, i.outcome(accepted).spot, nil) }},
		{"an outcome says accepted instead of rejected", "I3b I1", "", func(k *kept, i *intact) {
			k.fields(accountOutcomes, i.outcome(func(o *outcome) bool { return o.code == "currency_mismatch" }).spot, func(f map[string]any) { f["accepted"], f["code"] = true, nil })
		}},
		{"a code is wrong", "I3b I1", "", func(k *kept, i *intact) {
			k.fields(accountOutcomes, i.outcome(func(o *outcome) bool { return o.code == "currency_mismatch" }).spot, func(f map[string]any) { f["code"] = union("insufficient_funds") })
		}},
		{"an outcome names other events", "I4 I1", "", func(k *kept, i *intact) {
			k.fields(accountOutcomes, i.outcome(accepted).spot, func(f map[string]any) { f["event_ids"] = []any{"another"} })
		}},
		{"an outcome names somebody else", "I1", "", func(k *kept, i *intact) {
			k.fields(accountOutcomes, i.outcome(func(o *outcome) bool { return o.code == "currency_mismatch" }).spot, func(f map[string]any) { f["actor"] = union("somebody else") })
		}},
		{"an outcome names nobody", "I1", "", func(k *kept, i *intact) {
			k.fields(accountOutcomes, i.outcome(accepted).spot, func(f map[string]any) { f["actor"] = nil })
		}},
		{"two outcomes are swapped", "I5", "I1", func(k *kept, i *intact) {
			var first *outcome
			for _, o := range i.was.outcomes["account"] {
				if first != nil && o.aggregateID == first.aggregateID {
					k.swap(accountOutcomes, first.spot, o.spot)
					return
				}
				if first == nil {
					first = o
				}
			}
		}},
		{"a repeat is not marked", "I1", "", func(k *kept, i *intact) {
			k.fields(accountOutcomes, i.outcome(func(o *outcome) bool { return o.repeat && o.accepted }).spot, func(f map[string]any) { f["repeat"] = false })
		}},
		{"a repeat differs from the first outcome", "I1", "", func(k *kept, i *intact) {
			k.fields(accountOutcomes, i.outcome(func(o *outcome) bool { return o.repeat && o.accepted }).spot, func(f map[string]any) { f["version"] = f["version"].(int64) + 1 })
		}},
		{"a reused id is not noticed", "I3b I1", "", func(k *kept, i *intact) {
			k.fields(accountOutcomes, i.outcome(func(o *outcome) bool { return o.code == "command_id_reused" }).spot, func(f map[string]any) { f["code"] = union("wrong_state") })
		}},
		{"a command is carried out twice", "I1 I2", "I3 I3b I4 I8 I9 I5", func(k *kept, i *intact) {
			again := i.outcome(func(o *outcome) bool { return o.repeat && o.accepted })
			k.fields(accountOutcomes, again.spot, func(f map[string]any) { f["repeat"] = false })
			k.add(accountEvents, i.event("Deposited", 3).spot, func(r *history.Record) {
				setHeader(r, headerCause, position{"account", again.cause.partition, again.cause.offset}.String())
			})
		}},
		{"an acknowledged command is not in the log", "I1 I4", "I2", func(k *kept, i *intact) { k.drop(accountCommands, i.outcome(accepted).cause) }},
		{"a command's amount is changed after the fact", "I1 I3b", "", func(k *kept, i *intact) {
			k.fields(accountCommands, i.event("Deposited", 14).cause, func(f map[string]any) { amount(f, 1) })
		}},
		{"a policy's command is lost", "I4", "I2 I5 I6 I9", func(k *kept, i *intact) {
			for _, c := range i.was.commands["transfer"] {
				if c.kind == "confirm-debit" {
					k.drop(transferCommands, c.spot)
					return
				}
			}
		}},
		{"a policy sends a command twice", "I4 I1", "I6", func(k *kept, i *intact) {
			for _, c := range i.was.commands["transfer"] {
				if c.kind == "confirm-credit" {
					k.add(transferCommands, c.spot, nil)
					return
				}
			}
		}},
		{"a policy sends another amount", "I4 I3b", "", func(k *kept, i *intact) {
			for _, c := range i.was.commands["account"] {
				if c.kind == "debit" && strings.HasPrefix(c.actor, policyActor) {
					k.fields(accountCommands, c.spot, func(f map[string]any) { amount(f, -1) })
					return
				}
			}
		}},
		{"a policy sends what nothing asks for", "I4", "I1 I6 I5", func(k *kept, i *intact) {
			for _, c := range i.was.commands["account"] {
				if c.kind == "debit" && strings.HasPrefix(c.actor, policyActor) {
					k.add(accountCommands, c.spot, nil)
					k.fields(accountCommands, spot{c.partition, k.topics.Topics[accountCommands].End[c.partition] - 1}, func(f map[string]any) { f["command_id"] = union("invented") })
					return
				}
			}
		}},
		{"a strayed command is not forwarded", "I1", "I4", func(k *kept, i *intact) {
			for _, c := range i.was.commands["account"] {
				if c.forwarded {
					k.drop(accountCommands, c.spot)
					return
				}
			}
		}},
		{"a dead letter is lost", "I10", "I6", func(k *kept, i *intact) { k.drop(accountLetters, i.letter("account", 0).spot) }},
		{"a dead letter is there twice", "I10", "", func(k *kept, i *intact) { k.add(accountLetters, i.letter("account", 1).spot, nil) }},
		{"a dead letter has wrong coordinates", "I10", "I6", func(k *kept, i *intact) {
			k.change(accountLetters, i.letter("account", 1).spot, func(r *history.Record) { setHeader(r, headerDeadLetter+"offset", "0") })
		}},
		{"a dead letter has another value", "I10", "", func(k *kept, i *intact) {
			k.change(accountLetters, i.letter("account", 1).spot, func(r *history.Record) { r.Value = []byte("other") })
		}},
		{"a rejected policy command has no dead letter", "I10", "I6", func(k *kept, i *intact) {
			for _, l := range i.was.deadLetters["t.transfer"] {
				if l.key == "t-none" {
					k.drop("t.transfer.dead-letters", l.spot)
					return
				}
			}
			i.t.Fatal("no policy command was rejected")
		}},
		{"a good command has a dead letter", "I10", "", func(k *kept, i *intact) {
			at := i.outcome(accepted).cause
			k.add(accountLetters, i.letter("account", 1).spot, func(r *history.Record) {
				setHeader(r, headerDeadLetter+"partition", itoa(int64(at.partition)))
				setHeader(r, headerDeadLetter+"offset", itoa(at.offset))
			})
		}},
		{"a projection sets an event aside", "I10", "", func(k *kept, i *intact) {
			l := k.committed[accountLetters][0]
			l.Partition, l.Offset = 0, 0
			topic := "t.balances.dead-letters"
			k.topics.Topics[topic].End[0], k.topics.Topics[topic].Stable[0] = 1, 1
			k.edit(topic, func([]history.Record) []history.Record { return []history.Record{l} })
		}},
		{"a re-keyed event is lost", "I4", "", func(k *kept, i *intact) {
			k.drop("t.daily-turnover.rekeyed", i.was.rekeyed["daily-turnover"][5].spot)
		}},
		{"re-keyed events are swapped", "I5", "I8", func(k *kept, i *intact) {
			events, seen := map[[32]byte]*event{}, map[string]*entry{}
			for _, e := range i.was.events["account"] {
				events[digestOf(e.value)] = e
			}
			for _, r := range i.was.rekeyed["daily-turnover"] {
				key := r.key + "/" + events[r.sum].aggregateID
				if before := seen[key]; before != nil {
					k.swap("t.daily-turnover.rekeyed", before.spot, r.spot)
					return
				}
				seen[key] = r
			}
		}},
		{"a policy's commands are swapped", "I5", "I1 I3b I4 I2 I3 I8 I9 I10", func(k *kept, i *intact) {
			debits := map[string]*command{}
			for _, c := range i.was.commands["account"] {
				if c.kind == "debit" {
					debits[c.transferID] = c
				} else if c.kind == "refund" {
					k.swap(accountCommands, debits[c.transferID].spot, c.spot)
					return
				}
			}
			k.t.Fatal("no transfer came back")
		}},
		{"an event is re-keyed twice", "I4", "I5 I8", func(k *kept, i *intact) {
			k.add("t.accounts-by-holder.rekeyed", i.was.rekeyed["accounts-by-holder"][2].spot, nil)
		}},
	}
}
