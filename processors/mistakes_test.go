package processors_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/topology"
)

// The test's domain: a vase, whose author makes every mistake at every place. A command names the
// place and the mistake.

// glaze has a field of every type that can hold a value which its schema cannot.
type glaze struct {
	Text  string           `json:"text"`
	Hue   string           `json:"hue"`
	At    time.Time        `json:"at"`
	Day   time.Time        `json:"day"`
	Marks map[string]int64 `json:"marks"`
	Ratio float64          `json:"ratio"`
	Inner []shade          `json:"inner"`
}

type shade struct {
	Hue  string  `json:"hue"`
	Note *string `json:"note"`
}

const glazeFields = `[{"name": "text", "type": "string"}, {"name": "hue", "type": {"type": "enum", "name": "Hue%[1]s", "symbols": ["RED", "BLUE"]}},
	{"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}, {"name": "day", "type": {"type": "int", "logicalType": "date"}},
	{"name": "marks", "type": {"type": "map", "values": "long"}}, {"name": "ratio", "type": "double"},
	{"name": "inner", "type": {"type": "array", "items": {"type": "record", "name": "Shade%[1]s", "fields": [{"name": "hue", "type": "Hue%[1]s"},
		{"name": "note", "type": ["null", "string"], "default": null}]}}}]`

func soundGlaze() glaze {
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	return glaze{Text: "t", Hue: "RED", At: day, Day: day, Marks: map[string]int64{"a": 1}, Ratio: 0.5, Inner: []shade{{Hue: "BLUE"}}}
}

// valueMistakes are the values that no record of the schema can hold, or that no topic can take.
var valueMistakes = map[string]func(*glaze){
	"enum-empty":         func(g *glaze) { g.Hue = "" },
	"enum-unknown":       func(g *glaze) { g.Hue = "GREEN" },
	"enum-inside":        func(g *glaze) { g.Inner = append(g.Inner, shade{}) },
	"text-not-utf8":      func(g *glaze) { g.Text = "\xff" },
	"note-not-utf8":      func(g *glaze) { bad := "a\xc3"; g.Inner[0].Note = &bad },
	"key-not-utf8":       func(g *glaze) { g.Marks = map[string]int64{"\xff": 1} },
	"time-year-10000":    func(g *glaze) { g.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	"time-year-0":        func(g *glaze) { g.At = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC) },
	"date-year-10000":    func(g *glaze) { g.Day = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	"date-before-1":      func(g *glaze) { g.Day = time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC) },
	"number-nan":         func(g *glaze) { g.Ratio = math.NaN() },
	"number-infinite":    func(g *glaze) { g.Ratio = math.Inf(1) },
	"text-of-3-MB":       func(g *glaze) { g.Text = strings.Repeat("x", 3<<20) },
	"list-of-3-MB":       func(g *glaze) { g.Inner = make([]shade, 1<<20); fillHues(g.Inner) },
	"text-just-too-long": func(g *glaze) { g.Text = strings.Repeat("x", topology.MaxBatchBytes-200) },
}

func fillHues(all []shade) {
	for i := range all {
		all[i].Hue = "RED"
	}
}

// crashes are what any function can do instead of returning.
var crashes = map[string]func(){
	"panic":         func() { panic("planted") },
	"panic-error":   func() { panic(&angry{}) },
	"nil-map":       func() { noMap()["a"] = 1 },
	"out-of-range":  func() { var list []int; _ = list[len(list)] },
	"nil-reference": func() { var s *shade; s.Hue = "RED" },
}

func noMap() map[string]int { return nil }

// angry is an error whose own method panics.
type angry struct{}

func (*angry) Error() string { panic("planted in Error") }

type vaseCommand interface{ isVaseCommand() }

type shape struct {
	Place   string `json:"place"`
	Mistake string `json:"mistake"`
	Glaze   *glaze `json:"glaze"`
}

func (shape) isVaseCommand() {}

// Validate is a place of mistakes, too.
func (s shape) Validate() error {
	if s.Place != "validate" {
		return nil
	}
	return mistakenError(s.Mistake)
}

// mistakenError returns the errors that are wrong in some way. It may crash.
func mistakenError(mistake string) error {
	crash(mistake)
	switch mistake {
	case "error":
		return errors.New("planted")
	case "error-angry":
		return &angry{}
	case "rejection-nil":
		var none *foldlog.Rejection
		return none
	case "rejection-empty":
		return &foldlog.Rejection{}
	case "rejection-not-utf8":
		return foldlog.Reject("not_\xff", "\xff")
	case "rejection-of-3-MB":
		return foldlog.InvalidField(strings.Repeat("f", 3<<20), "%s", strings.Repeat("\x7f", 3<<20))
	}
	return nil
}

var errorMistakes = []string{"error", "error-angry", "rejection-nil", "rejection-empty", "rejection-not-utf8", "rejection-of-3-MB"}

func crash(mistake string) {
	if c := crashes[mistake]; c != nil {
		c()
	}
}

// mistaken returns a value with the mistake.
func mistaken(mistake string) glaze {
	g := soundGlaze()
	if m := valueMistakes[mistake]; m != nil {
		m(&g)
	}
	return g
}

type vaseEvent interface{ isVaseEvent() }

type shaped struct {
	Place   string `json:"place"`
	Mistake string `json:"mistake"`
	Glaze   *glaze `json:"glaze"`
}

func (shaped) isVaseEvent() {}

type undeclared struct{}

func (undeclared) isVaseEvent() {}

type vase struct {
	Count int64  `json:"count"`
	Glaze *glaze `json:"glaze"`
}

type vaseRow struct {
	Glaze *glaze `json:"glaze"`
}

// mends makes the decider do the right thing.
type mends struct{ initial, decide atomic.Bool }

func vaseTopology(mended *mends) *topology.Topology {
	at := func(e foldlog.Event[vaseEvent], place string) (mistake string, here bool) {
		s := e.Data.(shaped)
		return s.Mistake, s.Place == place
	}
	decider := foldlog.Decider[vase, vaseCommand, vaseEvent]{
		Initial: func() vase {
			if !mended.initial.Load() {
				panic("planted in Initial")
			}
			return vase{}
		},
		Decide: func(_ vase, c foldlog.Command[vaseCommand]) ([]vaseEvent, error) {
			s := c.Data.(shape)
			event := shaped{Place: s.Place, Mistake: s.Mistake}
			if s.Place != "decide" || mended.decide.Load() {
				return []vaseEvent{event}, nil
			}
			if err := mistakenError(s.Mistake); err != nil || strings.HasPrefix(s.Mistake, "rejection") {
				return nil, err
			}
			switch s.Mistake {
			case "event-nil":
				return []vaseEvent{nil}, nil
			case "event-pointer":
				return []vaseEvent{&event}, nil
			case "event-undeclared":
				return []vaseEvent{undeclared{}}, nil
			case "events-many":
				all := make([]vaseEvent, 100_000)
				for i := range all {
					all[i] = event
				}
				return all, nil
			case "events-large":
				large := soundGlaze()
				large.Text = strings.Repeat("x", 1<<20)
				event.Glaze = &large
				all := make([]vaseEvent, 100)
				for i := range all {
					all[i] = event
				}
				return all, nil
			}
			g := mistaken(s.Mistake)
			event.Glaze = &g
			return []vaseEvent{event}, nil
		},
		Evolve: func(v vase, e foldlog.Event[vaseEvent]) vase {
			v.Count++
			v.Glaze = nil
			if mistake, here := at(e, "evolve"); here {
				crash(mistake)
				g := mistaken(mistake)
				v.Glaze = &g
			}
			return v
		},
	}
	policy := foldlog.Policy[vaseEvent]{React: func(e foldlog.Event[vaseEvent]) []foldlog.Send {
		mistake, here := at(e, "react")
		if !here {
			return nil
		}
		crash(mistake)
		send := foldlog.Send{Aggregate: "vase", ID: "sent", Command: shape{Place: "none", Mistake: "none"}}
		switch mistake {
		case "send-nowhere":
			send.Aggregate = "shelf"
		case "send-without-id":
			send.ID = ""
		case "send-reserved-id":
			send.ID = "__x"
		case "send-nil":
			send.Command = nil
		case "send-pointer":
			send.Command = &shape{}
		case "send-mistyped":
			send.Command = shaped{}
		case "send-many":
			var all []foldlog.Send
			large := strings.Repeat("x", 1<<20)
			for range 100 {
				all = append(all, foldlog.Send{Aggregate: "vase", ID: "sent", Command: shape{Place: large}})
			}
			return all
		default:
			g := mistaken(mistake)
			send.Command = shape{Place: "none", Mistake: "none", Glaze: &g}
		}
		return []foldlog.Send{send}
	}}
	project := func(r vaseRow, e foldlog.Event[vaseEvent]) vaseRow {
		if mistake, here := at(e, "project"); here {
			crash(mistake)
			g := mistaken(mistake)
			return vaseRow{&g}
		}
		return r
	}
	key := func(e foldlog.Event[vaseEvent]) string {
		if mistake, here := at(e, "key"); here {
			crash(mistake)
			switch mistake {
			case "key-long":
				return strings.Repeat("k", foldlog.MaxViewKeyLength+1)
			case "key-reserved":
				return foldlog.ReservedKeyPrefix + "x"
			case "key-not-utf8":
				return "\xff"
			}
		}
		return "all"
	}
	return topology.New("vases",
		topology.Aggregate("vase", decider, topology.Commands(topology.Command[shape]("shape")), topology.Events(topology.Event[shaped]("Shaped"))),
		topology.Policy("copier", "vase", policy, "vase"),
		topology.Projection("own", "vase", foldlog.Projection[vaseRow, vaseEvent]{Project: project}),
		topology.Projection("keyed", "vase", foldlog.Projection[vaseRow, vaseEvent]{Key: key, Project: project}),
	)
}

func vaseSchemas() fstest.MapFS {
	glazed := func(owner string) string {
		return fmt.Sprintf(`{"name": "glaze", "type": ["null", {"type": "record", "name": "Glaze%s", "fields": %s}], "default": null}`, owner, fmt.Sprintf(glazeFields, owner))
	}
	said := func(name string) string {
		return fmt.Sprintf(`{"type": "record", "name": %q, "fields": [{"name": "place", "type": "string"}, {"name": "mistake", "type": "string"}, %s]}`, name, glazed(name))
	}
	row := `{"type": "record", "name": %q, "namespace": "test.vase", "fields": [` + glazed("Row") + `]}`
	files := boxSchemas()
	of := func(file, old, data string) *fstest.MapFile {
		text := strings.ReplaceAll(strings.ReplaceAll(string(files[file].Data), "test.box", "test.vase"), "Box", "Vase")
		if !strings.Contains(text, old) {
			panic(old)
		}
		return &fstest.MapFile{Data: []byte(strings.Replace(text, old, data, 1))}
	}
	with := `{"type": "record", "name": %q, "fields": [{"name": "with", "type": "string"}]}`
	return fstest.MapFS{
		"vase.commands/v1.avsc": of("box.commands/v1.avsc", fmt.Sprintf(with, "Fill"), said("Shape")),
		"vase.events/v1.avsc":   of("box.events/v1.avsc", fmt.Sprintf(with, "Filled"), said("Shaped")),
		"vase-table/v1.avsc": of("box-table/v1.avsc", `"fields": [{"name": "content", "type": "string"}]`,
			`"fields": [{"name": "count", "type": "long"}, `+glazed("State")+`]`),
		"own-table/v1.avsc":   {Data: fmt.Appendf(nil, row, "OwnRow")},
		"keyed-table/v1.avsc": {Data: fmt.Appendf(nil, row, "KeyedRow")},
	}
}

// mistakesAt returns every mistake that can be made at a place.
func mistakesAt(place string) (all []string) {
	for mistake := range crashes {
		all = append(all, mistake)
	}
	switch place {
	case "validate":
		return append(all, errorMistakes...)
	case "key":
		return append(all, "key-long", "key-reserved", "key-not-utf8")
	case "decide":
		all = append(append(all, errorMistakes...), "event-nil", "event-pointer", "event-undeclared", "events-many", "events-large")
	case "react":
		all = append(all, "send-nowhere", "send-without-id", "send-reserved-id", "send-nil", "send-pointer", "send-mistyped", "send-many")
	}
	for mistake := range valueMistakes {
		all = append(all, mistake)
	}
	return all
}

// Whatever the domain's functions do, at every place where the engine calls them, the command has
// an outcome or its event a dead letter, and the commands behind it in the same partition are
// answered. A restart changes nothing.
func TestMistakesOfTheDomainStopNobody(t *testing.T) {
	mended := &mends{}
	s := startSystem(t, vaseTopology(mended), vaseSchemas())
	stop := s.run("one")
	n := 0
	// All ids are in one partition, so that each command waits for those before it.
	sameHome := func() string {
		for ; ; n++ {
			if id := fmt.Sprintf("v%d", n); topology.PartitionOf([]byte(id), s.settings.Partitions) == 1 {
				n++
				return id
			}
		}
	}
	shapeOf := func(id, command, place, mistake string) *kgo.Record {
		return s.command("vase", id, command, "shape", fmt.Sprintf(`{"place": %q, "mistake": %q, "glaze": null}`, place, mistake))
	}
	first := sameHome()
	s.produce(shapeOf(first, "initial", "none", "none"))
	if o := s.outcome("vase", first, "initial"); o.Code != foldlog.CodeInternal {
		t.Errorf("Initial panics: %+v", o)
	}
	mended.initial.Store(true)

	// groups are those that set the event aside; none means that the command has a refusal.
	groups := map[string][]string{"validate": nil, "decide": nil, "evolve": nil, "react": {"copier"}, "project": {"own", "keyed"}, "key": {"keyed.rekey"}}
	type trial struct{ id, place, mistake string }
	var trials []trial
	var records []*kgo.Record
	for place := range groups {
		for _, mistake := range mistakesAt(place) {
			c := trial{sameHome(), place, mistake}
			trials = append(trials, c)
			records = append(records, shapeOf(c.id, "culprit", place, mistake), shapeOf(sameHome(), c.id+"-neighbour", "none", "none"))
		}
	}
	last := sameHome()
	s.produce(append(records, shapeOf(last, "last", "none", "none"))...)
	s.outcome("vase", last, "last")
	answered := map[string]foldlog.Outcome{}
	for _, o := range s.outcomes("vase") {
		answered[o.AggregateID+"/"+o.CommandID] = o
	}
	check := func() {
		t.Helper()
		for _, group := range []string{"copier", "own", "keyed", "keyed.rekey"} {
			want := 0
			for _, c := range trials {
				for _, g := range groups[c.place] {
					if g == group {
						want++
					}
				}
			}
			s.eventually("dead letters of "+group, func() error {
				if have := len(s.deadLetters(group)); have != want {
					return fmt.Errorf("%d, want %d", have, want)
				}
				return nil
			})
		}
	}
	for i, c := range trials {
		o, ok := answered[c.id+"/culprit"]
		neighbour := answered[string(records[2*i+1].Key)+"/"+c.id+"-neighbour"]
		if !neighbour.Accepted {
			t.Errorf("%s, %s: the neighbour's command has %+v", c.place, c.mistake, neighbour)
		}
		switch {
		case !ok:
			t.Errorf("%s, %s: no outcome", c.place, c.mistake)
		case groups[c.place] != nil:
			if !o.Accepted {
				t.Errorf("%s, %s: %+v", c.place, c.mistake, o)
			}
		case o.Accepted || o.Code == "":
			t.Errorf("%s, %s was accepted: %+v", c.place, c.mistake, o)
		case o.Code != foldlog.CodeInternal && o.Code != foldlog.CodeTooLarge && !strings.HasPrefix(c.mistake, "rejection"):
			t.Errorf("%s, %s: %+v", c.place, c.mistake, o)
		}
	}
	check()
	stop()
	s.run("one")
	again := sameHome()
	s.produce(shapeOf(again, "again", "none", "none"))
	if o := s.outcome("vase", again, "again"); !o.Accepted {
		t.Errorf("after the restart: %+v", o)
	}
	check()
	if have, want := len(s.outcomes("vase")), len(answered)+1; have != want {
		t.Errorf("%d outcomes after the restart, want %d", have, want)
	}
}

// An internal_error recorded nothing, so the same command may be sent again once the domain is
// mended. From then on its outcome stands.
func TestAFailedCommandIsAttemptedAgain(t *testing.T) {
	mended := &mends{}
	mended.initial.Store(true)
	s := startSystem(t, vaseTopology(mended), vaseSchemas())
	stop := s.run("one")
	send := func() *kgo.Record {
		return s.command("vase", "v", "c", "shape", `{"place": "decide", "mistake": "panic", "glaze": null}`)
	}
	s.produce(send(), send())
	for i, o := range s.answers("vase", "v", "c", 2) {
		if o.Code != foldlog.CodeInternal || o.Repeat {
			t.Errorf("attempt %d: %+v", i, o)
		}
	}
	stop()
	mended.decide.Store(true)
	stop = s.run("one")
	s.produce(send())
	if o := s.answers("vase", "v", "c", 3)[2]; !o.Accepted || o.Repeat || o.Version != 1 {
		t.Errorf("after the mend: %+v", o)
	}
	stop()
	s.run("two") // its index comes from the log
	s.produce(send())
	if o := s.answers("vase", "v", "c", 4)[3]; !o.Accepted || !o.Repeat || o.Version != 1 {
		t.Errorf("the repeat: %+v", o)
	}
}
