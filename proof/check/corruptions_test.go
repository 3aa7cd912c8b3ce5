package check

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/foldlog/foldlog/proof/history"
)

// intact is the run that tests spoil, and the places of things in it.
type intact struct {
	*kept
	t   *testing.T
	was *dump
}

// event returns the nth event of that type.
func (i *intact) event(kind string, nth int) *event {
	for _, a := range aggregates {
		for _, e := range i.was.events[a] {
			if e.kind == kind {
				if nth--; nth < 0 {
					return e
				}
			}
		}
	}
	i.t.Fatalf("too few events %s", kind)
	return nil
}

// outcome returns the first outcome of accounts that fits.
func (i *intact) outcome(fits func(*outcome) bool) *outcome {
	n := slices.IndexFunc(i.was.outcomes["account"], fits)
	if n < 0 {
		i.t.Fatal("no outcome fits")
	}
	return i.was.outcomes["account"][n]
}

func (i *intact) letter(group string, nth int) *deadLetter { return i.was.deadLetters["t."+group][nth] }

const (
	accountEvents    = "t.account.events"
	accountOutcomes  = "t.account.outcomes"
	accountCommands  = "t.account.commands"
	transferCommands = "t.transfer.commands"
	accountTable     = "t.account-table"
	accountLetters   = "t.account.dead-letters"
)

func accepted(o *outcome) bool { return o.accepted && !o.repeat }

func isRead(call string) func(history.Op, history.Op) bool {
	return func(in, end history.Op) bool {
		return in.Call == call && end.Status == 200 && in.View != "daily-turnover"
	}
}

func told(in, end history.Op) bool { return in.Call == history.CommandCall && end.Status == 200 }

// corruption is a way to spoil a run. It must be found under each of must, and under no other
// invariant than those of may.
type corruption struct {
	name      string
	must, may string
	spoil     func(k *kept, i *intact)
}

func TestEveryCorruptionIsFound(t *testing.T) {
	t.Parallel()
	w := tell(t)
	d, err := load(w.write())
	if err != nil {
		t.Fatal(err)
	}
	i := &intact{kept: w.kept, t: t, was: d}
	for _, c := range slices.Concat(logCorruptions(), tableCorruptions(), clientCorruptions()) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := w.clone(t)
			c.spoil(k, i)
			report, err := Run(k.write())
			if err != nil {
				t.Fatal(err)
			}
			allowed := strings.Fields(c.must + " " + c.may)
			var text bytes.Buffer
			_ = report.WriteText(&text, 4) // to memory
			for _, id := range strings.Fields(c.must) {
				if report.Of(id).Found == 0 {
					t.Errorf("not found under %s\n%s", id, text.String())
				}
			}
			for _, one := range report.Invariants {
				if one.Found > 0 && !slices.Contains(allowed, one.ID) {
					t.Errorf("%s was imagined\n%s", one.ID, text.String())
				}
			}
		})
	}
}

// TestAReportIsTheSameEveryTime has many violations, since their order is what could differ.
func TestAReportIsTheSameEveryTime(t *testing.T) {
	w := tell(t)
	for _, topic := range []string{accountEvents, accountOutcomes, accountTable, transferCommands} {
		w.edit(topic, func(records []history.Record) []history.Record { return records[:len(records)-20] })
	}
	w.rows["views/b/balances.jsonl"] = w.rows["views/b/balances.jsonl"][3:]
	dir := w.write()
	var texts [2]bytes.Buffer
	for n := range texts {
		report, err := Run(dir)
		if err != nil {
			t.Fatal(err)
		}
		if report.Found() < 50 {
			t.Fatalf("only %d violations", report.Found())
		}
		if err := report.WriteJSON(&texts[n]); err != nil {
			t.Fatal(err)
		}
	}
	if texts[0].String() != texts[1].String() {
		t.Errorf("two reports on one run differ:\n%s\n%s", texts[0].String(), texts[1].String())
	}
}
