package processors_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/topology"
)

// The test's domain: a box whose functions fail as the command says.

type fill struct {
	With string `json:"with"`
}

type filled struct {
	With string `json:"with"`
}

type box struct {
	Content string `json:"content"`
}

type boxRow struct {
	Content string `json:"content"`
}

func boxTopology() *topology.Topology {
	decider := foldlog.Decider[box, fill, filled]{
		Decide: func(_ box, c foldlog.Command[fill]) ([]filled, error) {
			switch c.Data.With {
			case "decide-panics":
				panic("planted")
			case "decide-fails":
				return nil, errors.New("planted")
			case "nothing":
				return nil, nil
			case "two things":
				return []filled{{"one"}, {"another"}}, nil
			case "much":
				return []filled{{strings.Repeat("x", 600_000)}, {strings.Repeat("x", 600_000)}}, nil
			}
			return []filled{{c.Data.With}}, nil
		},
		Evolve: func(s box, e foldlog.Event[filled]) box {
			if e.Data.With == "evolve-panics" {
				panic("planted")
			}
			if len(e.Data.With) > 100_000 {
				return box{s.Content + strings.Repeat(e.Data.With, 2)}
			}
			return box{e.Data.With}
		},
	}
	return topology.New("boxes",
		topology.Aggregate("box", decider, topology.Commands(topology.Command[fill]("fill")), topology.Events(topology.Event[filled]("Filled"))),
		topology.Policy("echo", "box", foldlog.Policy[filled]{React: func(e foldlog.Event[filled]) []foldlog.Send {
			switch e.Data.With {
			case "react-panics":
				panic("planted")
			case "react-strays":
				return []foldlog.Send{{Aggregate: "shelf", ID: "x", Command: fill{"y"}}}
			case "react-misnames":
				return []foldlog.Send{{Aggregate: "box", ID: "__x", Command: fill{"y"}}}
			case "react-mistypes":
				return []foldlog.Send{{Aggregate: "box", ID: "x", Command: filled{"y"}}}
			}
			return nil
		}}, "box"),
		topology.Projection("contents", "box", foldlog.Projection[boxRow, filled]{
			Key: func(e foldlog.Event[filled]) string {
				switch e.Data.With {
				case "key-panics":
					panic("planted")
				case "key-reserved":
					return "__foldlog-progress/x"
				case "key-long":
					return strings.Repeat("k", foldlog.MaxViewKeyLength+1)
				case "key-binary":
					return "\xff"
				}
				return e.Data.With
			},
			Project: func(_ boxRow, e foldlog.Event[filled]) boxRow {
				switch e.Data.With {
				case "project-panics":
					panic("planted")
				case "project-grows":
					return boxRow{strings.Repeat("x", topology.MaxRecordBytes)}
				}
				return boxRow{e.Data.With}
			},
		}),
	)
}

func boxSchemas() fstest.MapFS {
	envelope := func(name, fields string) *fstest.MapFile {
		return &fstest.MapFile{Data: fmt.Appendf(nil, `{"type": "record", "name": %q, "namespace": "test.box", "fields": [%s]}`, name, fields)}
	}
	const optional = `{"name": %q, "type": ["null", %q], "default": null}`
	text := func(names ...string) string {
		var all []string
		for _, name := range names {
			all = append(all, fmt.Sprintf(optional, name, "string"))
		}
		return strings.Join(all, ", ")
	}
	with := `{"type": "record", "name": %q, "fields": [{"name": "with", "type": "string"}]}`
	at := `{"name": "recorded_at", "type": {"type": "long", "logicalType": "timestamp-micros"}}`
	return fstest.MapFS{
		"box.commands/v1.avsc": envelope("BoxCommand", `{"name": "type", "type": "string"}, `+text("command_id", "aggregate_id", "correlation_id", "causation_id", "actor")+
			`, `+fmt.Sprintf(optional, "expected_version", "long")+`, {"name": "data", "type": [`+fmt.Sprintf(with, "Fill")+`]}`),
		"box.events/v1.avsc": envelope("BoxEvent", `{"name": "event_id", "type": "string"}, {"name": "event_type", "type": "string"}, {"name": "aggregate_id", "type": "string"},
			{"name": "version", "type": "long"}, `+at+`, {"name": "command_id", "type": "string"}, {"name": "correlation_id", "type": "string"}, `+text("causation_id")+
			`, {"name": "actor", "type": "string"}, {"name": "data", "type": [`+fmt.Sprintf(with, "Filled")+`]}`),
		"box-table/v1.avsc": envelope("BoxState", `{"name": "version", "type": "long"}, `+at+`, {"name": "chain", "type": "bytes"},
			{"name": "state", "type": {"type": "record", "name": "Box", "fields": [{"name": "content", "type": "string"}]}}`),
		"contents-table/v1.avsc": envelope("ContentsRow", `{"name": "content", "type": "string"}`),
	}
}

// What the domain's code does wrong is answered or set aside; the group goes on, and so do the
// others.
func TestFaultsOfTheDomainStopNobody(t *testing.T) {
	s := startSystem(t, boxTopology(), boxSchemas())
	s.run("one")
	send := func(with string) {
		s.produce(s.command("box", "b-"+with, "fill-"+with, "fill", fmt.Sprintf(`{"with": %q}`, with)))
	}
	outcome := func(with string) foldlog.Outcome { return s.outcome("box", "b-"+with, "fill-"+with) }
	deadLetter := func(group, cause string) {
		t.Helper()
		s.eventually("a dead letter of "+group, func() error {
			for _, r := range s.deadLetters(group) {
				if strings.Contains(string(r.Header(codecs.HeaderDeadLetterCause)), cause) {
					return nil
				}
			}
			return fmt.Errorf("none says %q", cause)
		})
	}
	for _, with := range []string{"decide-panics", "decide-fails", "evolve-panics"} {
		send(with)
		if o := outcome(with); o.Code != foldlog.CodeInternal || strings.Contains(o.Message, "planted") {
			t.Errorf("%s: %+v", with, o)
		}
	}
	send("nothing")
	if o := outcome("nothing"); !o.Accepted || len(o.EventIDs) != 0 || len(o.Token()) != 0 {
		t.Errorf("accepted without effect: %+v", o)
	}
	send("much")
	if o := outcome("much"); o.Code != foldlog.CodeTooLarge {
		t.Errorf("a state that does not fit: %+v", o)
	}
	for with, cause := range map[string]string{
		"react-panics": "panicked", "react-strays": `sends to "shelf"`, "react-misnames": "__x", "react-mistypes": "filled",
	} {
		send(with)
		deadLetter("echo", cause)
	}
	for with, cause := range map[string]string{
		"key-panics": "panicked", "key-reserved": "reserved", "key-long": "513 bytes", "key-binary": "not UTF-8",
	} {
		send(with)
		deadLetter("contents.rekey", cause)
	}
	for with, cause := range map[string]string{"project-panics": "panicked", "project-grows": "at most"} {
		send(with)
		deadLetter("contents", cause)
	}
	send("good")
	s.eventually("the good one is projected", func() error {
		row, err := s.codecs.Projection("contents").DecodeRow(t.Context(), s.rows("contents")["good"])
		if err != nil || row.(boxRow).Content != "good" {
			return fmt.Errorf("row %v, %v", row, err)
		}
		return nil
	})
}

// Progress reaches every partition of a re-keyed projection's table, also those that no event went
// to, and speaks of a command only when all of its events are in.
func TestProgressReachesEveryPartition(t *testing.T) {
	s := startSystem(t, boxTopology(), boxSchemas())
	s.run("one")
	s.produce(s.command("box", "b", "first", "fill", `{"with": "x"}`), s.command("box", "b", "second", "fill", `{"with": "x"}`))
	o := s.outcome("box", "b", "second")
	s.eventually("progress in every partition", func() error {
		reached := map[int32]bool{}
		for _, r := range s.read(s.names.Table("contents")) {
			if string(r.Header(codecs.HeaderProgress)) == o.Position.String() {
				if topology.PartitionOf(r.Key, s.settings.Partitions) != r.Partition {
					t.Errorf("progress record %q is in partition %d", r.Key, r.Partition)
				}
				reached[r.Partition] = true
			}
		}
		if len(reached) != s.settings.Partitions {
			return fmt.Errorf("in %d of %d partitions", len(reached), s.settings.Partitions)
		}
		return nil
	})
	for _, r := range s.read(s.names.RekeyedTopic("contents")) {
		if progress := r.Header(codecs.HeaderProgress); progress != nil && !strings.HasPrefix(string(r.Key), topology.ProgressPrefix) {
			t.Errorf("the event %q announces progress %s by itself, before other partitions have theirs", r.Key, progress)
		}
	}
}
