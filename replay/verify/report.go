package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/foldlog/foldlog/replay/kit"
)

// Report is the result of a verification.
type Report struct {
	// Findings are the first ones that were met, by place; Total counts all.
	Findings []kit.Finding `json:"findings"`
	Total    int64         `json:"total"`
	// Unchecked names the parts that could not be checked, and the reasons.
	Unchecked []string `json:"unchecked"`
	// The numbers of records that were read, and of rows that were compared.
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

func (c *collector) add(f kit.Finding) {
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

// count adds the numbers of a piece of work.
func (c *collector) count(read Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Events += read.Events
	c.report.Commands += read.Commands
	c.report.Outcomes += read.Outcomes
	c.report.Rekeyed += read.Rekeyed
	c.report.Aggregates += read.Aggregates
	c.report.Rows += read.Rows
	c.report.Served += read.Served
}

// finish returns the report in the order of places.
func (c *collector) finish(took time.Duration) *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Took = took
	slices.SortStableFunc(c.report.Findings, func(a, b kit.Finding) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset),
			strings.Compare(a.Key, b.Key))
	})
	slices.Sort(c.report.Unchecked)
	return &c.report
}
