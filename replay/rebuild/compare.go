package rebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/topology"
)

// Comparison is the difference between two versions of a projection over the same events.
type Comparison struct {
	// Before and Now are the versions.
	Before int `json:"before"`
	Now    int `json:"now"`
	// Rows is how many keys there are. Of these, Same have rows whose common columns are equal,
	// Differing have rows whose are not, and the others are in one version only.
	Rows       int64 `json:"rows"`
	Same       int64 `json:"same"`
	Differing  int64 `json:"differing"`
	OnlyBefore int64 `json:"only_before"`
	OnlyNow    int64 `json:"only_now"`
	// New and Gone are the columns that only one version has.
	New  []string `json:"new_columns"`
	Gone []string `json:"gone_columns"`
	// Differences are the first ones, by key.
	Differences []Difference `json:"differences"`
}

// Difference is one column of a row that differs, or a row that is in one version only: then there
// is no column.
type Difference struct {
	Key    string `json:"key"`
	Column string `json:"column,omitempty"`
	Before string `json:"before"`
	Now    string `json:"now"`
}

// comparison is one run of compare. It folds the same events with both versions, so it is exact
// while the system runs, too. [verify.Run] checks that the tables equal the folds.
type comparison struct {
	kit         *kit.Reader
	before, now *topology.ProjectionSpec
	most        int

	mu     sync.Mutex
	result Comparison
	has    map[string][2]bool // by column, which version has it
}

func (v *change) compare(ctx context.Context, before, now *topology.ProjectionSpec) (*Comparison, error) {
	r := v.kit
	c := &comparison{kit: r, before: before, now: now, most: r.Config.MaxFindings, has: map[string][2]bool{},
		result: Comparison{Before: before.Version, Now: now.Version, New: []string{}, Gone: []string{}, Differences: []Difference{}}}
	events := r.Names.Events(now.Source)
	ends, err := r.StableEnds(ctx, events)
	if err != nil {
		return nil, err
	}
	r.Total = 0
	var all []kit.Work
	var together []kit.Span
	for p, end := range ends[events] {
		s := kit.Span{Topic: events, Partition: int32(p), To: end}
		r.Total += s.Size()
		together = append(together, s)
		all = append(all, func(ctx context.Context, log *kit.Log) error { return c.fold(ctx, log, []kit.Span{s}) })
	}
	if before.Rekeyed() || now.Rekeyed() { // a row follows from any partition
		all = []kit.Work{func(ctx context.Context, log *kit.Log) error { return c.fold(ctx, log, together) }}
	}
	if err := r.Each(ctx, all); err != nil {
		return nil, err
	}
	for column, in := range c.has {
		switch {
		case !in[0]:
			c.result.New = append(c.result.New, column)
		case !in[1]:
			c.result.Gone = append(c.result.Gone, column)
		}
	}
	slices.Sort(c.result.New)
	slices.Sort(c.result.Gone)
	slices.SortStableFunc(c.result.Differences, func(a, b Difference) int { return strings.Compare(a.Key, b.Key) })
	return &c.result, nil
}

// rowOf returns the row of a key in JSON, by column; nil if there is none.
func rowOf(folds *kit.RowFolds, key string) (map[string]json.RawMessage, error) {
	row, known, err := folds.All.Get(key)
	if err != nil || !known || row.Row == nil {
		return nil, err
	}
	return columns(row.Row)
}

func columns(row any) (map[string]json.RawMessage, error) {
	raw, err := json.Marshal(row)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	return all, json.Unmarshal(raw, &all)
}

// fold folds the events in the spans, which have all that their rows follow from, and compares the
// rows.
func (c *comparison) fold(ctx context.Context, log *kit.Log, spans []kit.Span) error {
	b := c.kit.Budget()
	defer b.Close()
	var sides [2]*kit.RowFolds
	for i, spec := range []*topology.ProjectionSpec{c.before, c.now} {
		sides[i] = kit.NewRowFolds(&c.kit.Config, spec, b)
	}
	err := log.InOrder(ctx, c.now.Source, spans, func(e *kit.LoggedEvent) error {
		for _, side := range sides {
			key := string(e.Record.Key)
			if side.Spec.Rekeyed() {
				if key = kit.KeyOf(side.Spec, e.Event); key == "" {
					continue
				}
			}
			if err := side.Fold(key, e.Event); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, side := range sides {
		err := side.All.Each(func(key string, _ *kit.RowFold) (err error) {
			var rows [2]map[string]json.RawMessage
			for j := range rows {
				if rows[j], err = rowOf(sides[j], key); err != nil {
					return err
				}
			}
			if rows[i] != nil && (i == 1 || rows[1] == nil) { // each key once
				c.note(key, rows[0], rows[1])
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// note counts a key's rows.
func (c *comparison) note(key string, before, now map[string]json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result.Rows++
	for i, row := range []map[string]json.RawMessage{before, now} {
		for column := range row {
			in := c.has[column]
			in[i] = true
			c.has[column] = in
		}
	}
	switch {
	case before == nil:
		c.result.OnlyNow++
		c.differ(Difference{Key: key, Before: "no row", Now: text(now)})
		return
	case now == nil:
		c.result.OnlyBefore++
		c.differ(Difference{Key: key, Before: text(before), Now: "no row"})
		return
	}
	same := true
	for _, column := range slices.Sorted(maps.Keys(before)) {
		if have, both := now[column]; both && string(have) != string(before[column]) {
			same = false
			c.differ(Difference{Key: key, Column: column, Before: kit.Clip(string(before[column])), Now: kit.Clip(string(have))})
		}
	}
	if same {
		c.result.Same++
	} else {
		c.result.Differing++
	}
}

func (c *comparison) differ(d Difference) {
	if len(c.result.Differences) < c.most {
		c.result.Differences = append(c.result.Differences, d)
	}
}

func text(row map[string]json.RawMessage) string {
	raw, err := json.Marshal(row)
	if err != nil {
		return fmt.Sprint(row)
	}
	return kit.Clip(string(raw))
}
