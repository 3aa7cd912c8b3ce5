package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Check names what a finding is about.
//
// NB: must not change. Scripts and alerts carry them.
type Check string

// Checks.
const (
	CheckDecode    Check = "undecodable"     // a record cannot be read
	CheckPartition Check = "wrong_partition" // a record is not in the partition of its key
	CheckKey       Check = "key"             // a record's key is not what its value says
	CheckCause     Check = "cause"           // a record does not name the place of its command
	CheckOrder     Check = "order"           // records do not stand in the order of their commands
	CheckVersion   Check = "version"         // versions are not 1, 2, 3 ...
	CheckChain     Check = "chain"           // an event is not the one that was chained
	CheckEventID   Check = "event_id"        // an event's id does not follow from its command
	CheckTime      Check = "time"            // recorded_at goes backwards or is not the command's
	CheckCommand   Check = "command"         // a command is missing or another one
	// an outcome is missing, double, or does not match its events
	CheckOutcome Check = "outcome"
	// events are missing, or are there without an accepted outcome
	CheckEvents Check = "events"
	// a row of an aggregate's table is not the fold of its events
	CheckState Check = "state"
	// a row of a projection's table is not the fold of its events
	CheckRow Check = "row"
	// a re-keyed topic is not the events that it should carry
	CheckRekey Check = "rekey"
	// what is served over HTTP is not the fold of the events
	CheckView  Check = "view"
	CheckStart Check = "start" // the beginning of a log that is kept for ever is gone
)

// Finding is one thing that is not as it must be.
type Finding struct {
	Check Check `json:"check"`
	// Topic, Partition and Offset are the record's place. Offset is -1 where the finding is that
	// there is none, and Partition where it is not in Kafka.
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	// Part is the aggregate type or projection, Key the aggregate's id or the row's key.
	Part string `json:"part"`
	Key  string `json:"key"`
	// Version is the event's or row's version; 0 where it is not known.
	Version int64 `json:"version,omitempty"`
	// Want is what was expected, Have is what was found.
	Want string `json:"want"`
	Have string `json:"have"`
}

// String returns the finding in one line.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(f.Topic)
	if f.Partition >= 0 {
		fmt.Fprintf(&b, "/%d", f.Partition)
	}
	if f.Offset >= 0 {
		fmt.Fprintf(&b, "/%d", f.Offset)
	}
	fmt.Fprintf(&b, ": %s: %s", f.Check, f.Part)
	if f.Key != "" {
		fmt.Fprintf(&b, " %q", f.Key)
	}
	if f.Version > 0 {
		fmt.Fprintf(&b, " version %d", f.Version)
	}
	fmt.Fprintf(&b, ": expected %s; found %s", f.Want, f.Have)
	return b.String()
}

// Report is what a verification read and found.
type Report struct {
	// Findings are the first ones that were met, by place; Total counts all.
	Findings []Finding `json:"findings"`
	Total    int64     `json:"total"`
	// Unchecked says what could not be checked, and why.
	Unchecked []string `json:"unchecked"`
	// What was read: records, and the rows that were compared.
	Events     int64 `json:"events"`
	Commands   int64 `json:"commands"`
	Outcomes   int64 `json:"outcomes"`
	Rekeyed    int64 `json:"rekeyed"`
	Aggregates int64 `json:"aggregates"`
	Rows       int64 `json:"rows"`
	Served     int64 `json:"served"`
	// Took is how long it took, in nanoseconds in JSON.
	Took time.Duration `json:"took"`
}

// Records returns how many records were read, those of tables not counted.
func (r *Report) Records() int64 { return r.Events + r.Commands + r.Outcomes + r.Rekeyed }

// collector gathers the report. It is safe for concurrent use.
type collector struct {
	mu     sync.Mutex
	most   int
	report Report
}

func (c *collector) find(f Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.report.Total++; len(c.report.Findings) < c.most {
		c.report.Findings = append(c.report.Findings, f)
	}
}

// full reports whether findings are only counted from now on.
func (c *collector) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.report.Findings) >= c.most
}

func (c *collector) unchecked(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Unchecked = append(c.report.Unchecked, fmt.Sprintf(format, args...))
}

// count adds what a piece of work read.
func (c *collector) count(add func(*Report)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.report)
}

// finish returns the report in the order of places.
func (c *collector) finish(took time.Duration) *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Took = took
	slices.SortStableFunc(c.report.Findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset),
			strings.Compare(a.Key, b.Key))
	})
	slices.Sort(c.report.Unchecked)
	return &c.report
}
