package clitest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foldlog/foldlog/cli"
)

// startTimeout bounds how long a system may take to be ready.
const startTimeout = time.Minute

// Result is what a command line gave.
type Result struct {
	Code     int
	Out, Err string
}

// Run runs a command line to its end.
func Run(t testing.TB, app cli.App, args ...string) Result {
	t.Helper()
	return RunInput(t, app, "", args...)
}

// RunInput is [Run] with text on standard input.
func RunInput(t testing.TB, app cli.App, input string, args ...string) Result {
	t.Helper()
	var out, stderr bytes.Buffer
	code := cli.Run(t.Context(), app, args, strings.NewReader(input), &out, &stderr)
	return Result{Code: code, Out: out.String(), Err: stderr.String()}
}

// System is an app's dev command running in the test's process.
type System struct {
	// HTTP, Registry and Brokers are the addresses that it listens on.
	HTTP     string   `json:"http"`
	Registry string   `json:"registry"`
	Brokers  []string `json:"brokers"`
	// Instance is the name of the process.
	Instance string `json:"instance"`

	t      testing.TB
	app    cli.App
	cancel context.CancelFunc
	exited chan int
	once   sync.Once
	code   int
	log    *lockedBuffer
}

// Start runs dev on a data directory, with more arguments, until [System.Stop] or the end of the
// test. It returns once the system is ready.
func Start(t testing.TB, app cli.App, dataDir string, args ...string) *System {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &System{t: t, app: app, cancel: cancel, exited: make(chan int, 1), log: &lockedBuffer{}}
	reader, writer := io.Pipe()
	line := append([]string{
		"dev", "--json", "--data-dir", dataDir, "--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--registry-listen", "127.0.0.1:0",
	}, args...)
	go func() {
		s.exited <- cli.Run(ctx, app, line, strings.NewReader(""), writer, s.log)
		_ = writer.Close()
	}()
	t.Cleanup(func() { s.Stop() })
	ready := make(chan error, 1)
	go func() {
		ready <- json.NewDecoder(reader).Decode(s)
		_, _ = io.Copy(io.Discard, reader)
	}()
	select {
	case err := <-ready:
		if err != nil {
			t.Fatalf("dev did not start: exit %d\n%s", s.Stop(), s.log)
		}
	case <-time.After(startTimeout):
		t.Fatalf("dev was not ready within %s\n%s", startTimeout, s.log)
	}
	return s
}

// Stop drains the system as SIGTERM does and returns its exit code. Further calls return the same
// code.
func (s *System) Stop() int {
	s.cancel()
	s.once.Do(func() { s.code = <-s.exited })
	return s.code
}

// Run runs a command line of the same app with this system's --url. Use [System.Kafka] for commands
// that talk to Kafka.
func (s *System) Run(args ...string) Result {
	s.t.Helper()
	return Run(s.t, s.app, append(args, "--url", s.HTTP)...)
}

// Kafka runs a command line of the same app with this system's --brokers.
func (s *System) Kafka(args ...string) Result {
	s.t.Helper()
	return Run(s.t, s.app, append(args, "--brokers", strings.Join(s.Brokers, ","))...)
}

// Log returns what the system has written to standard error so far.
func (s *System) Log() string { return s.log.String() }

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
