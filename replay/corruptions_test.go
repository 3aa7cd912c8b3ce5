package replay_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/internal/record"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// The account of most corruptions: opened, three deposits, one in two parts.
const victim = "b-3"

// ofPolicy reports whether a command is one of a policy.
func ofPolicy(r *record.Record) bool {
	return strings.HasPrefix(string(r.Header(codecs.HeaderActor)), codecs.PolicyActorPrefix)
}

func corruptions() []corruption {
	return []corruption{
		{"a policy's own command is another's", func(k *corrupt) kit.Finding {
			at := k.find(accountCommands, 0, ofPolicy)
			k.header(at, codecs.HeaderActor, "claimed:mallory")
			return k.found(kit.CheckSender, at)
		}, "command outcome"},
		{"a policy's own command has an id that no policy gives", func(k *corrupt) kit.Finding {
			at := k.find(accountCommands, 0, ofPolicy)
			command, err := k.s.codecs.Aggregate("account").DecodeCommand(k.s.t.Context(), *k.at(at))
			if err != nil {
				k.s.t.Fatal(err)
			}
			command.CommandID = "made-up"
			k.value(at, func() ([]byte, error) { return k.s.codecs.Aggregate("account").EncodeCommand(command.Command) })
			return k.found(kit.CheckSender, at)
		}, "command outcome event_id"},
		{"an event is edited", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.edit(at, func(e *foldlog.Event[any]) { d := e.Data.(account.Deposited); d.Amount++; e.Data = d })
			return k.found(kit.CheckChain, at)
		}, "state row rekey"},
		{"the last event of an account is edited", func(k *corrupt) kit.Finding {
			at := k.find(accountEvents, 0, func(r *record.Record) bool { return string(r.Key) == "b-7" && k.decode(r).Type == "CreditDeclined" })
			k.edit(at, func(e *foldlog.Event[any]) { d := e.Data.(account.CreditDeclined); d.Reason = "other"; e.Data = d })
			return k.found(kit.CheckChain, at)
		}, ""},
		{"an event is dropped", func(k *corrupt) kit.Finding {
			k.drop(k.event(victim, 3))
			return k.found(kit.CheckVersion, k.event(victim, 4))
		}, "events rekey"},
		{"the last event of an account is dropped", func(k *corrupt) kit.Finding {
			at := k.find(accountEvents, 0, func(r *record.Record) bool { return string(r.Key) == "b-6" && k.decode(r).Version == 4 })
			k.drop(at)
			return k.found(kit.CheckState, k.row(accountTable, "b-6"))
		}, "events row rekey"},
		{"one of a command's two events is dropped", func(k *corrupt) kit.Finding {
			k.drop(k.event(victim, 6))
			return k.found(kit.CheckEvents, k.outcome(0, ofCommand(victim, "split")))
		}, "version state row rekey"},
		{"the events of an account are dropped", func(k *corrupt) kit.Finding {
			p := k.event("b-5", 1).p
			k.log[accountEvents][p] = slices.DeleteFunc(k.log[accountEvents][p], func(r record.Record) bool { return string(r.Key) == "b-5" })
			return k.found(kit.CheckState, k.row(accountTable, "b-5"))
		}, "events row rekey"},
		{"an event is there twice", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			return k.found(kit.CheckVersion, k.insert(at, at.i+1))
		}, ""},
		{"an event is there again at the end", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			return k.found(kit.CheckOrder, k.insert(at, len(k.log[accountEvents][at.p])))
		}, "version"},
		{"two events are swapped", func(k *corrupt) kit.Finding {
			a, b := k.event(victim, 2), k.event(victim, 3)
			*k.at(a), *k.at(b) = *k.at(b), *k.at(a)
			return k.found(kit.CheckVersion, a)
		}, "order events rekey version outcome"},
		{"an event is renumbered", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.edit(at, func(e *foldlog.Event[any]) { e.Version = 4 })
			return k.found(kit.CheckVersion, at)
		}, "outcome events rekey event_id version chain"},
		{"a chain value is wrong", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.header(at, codecs.HeaderChain, strings.Repeat("x", 32))
			return k.found(kit.CheckChain, at)
		}, ""},
		{"a chain value is missing", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.header(at, codecs.HeaderChain, "")
			return k.found(kit.CheckChain, at)
		}, ""},
		{"an event is in another partition", func(k *corrupt) kit.Finding {
			at := k.event(victim, 4)
			r := *k.at(at)
			k.drop(at)
			return k.found(kit.CheckPartition, k.add(accountEvents, (at.p+1)%partitions, r))
		}, "version events rekey"},
		{"an event cannot be read", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.at(at).Value = k.at(at).Value[:len(k.at(at).Value)-2]
			return k.found(kit.CheckDecode, at)
		}, "rekey"},
		{"an event has no value", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.at(at).Value = nil
			return k.found(kit.CheckDecode, at)
		}, "rekey"},
		{"an event's aggregate is another than its key", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.edit(at, func(e *foldlog.Event[any]) { e.AggregateID = "b-1" })
			return k.found(kit.CheckKey, at)
		}, "chain event_id rekey row"},
		{"an event's id is another", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.edit(at, func(e *foldlog.Event[any]) { e.EventID = foldlog.EventID("another", victim, 0) })
			return k.found(kit.CheckEventID, at)
		}, "chain outcome rekey state row"},
		{"time goes backwards", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.edit(at, func(e *foldlog.Event[any]) { e.RecordedAt = e.RecordedAt.Add(-time.Hour) })
			return k.found(kit.CheckTime, at)
		}, "chain rekey time"},
		{"time is not the command's", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.edit(at, func(e *foldlog.Event[any]) { e.RecordedAt = e.RecordedAt.Add(time.Hour) })
			return k.found(kit.CheckTime, at)
		}, "chain rekey time"},
		{"an event was asked for by somebody else", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.edit(at, func(e *foldlog.Event[any]) { e.Actor = "somebody else" })
			return k.found(kit.CheckCommand, at)
		}, "chain rekey state row"},
		{"an event does not name its command's place", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.header(at, codecs.HeaderCause, "nowhere")
			return k.found(kit.CheckCause, at)
		}, "events rekey"},
		{"an event does not say that its command is complete", func(k *corrupt) kit.Finding {
			at := k.event(victim, 3)
			k.header(at, codecs.HeaderProgress, "")
			return k.found(kit.CheckCause, at)
		}, ""},
		{"an event of nothing is written", func(k *corrupt) kit.Finding {
			at := k.event(victim, 4)
			forged := k.add(accountEvents, at.p, *k.at(at))
			k.edit(forged, func(e *foldlog.Event[any]) { e.Version, e.CommandID = 7, "forged" })
			k.header(forged, codecs.HeaderCause, fmt.Sprintf("account/%d/%d", at.p, len(k.log[accountCommands][at.p])+5))
			return k.found(kit.CheckCommand, forged)
		}, "chain event_id outcome state row rekey version time"},

		{"a state is changed", func(k *corrupt) kit.Finding {
			at := k.row(accountTable, victim)
			k.editState(at, func(s *codecs.State) { a := s.Data.(account.Account); a.Balance += 1_000_000; s.Data = a })
			return k.found(kit.CheckState, at)
		}, ""},
		{"a state is missing", func(k *corrupt) kit.Finding {
			return none(kit.CheckState, accountTable, k.dropRows(accountTable, victim), victim)
		}, ""},
		{"a state is deleted", func(k *corrupt) kit.Finding {
			at := k.row(accountTable, victim)
			deleted := k.add(accountTable, at.p, record.Record{Key: []byte(victim)})
			return none(kit.CheckState, accountTable, deleted.p, victim)
		}, ""},
		{"a state of nobody", func(k *corrupt) kit.Finding {
			at := k.row(accountTable, victim)
			r := *k.at(at)
			r.Key = []byte(stranger(at.p))
			return k.found(kit.CheckState, k.add(accountTable, at.p, r))
		}, ""},
		{"a state is an older one", func(k *corrupt) kit.Finding {
			at := k.row(accountTable, victim)
			k.editState(at, func(s *codecs.State) { s.Version-- })
			return k.found(kit.CheckState, at)
		}, ""},
		{"a state's chain is another", func(k *corrupt) kit.Finding {
			at := k.row(accountTable, victim)
			k.editState(at, func(s *codecs.State) { s.Chain[5]++ })
			return k.found(kit.CheckState, at)
		}, ""},
		{"a state's time is another", func(k *corrupt) kit.Finding {
			at := k.row(accountTable, victim)
			k.editState(at, func(s *codecs.State) { s.RecordedAt = s.RecordedAt.Add(time.Microsecond) })
			return k.found(kit.CheckState, at)
		}, ""},
		{"a state cannot be read", func(k *corrupt) kit.Finding {
			at := k.row(accountTable, victim)
			k.at(at).Value = []byte("\x00\x00\x00\x00\x01nonsense")
			return k.found(kit.CheckDecode, at)
		}, ""},
		{"a state is in another partition", func(k *corrupt) kit.Finding {
			at := k.row(accountTable, victim)
			return k.found(kit.CheckPartition, k.add(accountTable, (at.p+1)%partitions, *k.at(at)))
		}, ""},

		{"a projection's row is changed", func(k *corrupt) kit.Finding {
			at := k.row(balancesTable, victim)
			editRow(k, "balances", at, func(r *bank.BalancesRow) { r.Balance-- })
			return k.found(kit.CheckRow, at)
		}, ""},
		{"a projection's row is missing", func(k *corrupt) kit.Finding {
			return none(kit.CheckRow, balancesTable, k.dropRows(balancesTable, victim), victim)
		}, ""},
		{"a projection's row of nobody", func(k *corrupt) kit.Finding {
			at := k.row(balancesTable, victim)
			r := *k.at(at)
			r.Key = []byte(stranger(at.p))
			return k.found(kit.CheckRow, k.add(balancesTable, at.p, r))
		}, ""},
		{"a re-keyed projection's row is changed", func(k *corrupt) kit.Finding {
			at := k.row(turnoverTable, k.day())
			editRow(k, "daily-turnover", at, func(r *bank.DailyTurnoverRow) { r.DepositCount++ })
			return k.found(kit.CheckRow, at)
		}, ""},
		{"a re-keyed projection's row is missing", func(k *corrupt) kit.Finding {
			return none(kit.CheckRow, turnoverTable, k.dropRows(turnoverTable, k.day()), k.day())
		}, ""},
		{"an event was not re-keyed", func(k *corrupt) kit.Finding {
			k.drop(k.find(turnoverRekeyed, 0, k.isEvent(victim, 3)))
			f := k.found(kit.CheckRekey, k.event(victim, 3))
			f.Key = k.day()
			return f
		}, "row"},
		{"an event was re-keyed twice", func(k *corrupt) kit.Finding {
			at := k.find(turnoverRekeyed, 0, k.isEvent(victim, 3))
			return k.found(kit.CheckRekey, k.insert(at, at.i+1))
		}, "row"},
		{"an event was changed on its way", func(k *corrupt) kit.Finding {
			at := k.find(turnoverRekeyed, 0, k.isEvent(victim, 3))
			k.edit(at, func(e *foldlog.Event[any]) { d := e.Data.(account.Deposited); d.Amount = 1; e.Data = d })
			return k.found(kit.CheckRekey, at)
		}, "row"},
		{"re-keyed events are swapped", func(k *corrupt) kit.Finding {
			a, b := k.find(turnoverRekeyed, 0, k.isEvent(victim, 2)), k.find(turnoverRekeyed, 0, k.isEvent(victim, 3))
			*k.at(a), *k.at(b) = *k.at(b), *k.at(a)
			f := k.found(kit.CheckRekey, k.event(victim, 2))
			f.Key = k.day()
			return f
		}, "rekey"},

		{"the outcome of an accepted command is missing", func(k *corrupt) kit.Finding {
			k.drop(k.outcome(0, ofCommand(victim, "second")))
			return k.found(kit.CheckOutcome, k.event(victim, 3))
		}, ""},
		{"the outcome of a rejected command is missing", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand("b-1", "too-much"))
			k.drop(at)
			return k.found(kit.CheckOutcome, k.find(accountCommands, 0, func(r *record.Record) bool { return bytes.Contains(r.Value, []byte("too-much")) }))
		}, ""},
		{"a command has two outcomes", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand(victim, "second"))
			return k.found(kit.CheckOutcome, k.insert(at, at.i+1))
		}, ""},
		{"an outcome is there again at the end", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand(victim, "second"))
			return k.found(kit.CheckOrder, k.insert(at, len(k.log[accountOutcomes][at.p])))
		}, ""},
		{"an outcome says another version", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand(victim, "second"))
			k.editOutcome(at, func(o *foldlog.Outcome) { o.Version, o.FirstVersion = 9, 9 })
			return k.found(kit.CheckOutcome, at)
		}, "event_id"},
		{"an outcome names another event", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand(victim, "second"))
			k.editOutcome(at, func(o *foldlog.Outcome) { o.EventIDs = []string{"another"} })
			return k.found(kit.CheckOutcome, at)
		}, ""},
		{"an outcome names somebody else", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand("b-1", "too-much"))
			k.editOutcome(at, func(o *foldlog.Outcome) { o.Actor = "somebody else" })
			return k.found(kit.CheckCommand, at)
		}, ""},
		{"an outcome is of nothing", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand("b-1", "too-much"))
			k.editOutcome(at, func(o *foldlog.Outcome) {
				o.Accepted, o.Code, o.FirstVersion, o.Version, o.EventIDs = true, "", 5, 5, []string{foldlog.EventID("too-much", "b-1", 0)}
			})
			return k.found(kit.CheckEvents, at)
		}, ""},
		{"a command with events is said to be rejected", func(k *corrupt) kit.Finding {
			k.editOutcome(k.outcome(0, ofCommand(victim, "second")), func(o *foldlog.Outcome) {
				o.Accepted, o.Code, o.FirstVersion, o.Version, o.EventIDs = false, "insufficient_funds", 0, 0, nil
			})
			return k.found(kit.CheckEvents, k.event(victim, 3))
		}, ""},
		{"a command without events found another version", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand("b-2", "nothing"))
			k.editOutcome(at, func(o *foldlog.Outcome) { o.Version++ })
			return k.found(kit.CheckOutcome, at)
		}, ""},
		{"a repeat is not marked", func(k *corrupt) kit.Finding {
			at := k.outcome(0, func(o foldlog.Outcome) bool { return o.Repeat && o.Accepted })
			k.editOutcome(at, func(o *foldlog.Outcome) { o.Repeat = false })
			return k.found(kit.CheckOutcome, at)
		}, "cause events"},
		{"a repeat differs from the first outcome", func(k *corrupt) kit.Finding {
			at := k.outcome(0, func(o foldlog.Outcome) bool { return o.Repeat && o.Accepted })
			k.editOutcome(at, func(o *foldlog.Outcome) { o.Version++ })
			return k.found(kit.CheckOutcome, at)
		}, ""},
		{"a repeat of nothing", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand("b-1", "too-much"))
			k.editOutcome(at, func(o *foldlog.Outcome) { o.Repeat = true })
			return k.found(kit.CheckOutcome, at)
		}, ""},
		{"an outcome cannot be read", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand(victim, "second"))
			k.at(at).Value = []byte("nonsense")
			return k.found(kit.CheckDecode, at)
		}, ""},
		{"an outcome is under another key", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand(victim, "second"))
			k.at(at).Key = []byte(stranger(at.p))
			return k.found(kit.CheckKey, at)
		}, ""},
		{"an outcome's time is another", func(k *corrupt) kit.Finding {
			at := k.outcome(0, ofCommand(victim, "second"))
			k.editOutcome(at, func(o *foldlog.Outcome) { o.RecordedAt = o.RecordedAt.Add(time.Second) })
			return k.found(kit.CheckTime, at)
		}, ""},

		{"a command was replaced", func(k *corrupt) kit.Finding {
			at := k.find(accountCommands, 0, func(r *record.Record) bool {
				return string(r.Key) == victim && bytes.Contains(r.Value, []byte(`"second"`))
			})
			k.at(at).Value = bytes.Replace(k.at(at).Value, []byte(`"command_id": "second"`), []byte(`"command_id": "other"`), 1)
			return k.found(kit.CheckCommand, k.event(victim, 3))
		}, "command"},
		{"the last command is missing", func(k *corrupt) kit.Finding {
			p := k.event(victim, 1).p
			last := spot{accountCommands, p, len(k.log[accountCommands][p]) - 1}
			k.drop(last)
			return k.found(kit.CheckCommand, k.find(accountEvents, 0, func(r *record.Record) bool {
				return string(r.Header(codecs.HeaderCause)) == fmt.Sprintf("account/%d/%d", p, last.i)
			}))
		}, "command"},
		{"a dead letter is missing", func(k *corrupt) kit.Finding {
			k.drop(k.find("account.dead-letters", 0, func(r *record.Record) bool { return string(r.Key) == "b-4" }))
			return k.found(kit.CheckOutcome, k.find(accountCommands, 0, func(r *record.Record) bool { return string(r.Key) == "b-4" && r.Value[0] == 0 }))
		}, ""},
		{"a command in the wrong partition was not forwarded", func(k *corrupt) kit.Finding {
			copied := k.find(accountCommands, 0, func(r *record.Record) bool { return r.Header(codecs.HeaderOriginTopic) != nil })
			k.header(copied, codecs.HeaderOriginTopic, "")
			return k.found(kit.CheckCommand, k.find(accountCommands, 0, func(r *record.Record) bool {
				return bytes.Contains(r.Value, []byte(`"lost"`)) && topology.PartitionOf(r.Key, partitions) != r.Partition
			}))
		}, ""},
	}
}

// Every corruption of a log is found with its place, and whatever else is found has to do with it.
func TestCorruptionsAreFound(t *testing.T) {
	if onKafka {
		t.Skip("a thousand topics, which show nothing about Apache Kafka")
	}
	whole := base(t).log
	copied := newSystem(t, "copied.")
	copied.write(whole)
	intact(t, copied.verify())
	intact(t, copied.verify(withoutMemory)) // with next to no memory
	for i, c := range corruptions() {
		if i%corruptionStride != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			s := newSystem(t, fmt.Sprintf("c%d.", i))
			k := &corrupt{log: whole.clone(), s: s}
			want := c.plant(k)
			s.write(k.log)
			want.Topic = s.names.Prefix + want.Topic
			r := s.verify(func(config *kit.Config) {
				if i%2 == 1 {
					withoutMemory(config)
				}
			})
			there := false
			for _, f := range r.Findings {
				switch {
				case f.Check == want.Check && f.Topic == want.Topic && f.Partition == want.Partition && f.Offset == want.Offset && f.Key == want.Key:
					there = true
				case !slices.Contains(strings.Fields(c.more), string(f.Check)):
					t.Errorf("imagined: %s", f)
				}
			}
			if !there {
				t.Errorf("not found: %s at %s/%d/%d of %q; found:", want.Check, want.Topic, want.Partition, want.Offset, want.Key)
				for _, f := range r.Findings {
					t.Errorf("  %s", f)
				}
			}
		})
	}
}
