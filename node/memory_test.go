package node

import (
	"log/slog"
	"math"
	"runtime/debug"
	"testing"

	"github.com/foldlog/foldlog/devcluster"
)

// A process that is given memory keeps a part of it, and tells the runtime. An embedded broker
// keeps its log in memory, so a node with one takes no limit on its own.
func TestPlanMemory(t *testing.T) {
	unlimited := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(unlimited) })
	plan := func(options Options) (share, limit int64) {
		debug.SetMemoryLimit(math.MaxInt64)
		options.Logger = slog.New(slog.DiscardHandler)
		n := &node{options: options, log: options.Logger}
		share = n.planMemory()
		return share, debug.SetMemoryLimit(-1)
	}
	if share, limit := plan(Options{Memory: 512 << 20, Roles: []string{RoleProcessor}}); share != 256<<20 || limit > 512<<20 || limit < 400<<20 {
		t.Errorf("a processor with 512 MiB: %d, limit %d", share, limit)
	}
	if share, _ := plan(Options{Memory: 512 << 20, Roles: Roles()}); share != 128<<20 {
		t.Errorf("all roles with 512 MiB: %d", share)
	}
	if share, _ := plan(Options{Memory: 1, Roles: []string{RoleProcessor}}); share != leastMemory/2 {
		t.Errorf("with a byte: %d", share)
	}
	if share, limit := plan(Options{Roles: Roles(), Embedded: &devcluster.Config{}}); share != 0 || limit != math.MaxInt64 {
		t.Errorf("with an embedded broker: %d, limit %d", share, limit)
	}
	debug.SetMemoryLimit(1 << 30)
	n := &node{options: Options{Memory: 512 << 20}, log: slog.New(slog.DiscardHandler)}
	if n.planMemory(); debug.SetMemoryLimit(-1) != 1<<30 {
		t.Error("GOMEMLIMIT is overridden")
	}
}
