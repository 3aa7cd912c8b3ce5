package topology

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/foldlog/foldlog"
)

type (
	wallet  struct{}
	pay     struct{}
	paid    struct{}
	spend   struct{}
	spent   struct{}
	balance struct{}
)

func walletDecider() foldlog.Decider[wallet, any, any] {
	return foldlog.Decider[wallet, any, any]{
		Decide: func(wallet, foldlog.Command[any]) ([]any, error) { return []any{paid{}}, nil },
		Evolve: func(w wallet, _ foldlog.Event[any]) wallet { return w },
	}
}

func react() foldlog.Policy[any] {
	return foldlog.Policy[any]{React: func(foldlog.Event[any]) []foldlog.Send { return nil }}
}

func project() foldlog.Projection[balance, any] {
	return foldlog.Projection[balance, any]{Project: func(b balance, _ foldlog.Event[any]) balance { return b }}
}

func aggregate(name string) *AggregateSpec {
	return Aggregate(name, walletDecider(), Commands(Command[pay]("pay")), Events(Event[paid]("Paid")))
}

func TestLintFindsNothingWrongWithASoundTopology(t *testing.T) {
	sound := New("shop", aggregate("wallet"), Policy("thanks", "wallet", react(), "wallet"), Projection("balances", "wallet", project()))
	if findings := sound.Lint(); findings != nil {
		t.Errorf("findings: %v", findings)
	}
}

func TestLintRules(t *testing.T) {
	wallets := func(commands []CommandSpec, events []EventSpec) *Topology {
		return New("shop", Aggregate("wallet", walletDecider(), commands, events))
	}
	pays, paids := Commands(Command[pay]("pay")), Events(Event[paid]("Paid"))
	for _, c := range []struct {
		name     string
		topology *Topology
		rule     string
		where    string
	}{
		{"no aggregate", New("shop"), "empty", "topology shop"},
		{"name of the topology", New("Shop", aggregate("wallet")), "bad-name", "topology"},
		{"name of an aggregate", New("shop", aggregate("Wallet")), "bad-name", "aggregate Wallet"},
		{"two hyphens", New("shop", aggregate("my--wallet")), "bad-name", "aggregate my--wallet"},
		{"leading digit", New("shop", aggregate("1wallet")), "bad-name", "aggregate 1wallet"},
		{"dot, which separates topics", New("shop", aggregate("wallet.commands")), "bad-name", "aggregate wallet.commands"},
		{"too long", New("shop", aggregate(strings.Repeat("w", 101))), "bad-name", "aggregate " + strings.Repeat("w", 101)},
		{"reserved: views", New("shop", aggregate("views")), "reserved-name", "aggregate views"},
		{"reserved: commands", New("shop", aggregate("commands")), "reserved-name", "aggregate commands"},
		{"reserved: cloudevents", New("shop", aggregate("cloudevents")), "reserved-name", "aggregate cloudevents"},
		{"reserved: traces", New("shop", aggregate("traces")), "reserved-name", "aggregate traces"},
		{"reserved: events as a command", wallets(Commands(Command[pay]("events")), paids), "reserved-name", "aggregate wallet, command events"},
		{"an upcast that leads elsewhere", wallets(Commands(Command[pay]("pay", Upcast(1, func(spend) spent { return spent{} }))), paids), "bad-upcast", "aggregate wallet, command pay"},
		{"an upcast without a function", wallets(pays, Events(Event[paid]("Paid", Upcast[spent, paid](1, nil)))), "bad-upcast", "aggregate wallet, event Paid"},
		{"an upcast of something else", wallets(pays, Events(Event[paid]("Paid", Upcast(1, func(int) paid { return paid{} })))), "bad-upcast", "aggregate wallet, event Paid"},
		{"upcasts in the wrong order", wallets(pays, Events(Event[paid]("Paid", Upcast(2, func(spend) spent { return spent{} }),
			Upcast(1, func(spent) paid { return paid{} })))), "bad-upcast", "aggregate wallet, event Paid"},
		{"an upcast of a state", New("shop", aggregate("wallet").UpcastState(Upcast(0, func(spent) wallet { return wallet{} }))), "bad-upcast", "aggregate wallet"},
		{"an upcast of a row", New("shop", aggregate("wallet"), Projection("balances", "wallet", project()).UpcastRow(Upcast(1, func(spent) paid { return paid{} }))),
			"bad-upcast", "projection balances"},
		{"two aggregates", New("shop", aggregate("wallet"), aggregate("wallet")), "duplicate-name", "aggregate wallet"},
		{"policy as aggregate", New("shop", aggregate("wallet"), Policy("wallet", "wallet", react(), "wallet")), "duplicate-name", "policy wallet"},
		{"projection as aggregate", New("shop", aggregate("wallet"), Projection("wallet", "wallet", project())), "duplicate-name", "projection wallet"},
		{"no commands", wallets(nil, paids), "empty", "aggregate wallet"},
		{"no events", wallets(pays, nil), "empty", "aggregate wallet"},
		{"name of a command", wallets(Commands(Command[pay]("Pay")), paids), "bad-name", "aggregate wallet, command Pay"},
		{"name of an event", wallets(pays, Events(Event[paid]("paid"))), "bad-name", "aggregate wallet, event paid"},
		{"two commands of a name", wallets(Commands(Command[pay]("pay"), Command[spend]("pay")), paids), "duplicate-name", "aggregate wallet, command pay"},
		{"two events of a name", wallets(pays, Events(Event[paid]("Paid"), Event[spent]("Paid"))), "duplicate-name", "aggregate wallet, event Paid"},
		{"event with the record of a command", wallets(pays, Events(Event[paid]("Pay"))), "duplicate-name", "aggregate wallet, event Pay"},
		{"two commands of a type", wallets(Commands(Command[pay]("pay"), Command[pay]("tip")), paids), "duplicate-type", "aggregate wallet, command tip"},
		{"two events of a type", wallets(pays, Events(Event[paid]("Paid"), Event[paid]("Tipped"))), "duplicate-type", "aggregate wallet, event Tipped"},
		{"command that is no struct", wallets(Commands(Command[string]("pay")), paids), "not-a-struct", "aggregate wallet, command pay"},
		{"event that is a pointer", wallets(pays, Events(Event[*paid]("Paid"))), "not-a-struct", "aggregate wallet, event Paid"},
		{"state that is no struct", New("shop", Aggregate("wallet", foldlog.Decider[int, any, any]{
			Decide: func(int, foldlog.Command[any]) ([]any, error) { return nil, nil },
			Evolve: func(s int, _ foldlog.Event[any]) int { return s },
		}, pays, paids)), "not-a-struct", "aggregate wallet"},
		{"row that is no struct", New("shop", aggregate("wallet"), Projection("sums", "wallet", foldlog.Projection[int, any]{
			Project: func(sum int, _ foldlog.Event[any]) int { return sum },
		})), "not-a-struct", "projection sums"},
		{"no Decide", New("shop", Aggregate("wallet", foldlog.Decider[wallet, any, any]{Evolve: walletDecider().Evolve}, pays, paids)),
			"missing-function", "aggregate wallet"},
		{"no Evolve", New("shop", Aggregate("wallet", foldlog.Decider[wallet, any, any]{Decide: walletDecider().Decide}, pays, paids)),
			"missing-function", "aggregate wallet"},
		{"no React", New("shop", aggregate("wallet"), Policy("thanks", "wallet", foldlog.Policy[any]{}, "wallet")), "missing-function", "policy thanks"},
		{"no Project", New("shop", aggregate("wallet"), Projection("sums", "wallet", foldlog.Projection[balance, any]{})), "missing-function", "projection sums"},
		{"policy on nothing", New("shop", aggregate("wallet"), Policy("thanks", "purse", react(), "wallet")), "unknown-source", "policy thanks"},
		{"projection of nothing", New("shop", aggregate("wallet"), Projection("sums", "purse", project())), "unknown-source", "projection sums"},
		{"policy to nothing", New("shop", aggregate("wallet"), Policy("thanks", "wallet", react(), "wallet", "purse")), "unknown-target", "policy thanks"},
		{"policy to nobody", New("shop", aggregate("wallet"), Policy("thanks", "wallet", react())), "empty", "policy thanks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			findings := c.topology.Lint()
			if len(findings) != 1 || findings[0].Rule != c.rule || findings[0].Where != c.where {
				t.Errorf("findings are %v, want one of %s by rule %s", findings, c.where, c.rule)
			}
			for _, f := range findings {
				if text := f.String(); !strings.Contains(text, f.Where) || !strings.Contains(text, f.Problem) || !strings.Contains(text, f.Rule) {
					t.Errorf("%q does not say where, what and which rule", text)
				}
			}
		})
	}
}

// TestLintFindsAllAtOnce has something wrong everywhere.
func TestLintFindsAllAtOnce(t *testing.T) {
	broken := New("Shop",
		Aggregate("views", foldlog.Decider[wallet, any, any]{}, Commands(Command[string]("Pay")), Events(Event[paid]("paid"))),
		Policy("views", "purse", foldlog.Policy[any]{}, "purse"),
		Projection("sums", "purse", foldlog.Projection[int, any]{}),
	)
	var got []string
	for _, f := range broken.Lint() {
		got = append(got, f.Where+" "+f.Rule)
	}
	want := []string{
		"topology bad-name",
		"aggregate views reserved-name", "aggregate views missing-function", "aggregate views, command Pay bad-name",
		"aggregate views, command Pay not-a-struct", "aggregate views, event paid bad-name",
		"policy views duplicate-name", "policy views unknown-source", "policy views missing-function", "policy views unknown-target",
		"projection sums unknown-source", "projection sums not-a-struct", "projection sums missing-function",
	}
	if !slices.Equal(got, want) {
		t.Errorf("findings are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLookups(t *testing.T) {
	top := New("shop",
		Aggregate("wallet", walletDecider(), Commands(Command[pay]("pay"), Command[spend]("spend-all").Internal()), Events(Event[paid]("Paid"))),
		Policy("thanks", "wallet", react(), "wallet").FromBeginning(),
		Projection("balances", "wallet", project()))
	a := top.Aggregate("wallet")
	if a == nil || top.Aggregate("purse") != nil {
		t.Fatal("Aggregate finds the wrong ones")
	}
	if p := top.Policy("thanks"); p == nil || !p.Beginning || top.Policy("wallet") != nil {
		t.Error("Policy finds the wrong ones")
	}
	if p := top.Projection("balances"); p == nil || p.Rekeyed() || p.Row != reflect.TypeFor[balance]() || top.Projection("thanks") != nil {
		t.Error("Projection finds the wrong ones")
	}
	c, ok := a.Command("spend-all")
	if !ok || !c.Private || c.Record() != "SpendAll" {
		t.Errorf("Command finds %+v", c)
	}
	if c, ok := a.CommandOf(spend{}); !ok || c.Name != "spend-all" {
		t.Errorf("CommandOf finds %+v", c)
	}
	if e, ok := a.EventOf(paid{}); !ok || e.Name != "Paid" {
		t.Errorf("EventOf finds %+v", e)
	}
	for _, unknown := range []any{nil, &pay{}, 1} {
		if _, ok := a.CommandOf(unknown); ok {
			t.Errorf("CommandOf finds a command for %#v", unknown)
		}
		if _, ok := a.EventOf(unknown); ok {
			t.Errorf("EventOf finds an event for %#v", unknown)
		}
	}
}

// TestErasedFunctions calls a domain's functions as processors do, without its types.
func TestErasedFunctions(t *testing.T) {
	type sum struct{ Total int }
	top := New("shop",
		Aggregate("wallet", foldlog.Decider[sum, int, string]{
			Initial: func() sum { return sum{Total: 1} },
			Decide: func(s sum, c foldlog.Command[int]) ([]string, error) {
				if c.Data == 0 {
					return nil, foldlog.Reject("nothing", "to %s", c.AggregateID)
				}
				return []string{fmt.Sprint(s.Total), fmt.Sprint(c.Data), fmt.Sprint(*c.ExpectedVersion)}, nil
			},
			Evolve: func(s sum, e foldlog.Event[string]) sum { return sum{Total: s.Total + len(e.Data)} },
		}, nil, nil),
		Policy("thanks", "wallet", foldlog.Policy[string]{React: func(e foldlog.Event[string]) []foldlog.Send {
			return []foldlog.Send{{ID: e.EventID, Command: e.Data}}
		}}),
		Projection("sums", "wallet", foldlog.Projection[sum, string]{
			Key:     func(e foldlog.Event[string]) string { return e.Type },
			Project: func(s sum, e foldlog.Event[string]) sum { return sum{Total: s.Total + int(e.Version)} },
		}))
	d := top.Aggregate("wallet").Decider
	version := int64(7)
	events, err := d.Decide(d.Initial(), foldlog.Command[any]{ExpectedVersion: &version, Data: 5})
	if err != nil || !reflect.DeepEqual(events, []any{"1", "5", "7"}) {
		t.Errorf("Decide gives %v, %v", events, err)
	}
	events, err = d.Decide(d.Initial(), foldlog.Command[any]{Meta: foldlog.Meta{AggregateID: "w"}, Data: 0})
	if r, ok := foldlog.AsRejection(err); events != nil || !ok || r.Message != "to w" {
		t.Errorf("Decide gives %v, %v", events, err)
	}
	event := foldlog.Event[any]{EventID: "e", Type: "Paid", Version: 3, Data: "data"}
	if s := d.Evolve(d.Initial(), event); s != (sum{Total: 5}) {
		t.Errorf("Evolve gives %v", s)
	}
	if sends := top.Policy("thanks").Policy.React(event); !reflect.DeepEqual(sends, []foldlog.Send{{ID: "e", Command: "data"}}) {
		t.Errorf("React gives %v", sends)
	}
	p := top.Projection("sums").Projection
	if key := p.Key(event); key != "Paid" {
		t.Errorf("Key gives %q", key)
	}
	if row := p.Project(p.Project(nil, event), event); row != (sum{Total: 6}) {
		t.Errorf("Project gives %v, from no row", row)
	}
	if zero := Aggregate("x", walletDecider(), nil, nil).Decider.Initial(); zero != (wallet{}) {
		t.Errorf("Initial gives %v where none is declared", zero)
	}
}

func TestVersionsFollowOneUponTheOther(t *testing.T) {
	first := Projection("balances", "wallet", project())
	rekeyed := project()
	rekeyed.Key = func(foldlog.Event[any]) string { return "k" }
	second := Projection("balances", "wallet", rekeyed).AtVersion(2)
	sound := New("shop", aggregate("wallet"), second.Beside(first))
	if findings := sound.Lint(); findings != nil {
		t.Errorf("findings: %v", findings)
	}
	if all := sound.Versions("balances"); len(all) != 2 || all[0] != first || all[1].ID() != "balances.v2" || sound.Projection("balances") != all[1] {
		t.Errorf("versions: %v", all)
	}
	for name, c := range map[string]struct {
		parts []Part
		want  string
	}{
		"a version is left out":  {[]Part{Projection("balances", "wallet", project()).AtVersion(3).Beside(first)}, "declare version 2 there"},
		"another projection":     {[]Part{second.Beside(Projection("others", "wallet", project()))}, "an earlier version of the same projection"},
		"three":                  {[]Part{Projection("balances", "wallet", project()).AtVersion(3).Beside(second.Beside(first))}, "drop version 1"},
		"without Beside":         {[]Part{first, second}, "declare that one with Beside"},
		"nothing":                {[]Part{first.AtVersion(0)}, "versions count from 1"},
		"the same version twice": {[]Part{second, second.AtVersion(2)}, "both would share"},
	} {
		findings := New("shop", append([]Part{aggregate("wallet")}, c.parts...)...).Lint()
		if len(findings) != 1 || !strings.Contains(findings[0].Problem, c.want) {
			t.Errorf("%s: %v, want %q", name, findings, c.want)
		}
	}
}

func TestTopicsOfVersions(t *testing.T) {
	first := Projection("balances", "wallet", project())
	rekeyed := project()
	rekeyed.Key = func(foldlog.Event[any]) string { return "k" }
	both := New("shop", aggregate("wallet"), Projection("balances", "wallet", rekeyed).AtVersion(2).Beside(first))
	names := func(top *Topology) (all []string) {
		for _, topic := range top.Topics(Settings{}) {
			if !strings.HasPrefix(topic.Name, "wallet") {
				all = append(all, fmt.Sprintf("%s %d", topic.Name, topic.Partitions))
			}
		}
		return all
	}
	want := []string{"balances-table 12", "balances.dead-letters 12", "balances.v2-table 12", "balances.v2.dead-letters 12", "balances.v2.rekey.dead-letters 12",
		"balances.v2.rekeyed 12", "foldlog.versions 1"}
	if got := names(both); !slices.Equal(got, want) {
		t.Errorf("topics: %v", got)
	}
	if got := names(both.With(func(p *ProjectionSpec) bool { return p.Version == 1 })); !slices.Equal(got, []string{want[0], want[1], want[6]}) {
		t.Errorf("topics of version 1: %v", got)
	}
	if text := both.Describe(Settings{}); !strings.Contains(text, "projection balances, version 2\n") || !strings.Contains(text, "    partitions=1\n") {
		t.Error(text)
	}
}
