package check

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/foldlog/foldlog/proof/history"
)

// call is an operation of a client: how it began and how it ended.
type call struct {
	invoke, end history.Op
	ended       bool
	// floor is the highest version that the client had seen of what it reads, at this instance,
	// when it asked.
	floor int64
}

// clients are the operations of all clients.
type clients struct {
	calls []*call
	// writes are the accepted commands by token.
	writes map[string]*call
	// wanted are versions that somebody read of an aggregate, with the calls that did.
	wanted map[string]map[int64][]*call
}

// target is what a read is of.
func (c *call) target() string {
	return c.invoke.Call + "\x00" + c.invoke.Aggregate + c.invoke.View + "\x00" + c.invoke.ID
}

func (c *call) where() string { return fmt.Sprintf("op %d", c.invoke.Number) }

// aggregateRead returns the aggregate whose version a read shows; "" if it shows none.
func (c *call) aggregateRead() string {
	switch {
	case c.invoke.Call == history.StateCall:
		return c.invoke.Aggregate
	case c.invoke.Call == history.ViewCall && c.invoke.View == "balances":
		return "account"
	}
	return ""
}

// isRead reports whether the call ended with an answer to a read; the version of what is not there
// is 0.
func (c *call) isRead() bool {
	read := c.invoke.Call == history.StateCall || c.invoke.Call == history.ViewCall
	return read && c.ended && (c.end.Kind == history.OK && (c.end.Status == 200 || c.end.Status == 0) || c.end.Status == 404)
}

// shown returns the version that a read showed; ok is false if it has none.
func (c *call) shown() (version int64, ok bool) {
	switch {
	case c.end.Status == 404:
		return 0, true
	case c.end.Version > 0:
		return c.end.Version, true
	}
	document, err := readDocument(c.end.Body)
	if err != nil {
		return 0, false
	}
	fields, _ := normal("", document).(map[string]any)
	version, ok = fields["version"].(int64)
	return version, ok
}

// readClients reads the histories, in the order of the driver's clock.
func (d *dump) readClients() (*clients, error) {
	all := &clients{writes: map[string]*call{}, wanted: map[string]map[int64][]*call{}}
	open := map[int64]*call{}
	seen := map[string]int64{} // client, instance and target -> version
	err := history.Read(d.dir, "clients.jsonl", func(o history.Op) error {
		if o.Kind == history.Invoke {
			c := &call{invoke: o}
			open[o.Number] = c
			all.calls = append(all.calls, c)
			return nil
		}
		c := open[o.Number]
		if c == nil {
			return fmt.Errorf("clients.jsonl: op %d ends and was never begun", o.Number)
		}
		delete(open, o.Number)
		c.end, c.ended = o, true
		if c.invoke.Call == history.CommandCall && o.Kind == history.OK && o.Token != "" {
			if _, known := all.writes[o.Token]; !known {
				all.writes[o.Token] = c
			}
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	all.floors(seen)
	for _, c := range all.calls {
		if version, ok := c.shown(); c.isRead() && c.aggregateRead() != "" && ok && version > 0 {
			key := c.aggregateRead() + "\x00" + c.invoke.ID
			if all.wanted[key] == nil {
				all.wanted[key] = map[int64][]*call{}
			}
			all.wanted[key][version] = append(all.wanted[key][version], c)
		}
	}
	return all, nil
}

// floors finds, for each read, what its client had seen before it began.
func (all *clients) floors(seen map[string]int64) {
	type moment struct {
		at   int64
		call *call
		ends bool
	}
	var moments []moment
	for _, c := range all.calls {
		if c.isRead() {
			moments = append(moments, moment{c.invoke.At, c, false}, moment{c.end.At, c, true})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	for _, m := range moments {
		key := fmt.Sprintf("%d\x00%s\x00%s", m.call.invoke.Client, m.call.end.Instance, m.call.target())
		if !m.ends {
			m.call.floor = seen[key]
		} else if version, ok := m.call.shown(); ok {
			seen[key] = max(seen[key], version)
		}
	}
}

// depositedTotal is the field that the next release's version of the balances has beside those of
// the first.
const depositedTotal = "deposited_total"

// look checks a state that somebody read, when the fold comes to it (I8).
func (d *dump) look(all *clients, found map[*call]bool) watch {
	return func(aggregate, id string, version int64, s state) {
		for _, c := range all.wanted[aggregate+"\x00"+id][version] {
			found[c] = true
			if len(c.end.Body) == 0 {
				continue
			}
			document, err := readDocument(c.end.Body)
			if err != nil {
				d.violate(Monotonic, c.where(), "the body that was read is not JSON: %v", err)
				continue
			}
			want := s.document(aggregate)
			if c.invoke.Call == history.ViewCall {
				want["account_id"], want["version"] = id, version
				// the next release's version serves
				if fields, ok := document.(map[string]any); ok && fields[depositedTotal] != nil {
					want[depositedTotal] = s.depositedTotal
				}
			}
			if difference := differ(document, want); difference != "" {
				d.violate(Monotonic, c.where(), "read version %d of %s %s as it never was: %s", version, aggregate, id, difference)
			}
		}
	}
}

// checkReads decides I8.
func (d *dump) checkReads(all *clients, found map[*call]bool) {
	reads := 0
	for _, c := range all.calls {
		if !c.isRead() {
			continue
		}
		reads++
		d.checked(Monotonic, 1)
		version, versioned := c.shown()
		if versioned && version < c.floor {
			d.violate(Monotonic, c.where(), "client %d read version %d of %s at %s after it had read %d there", c.invoke.Client, version, c.invoke.ID, c.end.Instance, c.floor)
		}
		if versioned && version > 0 && c.aggregateRead() != "" && !found[c] {
			d.violate(Monotonic, c.where(), "read version %d of %s %s, which the log does not have", version, c.aggregateRead(), c.invoke.ID)
		}
		d.checkAfter(all, c, version, versioned)
	}
	if reads == 0 {
		d.note(Monotonic, "no client read anything")
	}
}

// checkAfter checks that a read shows the write that it asked for.
func (d *dump) checkAfter(all *clients, c *call, version int64, versioned bool) {
	if c.invoke.After == "" {
		return
	}
	write := all.writes[c.invoke.After]
	if write != nil && versioned && write.invoke.Aggregate == c.aggregateRead() && write.invoke.ID == c.invoke.ID && version < write.end.Version {
		d.violate(Monotonic, c.where(), "read version %d of %s at %s after the token of op %d, which wrote version %d", version, c.invoke.ID, c.end.Instance,
			write.invoke.Number, write.end.Version)
	}
	if c.end.Status == 404 {
		return // what is not there has no position
	}
	after, ok1 := parseTokens(c.invoke.After)
	shown, ok2 := parseTokens(c.end.Position)
	if !ok1 || !ok2 {
		d.violate(Monotonic, c.where(), "token %q or position %q cannot be read", c.invoke.After, c.end.Position)
		return
	}
	source, rekeyed := c.invoke.Aggregate, false
	for _, p := range projections {
		if c.invoke.Call == history.ViewCall && p.name == c.invoke.View {
			source, rekeyed = p.source, p.rekeyed
		}
	}
	for _, want := range after {
		if want.Aggregate != source || !rekeyed && want.Partition != partitionOf(c.invoke.ID, d.run.Partitions) {
			continue // the table cannot know of it
		}
		covered := slices.ContainsFunc(shown, func(p position) bool {
			return p.Aggregate == want.Aggregate && p.Partition == want.Partition && p.Offset >= want.Offset
		})
		if !covered {
			d.violate(Monotonic, c.where(), "asked for what follows from %s, and got a state of %s", want, c.end.Position)
		}
	}
}
