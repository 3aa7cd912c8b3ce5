package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/foldlog/foldlog/cli"
)

// A second domain, in a module of its own, is a program with all commands. This also runs the real
// thing: a process, its signals and its exit codes.
func TestCounterExample(t *testing.T) {
	program := filepath.Join(t.TempDir(), "counter")
	build := exec.Command("go", "build", "-o", program, "./cmd/counter")
	build.Dir = filepath.Join(sourceDir, "..", "examples", "counter")
	build.Env = append(os.Environ(), "GOWORK=off")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %s\n%s\n('make tidy' keeps the example's go.mod in step)", err, text)
	}
	t.Chdir(t.TempDir())

	dev := exec.Command(program, "dev", "--json", "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--registry-listen", "127.0.0.1:0")
	var log bytes.Buffer
	dev.Stderr = &log
	out, err := dev.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := dev.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Process.Kill() })
	var where struct{ HTTP string }
	if err := json.NewDecoder(out).Decode(&where); err != nil {
		_ = dev.Process.Kill()
		_ = dev.Wait()
		t.Fatalf("dev did not start: %s\n%s", err, log.String())
	}

	counter := func(code int, args ...string) string {
		t.Helper()
		text, err := exec.Command(program, append(args, "--url", where.HTTP)...).CombinedOutput()
		if got := exitCodeOf(err); got != code {
			t.Errorf("counter %v: exit %d, want %d\n%s", args, got, code, text)
		}
		return string(text)
	}
	counter(cli.ExitOK, "send", "counter", "clicks", "increment", `{"by": 3}`)
	if text := counter(cli.ExitFinding, "send", "counter", "clicks", "decrement", `{"by": 4}`); !contains(text, "counter: ", "below_zero") {
		t.Errorf("below zero: %s", text)
	}
	if text := counter(cli.ExitOK, "state", "counter", "clicks"); !strings.Contains(text, `"value": 3`) {
		t.Errorf("state: %s", text)
	}
	counter(cli.ExitUsage, "send", "counter", "clicks", "double", `{}`)

	second, err := exec.Command(program, "dev", "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--registry-listen", "127.0.0.1:0").CombinedOutput()
	if exitCodeOf(err) != cli.ExitInfrastructure || !strings.Contains(string(second), "belongs to a running process") {
		t.Errorf("second start on the same data directory: %v\n%s", err, second)
	}

	if err := dev.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := dev.Wait(); err != nil {
		t.Errorf("after SIGTERM: %s\n%s", err, log.String())
	}
}

// exitCodeOf returns the exit code that an error of exec stands for; -1 if the program did not
// run.
func exitCodeOf(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
