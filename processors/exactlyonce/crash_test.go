package exactlyonce

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// points are all places, in the order in which an undisturbed run first reaches them.
var points = []string{
	pointOneIDInitialised, pointInitialised, pointSetup, pointRestore, pointRestored, pointFetched, pointDecided,
	pointBeforeTransaction, pointProduced, pointOffsets, pointAfterTransaction, pointApplied, pointFlushed,
	pointCleanup, pointBetweenGenerations, pointBeforeLeave,
}

func TestCrashAtEveryPoint(t *testing.T) {
	t.Parallel()
	for _, point := range points {
		for _, hit := range []int64{1, 7} {
			if hit > 1 && (point == pointOneIDInitialised || point == pointInitialised || point == pointSetup || point == pointRestored ||
				point == pointCleanup || point == pointBetweenGenerations || point == pointBeforeLeave || point == pointRestore) {
				continue // they come once
			}
			t.Run(point+map[bool]string{true: "-later"}[hit > 1], func(t *testing.T) {
				w := newWorld(t, 3)
				w.send(300, 20)
				victim := w.spawn("a", func(c *childConfig) { c.Point, c.Hit = point, hit })
				crash(w, victim)
				w.send(300, 20)
				next := w.spawn("a")
				w.awaitHandled()
				next.terminate()
				w.check()
			})
		}
	}
}

// crash brings a process to the point where it kills itself, whatever that takes.
func crash(w *world, victim *process) {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for sent := 0; !victim.exited(100 * time.Millisecond); {
		switch {
		case time.Now().After(deadline):
			w.t.Fatal("the process never came to its point")
		case sent < 20:
			w.send(10, 20)
			sent++
		case sent == 20: // a rebalance
			other := w.start("b")
			w.awaitRecovered(other)
			mustNotFail(w.t, other.stop())
			sent++
		default:
			victim.signal(syscall.SIGTERM)
		}
	}
	if !victim.killed() {
		w.t.Fatalf("the process ended otherwise: %v", victim.err)
	}
}

func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 12 {
		p := w.spawn("a")
		for begin, life := time.Now(), time.Duration(random.IntN(700)+100)*time.Millisecond; time.Since(begin) < life; {
			w.send(50+random.IntN(200), 30)
		}
		p.kill()
	}
	p := w.spawn("a")
	began := time.Now()
	w.awaitHandled()
	t.Logf("%d commands, the rest of them in %s", w.sent.Load(), time.Since(began))
	p.terminate()
	w.check()
}

func TestTwoProcessesKilledInTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	a, b := w.spawn("a"), w.spawn("b")
	for i := range 4 {
		for range 10 {
			w.send(100, 40)
		}
		if i%2 == 0 {
			a.kill()
			a = w.spawn("a")
		} else {
			b.kill()
			b = w.spawn("b")
		}
	}
	w.awaitHandled()
	a.terminate()
	b.terminate()
	w.check()
}

// A member that is killed and does not come back is replaced after its session.
func TestSuccessorTakesOverFromTheDead(t *testing.T) {
	w := newWorld(t, 4)
	// inside a transaction, offsets and all
	victim := w.spawn("a", func(c *childConfig) { c.Point, c.Hit = pointOffsets, 5 })
	for sent := 0; !victim.exited(20*time.Millisecond) && sent < 1000; sent++ {
		w.send(20, 40)
	}
	<-victim.done
	died := time.Now()
	heir := w.start("b")
	w.awaitHandled(heir)
	stall := time.Since(died)
	t.Logf("all was handled %s after the death, with a session of 6 s", stall)
	if stall > 6*time.Second+5*time.Second {
		t.Errorf("the stall was %s; the dead owner's transaction was waited for", stall)
	}
	mustNotFail(t, heir.stop())
	w.check()
}

// A frozen member is replaced; when it wakes up inside a transaction, the group refuses its
// offsets.
func TestFrozenMemberWakesUpInsideATransaction(t *testing.T) {
	t.Parallel()
	for _, point := range []string{pointProduced, pointOffsets, pointBeforeTransaction, pointDecided} {
		t.Run(point, func(t *testing.T) {
			t.Parallel() // they mostly wait
			w := newWorld(t, 4)
			zombie := w.spawn("a", func(c *childConfig) { c.Point, c.Hit, c.Freeze = point, 40, true })
			w.eventually(60*time.Second, "the process to freeze", func() error {
				w.send(10, 40)
				return zombie.frozen()
			})
			heir := w.start("b")
			w.awaitHandled(heir)
			w.send(500, 40)
			zombie.signal(syscall.SIGCONT)
			w.send(500, 40)
			w.awaitHandled(heir)
			zombie.terminate()
			mustNotFail(t, heir.stop())
			w.check()
		})
	}
}
