package check

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// The invariants, in the order of the report.
const (
	Dump           = "I0"
	Answered       = "I1"
	Versions       = "I2"
	Folded         = "I3"
	Decided        = "I3b"
	Caused         = "I4"
	Ordered        = "I5"
	Offsets        = "I6"
	Settled        = "I7"
	Monotonic      = "I8"
	Conserved      = "I9"
	DeadLettered   = "I10"
	Rebuilt        = "I11"
	Bounded        = "I12"
	keptViolations = 1000 // violations of each invariant that a report has; all are counted
	shownByDefault = 10
)

var titles = [][2]string{
	{Dump, "what is committed stands in the log, at its place; no transaction is open"},
	{Answered, "each command has one outcome, the one its client was told"},
	{Versions, "versions 1..n without gap; ids, chain, times and partitions of events"},
	{Folded, "fold of events = table = state = view, on every instance"},
	{Decided, "each decision is the one that the bank's rules lead to"},
	{Caused, "no event without its command; policies send each command once"},
	{Ordered, "order of outcomes = order of commands, per aggregate"},
	{Offsets, "committed offsets pass nothing unfinished, and reach the end"},
	{Settled, "settled within 60 s of healing"},
	{Monotonic, "reads of a client never go back and show its writes"},
	{Conserved, "no money is made or lost; no transfer is unfinished"},
	{DeadLettered, "one dead letter per bad input, with its coordinates"},
	{Rebuilt, "what is rebuilt from nothing = the live one; stores = tables"},
	{Bounded, "memory, descriptors and goroutines are bounded"},
}

// Violation is a place where an invariant does not hold.
type Violation struct {
	// Where is "topic/partition/offset", "op N", or the instance and key.
	Where string `json:"where"`
	What  string `json:"what"`
}

// Invariant is what was found of one invariant.
type Invariant struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	// Checked is how many things were looked at.
	Checked int `json:"checked"`
	// Found is how many violations there are, and Violations the first thousand of them.
	Found      int         `json:"found"`
	Violations []Violation `json:"violations"`
	// NotChecked says why nothing was checked; "" where something was.
	NotChecked string `json:"not_checked,omitempty"`
	// Notes say what part could not be checked, and figures worth knowing.
	Notes []string `json:"notes,omitempty"`
}

// Report is the verdict on a run.
type Report struct {
	Scenario   string       `json:"scenario"`
	Seed       uint64       `json:"seed"`
	Invariants []*Invariant `json:"invariants"`
}

func newReport() *Report {
	r := &Report{}
	for _, t := range titles {
		r.Invariants = append(r.Invariants, &Invariant{ID: t[0], Title: t[1], Violations: []Violation{}})
	}
	return r
}

// Of returns the invariant of that id, or nil.
func (r Report) Of(id string) *Invariant {
	for _, i := range r.Invariants {
		if i.ID == id {
			return i
		}
	}
	return nil
}

// Found returns how many violations there are.
func (r Report) Found() (n int) {
	for _, i := range r.Invariants {
		n += i.Found
	}
	return n
}

func (r *Report) checked(id string, n int) { r.Of(id).Checked += n }

func (r *Report) violate(id, where, format string, args ...any) {
	i := r.Of(id)
	i.Found++
	if len(i.Violations) < keptViolations {
		i.Violations = append(i.Violations, Violation{Where: where, What: fmt.Sprintf(format, args...)})
	}
}

func (r *Report) note(id, format string, args ...any) {
	i := r.Of(id)
	i.Notes = append(i.Notes, fmt.Sprintf(format, args...))
}

// close says of what nothing was checked.
func (r *Report) close() {
	for _, i := range r.Invariants {
		if i.Checked > 0 || i.Found > 0 {
			continue
		}
		i.NotChecked = "the run has nothing to check it on"
		if len(i.Notes) > 0 {
			i.NotChecked = strings.Join(i.Notes, "; ")
		}
	}
}

// WriteJSON writes the report as one JSON document.
func (r Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteText writes the report for people, with at most show violations of each invariant; 0 means
// ten.
func (r Report) WriteText(w io.Writer, show int) error {
	if show <= 0 {
		show = shownByDefault
	}
	var b strings.Builder
	fmt.Fprintf(&b, "scenario %s, seed %d\n\n", r.Scenario, r.Seed)
	table := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\tinvariant\tchecked\tviolations")
	for _, i := range r.Invariants {
		verdict := fmt.Sprint(i.Found)
		if i.NotChecked != "" {
			verdict = "not checked: " + i.NotChecked
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", i.ID, i.Title, i.Checked, verdict)
	}
	_ = table.Flush() // to memory
	for _, i := range r.Invariants {
		if i.NotChecked == "" {
			for _, note := range i.Notes {
				fmt.Fprintf(&b, "\n%s: %s", i.ID, note)
			}
		}
	}
	b.WriteString("\n")
	for _, i := range r.Invariants {
		if i.Found == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s\n", i.ID, i.Title)
		for _, v := range i.Violations[:min(show, len(i.Violations))] {
			fmt.Fprintf(&b, "  %s: %s\n", v.Where, v.What)
		}
		if more := i.Found - min(show, len(i.Violations)); more > 0 {
			fmt.Fprintf(&b, "  and %d more\n", more)
		}
	}
	fmt.Fprintf(&b, "\n%d violations\n", r.Found())
	_, err := io.WriteString(w, b.String())
	return err
}
