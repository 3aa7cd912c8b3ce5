package check

import (
	"fmt"
	"time"
)

// checkOffsets decides the part of I6 that needs no outcomes: at rest each group has reached the
// end of its input, and no more than that.
func (d *dump) checkOffsets() {
	for _, g := range d.groups() {
		places, dumped := d.topics.Topics[g.input]
		if !dumped {
			continue
		}
		for p := range int32(d.run.Partitions) {
			last, any := d.last[g.input][p]
			committed, has := d.topics.Offsets[g.name][g.input][p]
			has = has && committed >= 0
			if !any && !has {
				continue
			}
			d.checked(Offsets, 1)
			where := fmt.Sprintf("group %s, %s/%d", g.name, g.input, p)
			switch {
			case !has:
				d.violate(Offsets, where, "nothing is committed, though the input has records up to offset %d", last)
			case committed > places.End[p]:
				d.violate(Offsets, where, "the committed offset %d is beyond the end %d", committed, places.End[p])
			case any && committed <= last:
				d.violate(Offsets, where, "the committed offset %d is not at the end: the record at %d was not handled", committed, last)
			}
		}
	}
}

const settlingTime = 60 * time.Second

// checkSettled decides I7.
func (d *dump) checkSettled() {
	d.checked(Settled, 1)
	took := time.Duration(d.run.Settled - d.run.Healed)
	switch {
	case d.run.Healed == 0:
		d.violate(Settled, "run.json", "the run was never healed")
	case d.run.Settled == 0:
		d.violate(Settled, "run.json", "the system did not settle after it was healed")
	case took > settlingTime:
		d.violate(Settled, "run.json", "it took %s to settle after healing; at most %s are allowed", took.Round(time.Millisecond), settlingTime)
	case took < 0:
		d.violate(Settled, "run.json", "it settled %s before it was healed", -took)
	default:
		d.note(Settled, "settled %s after healing", took.Round(time.Millisecond))
	}
}
