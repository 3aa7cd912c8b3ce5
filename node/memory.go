package node

import (
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// leastMemory is less than any process can work with: what is smaller is a mistake.
const leastMemory = 64 << 20

// planMemory divides the memory that the process is given. A quarter is left for what nobody
// counts: connections, the program itself, garbage. Go's runtime gets nine tenths as its limit,
// beyond which it collects garbage more eagerly, unless it has one already. It returns the bytes
// that the processors may keep; 0 means their default.
func (n *node) planMemory() int64 {
	given, from := n.options.Memory, "the option"
	if given == 0 && n.options.Embedded == nil { // an embedded broker keeps its log in memory
		if limit, err := memlimit.FromCgroup(); err == nil && limit < math.MaxInt64/2 {
			given, from = int64(limit), "the control group"
		}
	}
	if given == 0 {
		return 0
	}
	given = max(given, leastMemory)
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(given / 10 * 9)
	}
	share := given / 2
	if n.has(RoleEdge) || n.has(RoleView) {
		share = given / 4 // the stores of views and the doors have the rest
	}
	n.log.Info("memory", "given_mib", given>>20, "by", from, "processors_mib", share>>20)
	return share
}
