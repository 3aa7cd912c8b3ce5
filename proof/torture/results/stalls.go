package results

import (
	"slices"
	"time"
)

// Span is the time in which a fault was at work: from its beginning until its consequences were
// over and the next one began.
type Span struct {
	Kind     string
	From, To int64
}

// Stalls returns the longest stall of each kind of fault. A stall is a time without an answer on
// one of the partitions; it counts for each span that it overlaps, from the span's beginning on at
// the earliest. Successes are the times of answers by partition, in any order; what comes after the
// end is ignored.
func Stalls(spans []Span, successes [][]int64, end int64) map[string]time.Duration {
	worst := map[string]time.Duration{}
	for _, span := range spans {
		longest := worst[span.Kind]
		for _, times := range successes {
			longest = max(longest, stall(span, times, end))
		}
		worst[span.Kind] = longest
	}
	return worst
}

// stall returns the longest time between two answers of one partition that overlaps the span.
func stall(span Span, times []int64, end int64) time.Duration {
	times = slices.Clone(times)
	slices.Sort(times)
	var longest int64
	last := span.From // before the first answer there is nothing to be missed before the fault
	for _, at := range append(times, end) {
		at = min(at, end)
		if at <= span.From {
			continue
		}
		if last >= span.To {
			break
		}
		longest = max(longest, at-last)
		last = at
	}
	return time.Duration(longest)
}
