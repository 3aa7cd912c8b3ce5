package topology

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog"
)

func shop() *Topology {
	rekeyed := project()
	rekeyed.Key = func(foldlog.Event[any]) string { return "k" }
	return New("shop", aggregate("wallet"), Policy("thanks", "wallet", react(), "wallet"),
		Projection("balances", "wallet", project()), Projection("by-owner", "wallet", rekeyed))
}

func TestTopics(t *testing.T) {
	var got []string
	for _, topic := range shop().Topics(Settings{Prefix: "test.", Partitions: 3, ReplicationFactor: 1}) {
		if topic.Partitions != 3 || topic.ReplicationFactor != 1 || topic.Config["min.insync.replicas"] != "1" {
			t.Errorf("topic %+v does not follow the settings", topic)
		}
		if topic.Config["unclean.leader.election.enable"] != "false" || topic.Config["max.message.bytes"] == "" {
			t.Errorf("topic %+v may lose records or has no size", topic)
		}
		line := topic.Name + " " + topic.Config["cleanup.policy"]
		if ms := topic.Config["retention.ms"]; ms != "" {
			line += " " + ms
		}
		if topic.Config["message.timestamp.type"] == "LogAppendTime" {
			line += " LogAppendTime"
		}
		got = append(got, line)
	}
	const ninetyDays = " delete 7776000000"
	want := []string{
		"test.balances-table compact", "test.balances.dead-letters" + ninetyDays,
		"test.by-owner-table compact", "test.by-owner.dead-letters" + ninetyDays, "test.by-owner.rekey.dead-letters" + ninetyDays,
		"test.by-owner.rekeyed delete -1",
		"test.thanks.dead-letters" + ninetyDays,
		"test.wallet-table compact",
		"test.wallet.commands delete 2592000000 LogAppendTime", // 30 days
		"test.wallet.dead-letters" + ninetyDays,
		"test.wallet.events delete -1",
		"test.wallet.outcomes delete 691200000", // the horizon of 7 days and one more
	}
	if !slices.Equal(got, want) {
		t.Errorf("topics are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTopicNamesFitKafka(t *testing.T) {
	longest := strings.Repeat("a", maxNameSize)
	rekeyed := project()
	rekeyed.Key = func(foldlog.Event[any]) string { return "k" }
	s := Settings{Prefix: strings.Repeat("p", 100)}
	s.EnsureDefaults()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, topic := range New("x", aggregate(longest), Projection(longest[1:], longest, rekeyed)).Topics(s) {
		if len(topic.Name) > 249 {
			t.Errorf("topic %s has %d characters, Kafka allows 249", topic.Name, len(topic.Name))
		}
	}
}

func byName(topics []Topic) map[string]Topic {
	m := map[string]Topic{}
	for _, topic := range topics {
		topic.Config = maps.Clone(topic.Config)
		m[topic.Name] = topic
	}
	return m
}

func TestDiff(t *testing.T) {
	want := shop().Topics(Settings{})
	have := byName(want)
	have["somebody.elses"] = Topic{Name: "somebody.elses", Partitions: 1}
	have["wallet.events"].Config["compression.type"] = "zstd" // no topology depends on it
	if d := Diff(want, have); d != nil {
		t.Fatalf("equal topics differ: %v", d)
	}

	delete(have, "thanks.dead-letters")
	events := have["wallet.events"]
	events.Partitions, events.ReplicationFactor = 6, 1
	events.Config["retention.ms"], events.Config["cleanup.policy"] = "3600000", "compact,delete"
	have["wallet.events"] = events
	commands := have["wallet.commands"]
	commands.Config["message.timestamp.type"] = "CreateTime"
	delete(commands.Config, "min.insync.replicas")
	got := Diff(want, have)
	all := []Mismatch{
		{"thanks.dead-letters", "exists", "yes", "no"},
		{"wallet.commands", "message.timestamp.type", "LogAppendTime", "CreateTime"},
		{"wallet.commands", "min.insync.replicas", "2", ""},
		{"wallet.events", "partitions", "12", "6"},
		{"wallet.events", "replication factor", "3", "1"},
		{"wallet.events", "cleanup.policy", "delete", "compact,delete"},
		{"wallet.events", "retention.ms", "-1", "3600000"},
	}
	slices.SortStableFunc(got, func(a, b Mismatch) int { return strings.Compare(a.Topic, b.Topic) })
	if !sameMismatches(got, all) {
		t.Errorf("mismatches are\n%+v\nwant\n%+v", got, all)
	}
	for _, m := range got {
		if text := m.Error(); !strings.Contains(text, m.Topic) || m.Setting != "exists" && !strings.Contains(text, m.Want) {
			t.Errorf("%q names neither the topic nor what is asked for", text)
		}
	}
}

// sameMismatches compares without regard to the order of a topic's mismatches.
func sameMismatches(a, b []Mismatch) bool {
	less := func(x, y Mismatch) int { return strings.Compare(x.Topic+x.Setting, y.Topic+y.Setting) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), less), slices.SortedFunc(slices.Values(b), less))
}

func TestSettings(t *testing.T) {
	var s Settings
	s.EnsureDefaults()
	want := Settings{Partitions: 12, ReplicationFactor: 3, MinISR: 2, Horizon: 7 * day, OutcomeRetention: 8 * day, CommandRetention: 30 * day, DeadLetterRetention: 90 * day}
	if s != want {
		t.Errorf("defaults are %+v, want %+v", s, want)
	}
	if err := s.Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	single := Settings{ReplicationFactor: 1}
	single.EnsureDefaults()
	if single.MinISR != 1 {
		t.Errorf("min ISR is %d with one replica, want 1", single.MinISR)
	}
	audited := Settings{OutcomeRetention: 365 * day}
	audited.EnsureDefaults()
	for _, topic := range shop().Topics(audited) {
		if strings.HasSuffix(topic.Name, ".outcomes") && topic.Config["retention.ms"] != "31536000000" {
			t.Errorf("%s keeps %s ms", topic.Name, topic.Config["retention.ms"])
		}
	}
	forgetful := Settings{OutcomeRetention: 6 * day}
	forgetful.EnsureDefaults()
	if err := forgetful.Validate(); err == nil || !strings.Contains(err.Error(), "at least the horizon") {
		t.Errorf("outcomes that are kept for less than the horizon: %v", err)
	}
	wrong := Settings{Prefix: "my shop", Partitions: 1025, ReplicationFactor: -1, MinISR: 5, Horizon: time.Minute,
		CommandRetention: time.Hour, DeadLetterRetention: 90 * day}
	err := wrong.Validate()
	if err == nil {
		t.Fatal("wrong settings are accepted")
	}
	for _, word := range []string{"prefix", "partitions", "replication factor", "min ISR", "horizon", "retention"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not name the %s", err, word)
		}
	}
}

func TestNames(t *testing.T) {
	n := Names{Prefix: "p."}
	for got, want := range map[string]string{
		n.Commands("wallet"): "p.wallet.commands", n.Events("wallet"): "p.wallet.events", n.Outcomes("wallet"): "p.wallet.outcomes",
		n.Table("wallet"): "p.wallet-table", n.RekeyedTopic("by-owner"): "p.by-owner.rekeyed", n.RekeyGroup("by-owner"): "p.by-owner.rekey",
		n.Group("wallet"): "p.wallet", n.DeadLetters(n.Group("wallet")): "p.wallet.dead-letters",
		n.DeadLetters(n.RekeyGroup("by-owner")): "p.by-owner.rekey.dead-letters", Subject(n.Events("wallet")): "p.wallet.events-value",
	} {
		if got != want {
			t.Errorf("the name is %s, want %s", got, want)
		}
	}
}

func TestDescribeIsStable(t *testing.T) {
	described, drawn := shop().Describe(Settings{}), shop().Mermaid(Settings{})
	for range 20 { // often enough for the order of a map to show
		if shop().Describe(Settings{}) != described || shop().Mermaid(Settings{}) != drawn {
			t.Fatal("the same topology gives different texts")
		}
	}
}
