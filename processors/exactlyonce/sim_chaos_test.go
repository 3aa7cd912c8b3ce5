package exactlyonce

import (
	"slices"
	"time"
)

// simFaults is how often, of a thousand steps, what happens in a run. Each seed has its own
// mixture.
type simFaults struct {
	markers, crash, steal, pause, expire, compact int
	// of a thousand requests, and of as many answers
	lost       int
	damage     int // of a thousand restarts
	recreateAt int // step; 0: never
	// steps, at most, that a member is paused whose session ends
	asleep int
	away   int // days that pass
	// step at which one does, while a member sleeps; 0: none
	dayAt int
}

func (s *sim) chooseFaults() {
	often := func(most int) int { // a third of the seeds has none
		if s.rng.IntN(3) == 0 {
			return 0
		}
		return 1 + s.rng.IntN(most)
	}
	s.faults = simFaults{markers: 20 + s.rng.IntN(350), crash: often(12), steal: often(8), pause: often(8), expire: often(4), compact: often(20),
		lost: often(30), damage: often(300), asleep: 200}
	if s.rng.IntN(4) == 0 {
		// Deletions matter to who is away for long: members are gone for longer, too.
		s.faults.away, s.faults.steal, s.faults.asleep = 2+s.rng.IntN(6), 2+s.rng.IntN(6), 600
	}
	if s.rng.IntN(12) == 0 {
		s.faults.recreateAt = 50 + s.rng.IntN(200)
	}
}

// chaos is what happens beside the processes, before each step.
func (s *sim) chaos() {
	f := &s.faults
	die := s.rng.IntN(2000) // one throw decides which of them happens, if any
	happens := func(permille int) bool {
		was := die
		die -= 2 * permille
		return was >= 0 && die < 0
	}
	if happens(f.markers) {
		s.brokers.progress()
	}
	if happens(s.clients.pace) {
		s.clients.send()
	}
	if s.brokers.group.state == groupCompleting && happens(200) {
		s.brokers.group.plan(s.clients.world.partitions)
	}
	for _, i := range s.instances {
		if i.process == nil && s.step >= i.restartAt {
			i.start(s)
		}
	}
	if s.step%16 == 0 {
		for _, t := range s.brokers.txnOrder {
			if t.state == txnOngoing && s.step-t.began > 500 {
				s.stats.timeouts++
				s.brokers.expire(t)
			}
		}
		s.dropSilent()
	}
	if s.healed {
		return
	}
	if happens(f.crash) {
		if i := s.instances[s.rng.IntN(len(s.instances))]; i.process != nil {
			s.stats.crashes++
			s.crash(i)
		}
	}
	if members := s.brokers.group.members; happens(f.steal) && len(members) > 1 {
		// A member is paused for longer than its session, and others take its partitions over.
		m := members[s.rng.IntN(len(members))]
		for _, i := range s.instances {
			if i.name == m.instance && i.process != nil {
				i.process.pausedUntil = s.step + s.rng.IntN(f.asleep)
				if f.away > 0 && f.dayAt == 0 && s.chance(500) {
					f.dayAt = s.step + 50 + s.rng.IntN(300)
					i.process.pausedUntil = f.dayAt + s.rng.IntN(100)
				}
			}
		}
		s.stats.steals++
		s.log("the session of %s ends", m.id)
		s.brokers.group.remove(m)
	}
	if happens(f.pause) {
		if i := s.instances[s.rng.IntN(len(s.instances))]; i.process != nil {
			i.process.pausedUntil = s.step + s.rng.IntN(100)
		}
	}
	if happens(f.expire) && len(s.brokers.txnOrder) > 0 {
		if t := s.brokers.txnOrder[s.rng.IntN(len(s.brokers.txnOrder))]; t.state == txnOngoing {
			s.stats.timeouts++
			s.brokers.expire(t)
		}
	}
	if happens(f.compact) {
		table := s.brokers.topics[s.clients.world.table()]
		table.partitions[s.rng.IntN(len(table.partitions))].compact()
	}
	if (happens(f.away) || f.dayAt > 0 && s.step >= f.dayAt) && !s.restoring() {
		f.dayAt = 0
		s.log("a day passes, and compaction goes over the table")
		table := s.brokers.topics[s.clients.world.table()]
		for _, p := range table.partitions {
			p.compact()
		}
		time.Sleep(simDeleteRetention + 2*time.Hour)
		for _, p := range table.partitions {
			p.compact()
		}
	}
	if f.recreateAt > 0 && s.step >= f.recreateAt {
		f.recreateAt = 0
		s.recreate()
	}
}

// restoring reports whether a process restores. Kafka promises deletions to who reads a table in
// less than delete.retention.ms; a process that freezes for a day in the middle of a restore is
// beyond that.
func (s *sim) restoring() bool {
	return slices.ContainsFunc(s.instances, func(i *simInstance) bool { return i.process != nil && i.process.restoring })
}

// crash ends a process, and sometimes its stores with it.
func (s *sim) crash(i *simInstance) {
	i.crash(s)
	for _, path := range append([]string{}, i.disk.paths...) {
		if s.chance(s.faults.damage) {
			s.stats.damaged++
			if s.chance(500) {
				s.log("%s is damaged", path)
				i.disk.databases[path].damaged = true
			} else {
				s.log("%s is lost", path)
				_ = i.disk.remove(path)
			}
		}
	}
}

// dropSilent ends the sessions of members whose process is down or stands still while the others
// wait for it.
func (s *sim) dropSilent() {
	g := &s.brokers.group
	for _, i := range s.instances {
		m := g.member(i.name)
		if m == nil || i.process != nil {
			i.silent = 0
			continue
		}
		if i.silent++; i.silent > 3 {
			s.log("the session of %s ends: it is down", m.id)
			g.remove(m)
		}
	}
	if g.state != groupPreparing {
		s.waiting = 0
	} else if s.waiting++; s.waiting > 30 { // the rebalance timeout
		for _, m := range append([]*simMember{}, g.members...) {
			if !m.joined {
				s.log("%s did not join in time", m.id)
				g.remove(m)
			}
		}
	}
}

// recreate deletes all topics and the group and makes them anew, while all is down. The stores
// remain.
func (s *sim) recreate() {
	s.log("all topics are created anew")
	s.stats.recreated++
	for _, i := range s.instances {
		if i.process != nil {
			i.crash(s)
		}
	}
	for _, t := range s.brokers.txnOrder {
		t.state, t.parts, t.offsets = txnEmpty, nil, false
	}
	for _, t := range append([]*simTopic{}, s.brokers.order...) {
		if s.brokers.topics[t.name] == t {
			s.brokers.create(t.name, len(t.partitions))
		}
	}
	s.brokers.group.init(s)
	s.clients.past = nil
	s.clients.left += 10
}
