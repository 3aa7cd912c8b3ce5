package bankapp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/rules"
)

func TestPlanImport(t *testing.T) {
	day := "1993-01-01"
	p, err := planImport([]movement{
		{transID: 5, accountID: 1, date: day, deposit: true, amount: 100, reference: "VKLAD", place: "f:2"},
		{transID: 6, accountID: 2, date: day, amount: 70, place: "f:3"},
		{transID: 9, accountID: 1, date: day, amount: 30, place: "f:4"},
		{transID: 7, accountID: 3, date: day, deposit: true, amount: 1, place: "f:5"},
	}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if want := []planned{{"berka-1", 70}, {"berka-2", -70}, {"berka-3", 1}}; !slices.Equal(p.accounts, want) {
		t.Errorf("accounts %v, want %v", p.accounts, want)
	}
	var shards [][]string
	for _, shard := range p.shards {
		var lines []string
		for _, s := range shard {
			lines = append(lines, fmt.Sprintf("%s %s %s %s", s.command.ID, s.command.Type, s.command.CommandID, s.place))
		}
		shards = append(shards, lines)
	}
	want := [][]string{
		{
			"berka-1 open berka-open-1 f:2", "berka-1 deposit berka-5 f:2", "berka-1 withdraw berka-9 f:4",
			"berka-3 open berka-open-3 f:5", "berka-3 deposit berka-7 f:5",
		},
		{"berka-2 open berka-open-2 f:3", "berka-2 withdraw berka-6 f:3"},
	}
	if fmt.Sprint(shards) != fmt.Sprint(want) || p.steps != 7 {
		t.Errorf("%d steps\n%v\nwant 7\n%v", p.steps, shards, want)
	}
	opened := p.shards[0][0].command.Data.(account.Open)
	if opened != (account.Open{HolderID: "berka-holder-1", HolderName: "berka-holder-1", Currency: "CZK", OverdraftLimit: -1}) {
		t.Errorf("opening %+v", opened)
	}
	deposit := p.shards[0][1].command.Data.(account.Deposit)
	if deposit.Amount != 100 || deposit.Currency != "CZK" || deposit.Reference != "VKLAD" || *deposit.BookedOn != day {
		t.Errorf("deposit %+v", deposit)
	}
}

// Everything that is planned is something that the bank understands.
func TestPlannedCommandsAreDeclaredAndValid(t *testing.T) {
	p, err := planImport([]movement{
		{transID: 1, accountID: 1, date: "1993-12-31", deposit: true, amount: 1},
		{transID: 2, accountID: 1, date: "1993-12-31", amount: 1},
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	spec := bank.Topology().Aggregate(bank.AccountAggregate)
	for _, s := range p.shards[0] {
		declared, ok := spec.CommandOf(s.command.Data)
		if !ok || declared.Name != s.command.Type || declared.Private {
			t.Errorf("%s is declared as %q", s.command.Type, declared.Name)
		}
		err := s.command.Data.(foldlog.Validator).Validate()
		if err != nil {
			t.Errorf("%s: %s", s.command.Type, err)
		}
	}
}

func TestPlanImportRefusesSumsBeyondTheBank(t *testing.T) {
	var rows []movement
	for i := range rules.MaxBalance/rules.MaxAmount + 1 {
		rows = append(rows, movement{transID: int64(i + 1), accountID: 1, amount: rules.MaxAmount, deposit: true, place: "f:9"})
	}
	if _, err := planImport(rows, 4); err == nil || !strings.Contains(err.Error(), "f:9: the rows of account 1 add up to more") {
		t.Errorf("error %v", err)
	}
	if _, err := planImport(rows[:len(rows)-1], 4); err != nil {
		t.Errorf("within the range: %v", err)
	}
}
