package check

import (
	"fmt"
	"slices"

	"github.com/foldlog/foldlog/proof/history"
)

// checkAcknowledged checks that what clients were told is what the log says (I1, I10).
func (d *dump) checkAcknowledged(all *clients, executions map[string]*execution) {
	hopeful := map[string]bool{} // command keys with an operation that may have reached the log
	key := func(c *call) string { return c.invoke.Aggregate + "\x00" + commandKey(c.invoke.ID, c.invoke.CommandID) }
	for _, c := range all.calls {
		if c.invoke.Call == history.CommandCall || c.invoke.Call == history.ProduceCall {
			if !c.ended || c.end.Kind != history.Fail && !neverReached(c.end.Status) {
				hopeful[key(c)] = true
			}
		}
	}
	places := map[string]map[spot]*command{}
	for _, a := range aggregates {
		places[a] = map[spot]*command{}
		for _, c := range d.commands[a] {
			places[a][c.spot] = c
		}
	}
	calls := 0
	for _, c := range all.calls {
		x := executions[c.invoke.Aggregate]
		switch {
		case x == nil || !c.ended:
		case c.invoke.Call == history.ProduceCall:
			calls++
			d.checkProduced(c, x, places[c.invoke.Aggregate])
		case c.invoke.Call == history.CommandCall:
			calls++
			d.checkCommand(c, x, hopeful[key(c)])
		}
	}
	if calls == 0 {
		d.note(Answered, "no client's history says what it was told")
	}
}

// neverReached reports answers that say that nothing reached the log.
func neverReached(status int) bool {
	switch status {
	case 400, 404, 405, 408, 413, 415, 429, 503:
		return true
	}
	return false
}

func (d *dump) checkProduced(c *call, x *execution, places map[spot]*command) {
	if c.end.Kind != history.OK {
		return
	}
	d.checked(Answered, 1)
	at := spot{c.end.Partition, c.end.Offset}
	have := places[at]
	if at.offset < d.topics.Topics[x.commandsTopic].Start[at.partition] {
		return // past retention
	}
	key := string(c.invoke.Key)
	if c.invoke.Key == nil {
		key = c.invoke.ID
	}
	invariant := Answered
	if c.invoke.Raw != nil || c.invoke.Nil {
		invariant = DeadLettered
		d.checked(DeadLettered, 1)
	}
	switch {
	case have == nil:
		d.violate(invariant, c.where(), "the broker acknowledged the record at %s, which is not there", at.in(x.commandsTopic))
	case have.key != key,
		c.invoke.Nil && have.hasValue,
		c.invoke.Raw != nil && have.digest != digestOf(c.invoke.Raw),
		c.invoke.CommandID != "" && have.bad == "" && have.id != c.invoke.CommandID:
		d.violate(invariant, c.where(), "the record at %s is another one than was produced (key %q, command %q)", at.in(x.commandsTopic), have.key, have.id)
	}
}

// checkCommand checks the answer to a command over HTTP.
func (d *dump) checkCommand(c *call, x *execution, hopeful bool) {
	in, end := c.invoke, c.end
	key := commandKey(in.ID, in.CommandID)
	if end.Kind == history.Fail || neverReached(end.Status) {
		d.checked(Answered, 1)
		if sent := x.sent[key]; !hopeful && len(sent) > 0 {
			d.violate(Answered, c.where(), "the client was told %d %s, that nothing was written, but command %q is at %s", end.Status, end.Code, in.CommandID, sent[0].in(x.commandsTopic))
		}
		return
	}
	if end.Kind != history.OK {
		return
	}
	d.checked(Answered, 1)
	if sent := x.sent[key]; len(sent) == 0 {
		d.violate(Answered, c.where(), "%s %s answered command %q, which is not in the log", x.aggregate, in.ID, in.CommandID)
		return
	} else if !slices.ContainsFunc(sent, func(one *command) bool { return asked(x.aggregate, in, one) }) {
		d.violate(Answered, c.where(), "command %q is in the log at %s, but not as it was asked", in.CommandID, sent[0].in(x.commandsTopic))
	}
	accepted := end.Code == "" && (end.Status == 200 || end.Status == 0)
	for _, o := range x.answers[key] {
		if o.accepted != accepted || o.code != end.Code || accepted && !end.Repeat && o.repeat {
			continue
		}
		if !accepted || o.firstVersion == end.FirstVersion && o.version == end.Version && slices.Equal(o.eventIDs, end.EventIDs) {
			want := position{x.aggregate, o.command.partition, o.command.offset}
			if accepted && len(o.eventIDs) > 0 && end.Token != token(want) {
				d.violate(Answered, c.where(), "the token %q is not that of the command at %s", end.Token, want)
			}
			return
		}
	}
	told := verdict(accepted, end.Code)
	if accepted {
		told += fmt.Sprintf(", versions %d to %d, events %v", end.FirstVersion, end.Version, end.EventIDs)
	}
	d.violate(Answered, c.where(), "the client was told that command %q of %s %s was %s; no outcome says so", in.CommandID, x.aggregate, in.ID, told)
}

// asked reports whether a command in the log is what the client asked for.
func asked(aggregate string, in history.Op, c *command) bool {
	if in.Command != c.kind || (in.ExpectedVersion != nil) != c.expects || c.expects && *in.ExpectedVersion != c.expected {
		return false
	}
	p, readable := readJSONData(commandForms[aggregate][in.Command], in.Data)
	return len(in.Data) == 0 || readable && p == c.payload
}
