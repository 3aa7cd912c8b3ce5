package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/foldlog/foldlog/proof/history"
)

// Bounds of I12: the median of the last quarter of a process's life may be this much above that of
// the first. A life is judged by the samples at which it was ready, from a while after the first:
// what starts, ends or waits for a rebalance needs other amounts. The bounds are generous: caches
// fill, and a leak of a few objects for each command is far above them within minutes.
const (
	warmUp        = 10 * time.Second
	fewestSamples = 20
	growthFactor  = 1.5
	moreThreads   = 64
	moreFiles     = 64
	moreBytes     = 192 << 20
)

// endsOfLives are the faults after which a process is another one.
var endsOfLives = []string{"start", "kill", "crash", "term", "restart"}

// checkSamples decides I12.
func (d *dump) checkSamples() {
	byInstance := map[string][]history.Sample{}
	for _, s := range d.samples {
		byInstance[s.Instance] = append(byInstance[s.Instance], s)
	}
	if len(byInstance) == 0 {
		d.note(Bounded, "no samples were taken")
		return
	}
	for _, instance := range sortedKeys(byInstance) {
		var starts []int64
		for _, f := range d.faults {
			if f.Target == instance && slices.Contains(endsOfLives, f.Kind) {
				starts = append(starts, f.At)
			}
		}
		slices.Sort(starts)
		slices.SortStableFunc(byInstance[instance], func(a, b history.Sample) int { return cmp.Compare(a.At, b.At) })
		lives := make([][]history.Sample, len(starts)+1)
		for _, s := range byInstance[instance] {
			life, _ := slices.BinarySearch(starts, s.At+1)
			lives[life] = append(lives[life], s)
		}
		for _, life := range lives {
			d.checkLife(instance, life)
		}
	}
	if d.Of(Bounded).Checked == 0 {
		d.note(Bounded, "no process lived long enough: fewer than %d samples after it was warm", fewestSamples)
	}
}

func (d *dump) checkLife(instance string, life []history.Sample) {
	ready := func(s history.Sample) bool { return s.Ready }
	first := slices.IndexFunc(life, ready)
	if first < 0 {
		return
	}
	warm := life[first].At + warmUp.Nanoseconds()
	life = slices.DeleteFunc(slices.Clone(life[first:]), func(s history.Sample) bool { return s.At < warm || !s.Ready })
	if len(life) < fewestSamples {
		return
	}
	took := time.Duration(life[len(life)-1].At - life[0].At).Round(time.Second)
	for _, one := range []struct {
		what string
		of   func(history.Sample) int64
		more int64
	}{
		{"goroutines", func(s history.Sample) int64 { return int64(s.Goroutines) }, moreThreads},
		{"descriptors", func(s history.Sample) int64 { return int64(s.FDs) }, moreFiles},
		{"bytes of memory", func(s history.Sample) int64 { return s.RSS }, moreBytes},
	} {
		d.checked(Bounded, 1)
		quarter := len(life) / 4
		first, last := median(life[:quarter], one.of), median(life[len(life)-quarter:], one.of)
		if limit := int64(float64(first)*growthFactor) + one.more; last > limit {
			d.violate(Bounded, instance, "%s grew from %d to %d in %s of a process's life; at most %d are allowed", one.what, first, last,
				took, limit)
		}
	}
}

func median(samples []history.Sample, of func(history.Sample) int64) int64 {
	values := make([]int64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
