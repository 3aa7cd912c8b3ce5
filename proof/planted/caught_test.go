//go:build planted

package planted

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long one run of a test may take. A bug that shows only by a test that does not
// end is not caught.
const patience = 90 * time.Second

// TestEveryBugIsCaught runs each row of the table without its bug, which must pass, and with it,
// which must fail with the row's words. It prints the table.
func TestEveryBugIsCaught(t *testing.T) {
	binaries := compile(t)
	declared := declarations(t)
	rows := make([]string, len(table))
	t.Run("rows", func(t *testing.T) {
		var sound sync.Map // what a run without a bug gave, by what was run
		for i, c := range table {
			broker := map[bool]string{true: "Apache Kafka", false: "the embedded broker"}[c.kafka]
			t.Run(fmt.Sprintf("%s on %s", c.bug, broker), func(t *testing.T) {
				t.Parallel()
				verdict := "NOT CAUGHT"
				t.Cleanup(func() {
					test := strings.NewReplacer("^", "", "$", "").Replace(c.run)
					rows[i] = fmt.Sprintf("| %s | %s | `%s` of %s, on %s | %s |", c.bug, declared[c.bug].breaks, test, c.room, broker, verdict)
				})
				if c.kafka && os.Getenv("FOLDLOG_TEST_KAFKA") != "1" {
					verdict = "SKIPPED: FOLDLOG_TEST_KAFKA=1 runs it"
					t.Skip("it needs Apache Kafka: set FOLDLOG_TEST_KAFKA=1")
				}
				without, _ := sound.LoadOrStore(fmt.Sprint(c.room, c.run, c.kafka), sync.OnceValue(func() error { return passes(c, binaries[c.room]) }))
				if err := without.(func() error)(); err != nil {
					t.Fatalf("without the bug: %v", err)
				}
				began := time.Now()
				output, err := run(c, c.bug, binaries[c.room])
				took := time.Since(began)
				switch failed := (*exec.ExitError)(nil); {
				case err == nil:
					t.Fatalf("the test passes with the bug:\n%s", output)
				case !errors.As(err, &failed):
					t.Fatal(err)
				case bytes.Contains(output, []byte("panic: ")) || bytes.Contains(output, []byte("fatal error: ")):
					t.Fatalf("the test ran out of time or crashed, which says nothing:\n%s", tail(output))
				case !regexp.MustCompile(c.says).Match(output):
					t.Fatalf("the test fails, but does not say %q:\n%s", c.says, tail(output))
				}
				verdict = fmt.Sprintf("%.1f s", took.Seconds())
			})
		}
	})
	// of a part that -run chose
	rows = slices.DeleteFunc(rows, func(row string) bool { return row == "" })
	fmt.Printf("\n| bug | what it breaks | caught by | after |\n|---|---|---|---|\n%s\n\n", strings.Join(rows, "\n"))
}

// compile returns each package's test binary.
func compile(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	binaries := map[string]string{}
	for _, c := range table {
		if binaries[c.room] != "" {
			continue
		}
		binary := filepath.Join(dir, strings.ReplaceAll(c.room, "/", "-")+".test")
		cmd := exec.Command("go", "test", "-c", "-tags", "planted", "-o", binary, "./"+c.room)
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("compile the tests of %s: %v\n%s", c.room, err, out)
		}
		binaries[c.room] = binary
	}
	return binaries
}

// passes runs a row's test without a bug.
func passes(c catch, binary string) error {
	output, err := run(c, "", binary)
	switch {
	case err != nil:
		return fmt.Errorf("%w:\n%s", err, tail(output))
	case !bytes.Contains(output, []byte("--- PASS: ")) || bytes.Contains(output, []byte("--- SKIP: ")):
		return fmt.Errorf("no test ran:\n%s", tail(output))
	}
	return nil
}

// run runs a row's test with a bug, or none.
func run(c catch, bug Bug, binary string) ([]byte, error) {
	cmd := exec.Command(binary, "-test.v", "-test.run", c.run, "-test.timeout", patience.String())
	cmd.Dir = filepath.Join("../..", c.room)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "FOLDLOG_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, "FOLDLOG_PLANTED="+string(bug))
	if c.kafka {
		cmd.Env = append(cmd.Env, "FOLDLOG_TEST_KAFKA=1", "FOLDLOG_REQUIRE_KAFKA=1")
	}
	return cmd.CombinedOutput()
}

// tail returns the end of an output.
func tail(output []byte) []byte {
	const most = 4 << 10
	return output[max(len(output)-most, 0):]
}
