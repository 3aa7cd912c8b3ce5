package interop

import (
	"strconv"
	"strings"
	"testing"

	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
)

// testArchive exports the log, and compares what a program that knows nothing of Foldlog makes of
// the files with the ledger.
func (s *system) testArchive(t *testing.T) {
	start, dir := python(t), t.TempDir()
	exported := clitest.Run(t, bankapp.App(), "export", "--out", dir, "--brokers", strings.Join(s.brokers, ","), "--registry", s.registry,
		"--partitions", strconv.Itoa(partitions), "--replication-factor", "1")
	if exported.Code != cli.ExitOK {
		t.Fatalf("%+v", exported)
	}
	compare(t, parse[ledger](t, s.run(t, start, nil, "archived.py", dir)), s.ledger(t))
}
