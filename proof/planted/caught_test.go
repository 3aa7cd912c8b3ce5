package planted

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var plant = flag.Bool("plant", false, "build and run the tests of every bug, which takes minutes")

// patience is how long one run of a test may take. A bug that shows only by a test that does not
// end is not caught.
const patience = 90 * time.Second

// TestEveryBugIsCaught runs each catch without its bug, which must pass, and with it, which must
// fail with the catch's words. It prints the table.
func TestEveryBugIsCaught(t *testing.T) {
	if !*plant {
		t.Skip("it takes minutes: -plant runs it")
	}
	sound := &sound{dir: t.TempDir()}
	bugs := Bugs()
	rows := make([][]string, len(bugs))
	t.Run("bugs", func(t *testing.T) {
		for i, bug := range bugs {
			t.Run(bug.Name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				for _, c := range bug.Caught {
					verdict := "NOT CAUGHT"
					t.Run(fmt.Sprintf("%s on %s", testName(c), c.broker()), func(t *testing.T) {
						if c.Kafka && os.Getenv("FOLDLOG_TEST_KAFKA") != "1" {
							verdict = "SKIPPED: FOLDLOG_TEST_KAFKA=1 runs it"
							t.Skip("it needs Apache Kafka: set FOLDLOG_TEST_KAFKA=1")
						}
						if err := sound.check(c); err != nil {
							t.Fatalf("without the bug: %v", err)
						}
						binary, err := compile(dir, c.Room, bug.Plant)
						if err != nil {
							t.Fatal(err)
						}
						took, err := catches(c, binary)
						if err != nil {
							t.Fatal(err)
						}
						verdict = fmt.Sprintf("%.1f s", took.Seconds())
					})
					rows[i] = append(rows[i], fmt.Sprintf("| %s | %s | `%s` of %s, on %s | %s |", bug.Name, bug.Breaks,
						strings.NewReplacer("^", "", "$", "").Replace(c.Test), c.Room, c.broker(), verdict))
				}
			})
		}
	})
	fmt.Printf("\n| bug | what it breaks | caught by | after |\n|---|---|---|---|\n%s\n\n", strings.Join(slices.Concat(rows...), "\n"))
}

func (c Catch) broker() string {
	if c.Kafka {
		return "Apache Kafka"
	}
	return "the embedded broker"
}

// compile returns the test binary of a package with replacements. It keeps the binary in dir, so
// calls with the same dir must have the same replacements.
func compile(dir, room string, replacements []Replacement) (string, error) {
	binary := filepath.Join(dir, path.Base(room)+".test")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	overlay, err := Overlay(root, dir, replacements)
	if err != nil {
		return "", err
	}
	// without debugging data the linker is quicker
	cmd := exec.Command("go", "test", "-c", "-overlay", overlay, "-ldflags", "-s -w", "-o", binary, "./"+room)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile the tests of %s: %w\n%s", room, err, out)
	}
	return binary, nil
}

// catches returns how long a test with its bug took to fail with the right words.
func catches(c Catch, binary string) (time.Duration, error) {
	began := time.Now()
	output, err := run(c, binary)
	took := time.Since(began)
	switch failed := (*exec.ExitError)(nil); {
	case err == nil:
		return took, fmt.Errorf("the test passes with the bug:\n%s", output)
	case !errors.As(err, &failed):
		return took, err
	case bytes.Contains(output, []byte("panic: ")) || bytes.Contains(output, []byte("fatal error: ")):
		return took, fmt.Errorf("the test ran out of time or crashed, which says nothing:\n%s", tail(output))
	case !regexp.MustCompile(c.Says).Match(output):
		return took, fmt.Errorf("the test fails, but does not say %q:\n%s", c.Says, tail(output))
	}
	return took, nil
}

// sound runs tests without a bug, each once.
type sound struct {
	dir     string
	mu      sync.Mutex // held while compiling
	results sync.Map   // func() error, by catch without what it says
}

func (s *sound) check(c Catch) error {
	c.Says = ""
	result, _ := s.results.LoadOrStore(c, sync.OnceValue(func() error {
		s.mu.Lock()
		binary, err := compile(s.dir, c.Room, nil)
		s.mu.Unlock()
		if err != nil {
			return err
		}
		output, err := run(c, binary)
		switch {
		case err != nil:
			return fmt.Errorf("%w:\n%s", err, tail(output))
		case !bytes.Contains(output, []byte("--- PASS: ")) || bytes.Contains(output, []byte("--- SKIP: ")):
			return fmt.Errorf("no test ran:\n%s", tail(output))
		}
		return nil
	}))
	return result.(func() error)()
}

// run runs a catch's test.
func run(c Catch, binary string) ([]byte, error) {
	cmd := exec.Command(binary, "-test.v", "-test.run", c.Test, "-test.timeout", patience.String())
	cmd.Dir = filepath.Join(root, c.Room)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "FOLDLOG_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	if c.Kafka {
		cmd.Env = append(cmd.Env, "FOLDLOG_TEST_KAFKA=1", "FOLDLOG_REQUIRE_KAFKA=1")
	}
	return cmd.CombinedOutput()
}

// tail returns the end of an output.
func tail(output []byte) []byte {
	const most = 4 << 10
	return output[max(len(output)-most, 0):]
}
