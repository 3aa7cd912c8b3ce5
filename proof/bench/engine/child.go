package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/foldlog/foldlog/internal/kafkatest"
)

// envChild makes this program a peer instead of the one that measures: it has the peer's [task] as
// JSON.
const envChild = "FOLDLOG_BENCH_TASK"

// task is all that a peer needs to know.
type task struct {
	Peer             string   `json:"peer"`
	Brokers          []string `json:"brokers"`
	Registry         string   `json:"registry,omitempty"` // of the bank alone
	Group            string   `json:"group"`
	Input            string   `json:"input"`
	Events           string   `json:"events"`
	Outcomes         string   `json:"outcomes"`
	Table            string   `json:"table"`
	DeadLetters      string   `json:"dead_letters"`
	Partitions       int      `json:"partitions"`
	EventsPerCommand int      `json:"events_per_command"`
	Dir              string   `json:"dir"`
	// Instance names one of several processes that share the work; empty if there is only one.
	Instance string `json:"instance,omitempty"`
	// Profile is a file for a CPU profile, or empty.
	Profile string `json:"profile,omitempty"`
	// ForLatency asks for settings that favour latency over throughput, if a peer has such.
	ForLatency bool           `json:"for_latency,omitempty"`
	Streams    streamsOptions `json:"streams"`
}

// event is what a peer tells about itself: a line "bench-event NAME UNIX-MILLISECONDS" on its
// standard output.
const (
	eventPrefix       = "bench-event "
	eventRunning      = "running"
	eventRestoreBegin = "restore-begin"
	eventRestoreEnd   = "restore-end"
)

func say(event string, at time.Time) { fmt.Println(eventPrefix+event, at.UnixMilli()) }

// runChild is the whole life of a peer's process.
func runChild(text string) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return fmt.Errorf("task of this process: %w", err)
	}
	p, err := peerNamed(t.Peer)
	if err != nil {
		return err
	}
	if t.Profile != "" {
		file, err := os.Create(t.Profile)
		if err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer func() { _ = file.Close() }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return p.run(ctx, t)
}

// sayWhenRecovered tells when the peer has its partitions and their state.
func sayWhenRecovered(ctx context.Context, recovered func() bool) {
	for !recovered() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
	say(eventRunning, time.Now())
}

// child is a peer's process as the measuring one sees it.
type child struct {
	*kafkatest.Process
	name    string
	log     string
	started time.Time
}

// patience is how long a peer may go without doing anything.
const patience = 90 * time.Second

func startChild(p peer, t task) (*child, error) {
	if err := os.MkdirAll(t.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("data of %s: %w", p.name, err)
	}
	t.Peer = p.name
	command, err := p.command(t)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	c := &child{name: p.name, log: filepath.Join(t.Dir, "log")}
	c.Process = kafkatest.NewProcess(p.name, c.log, command)
	c.started = time.Now()
	return c, c.Boot()
}

// itself returns the command that runs a Go peer: this program with a task.
func itself(t task) (func() *exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	return func() *exec.Cmd {
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(), envChild+"="+string(text))
		return cmd
	}, nil
}

// await waits until the peer told of an event, and returns when each telling of it was.
func (c *child) await(ctx context.Context, event string) ([]time.Time, error) {
	return c.awaitMore(ctx, event, 0)
}

// awaitMore does so if the peer has told of it before.
func (c *child) awaitMore(ctx context.Context, event string, before int) ([]time.Time, error) {
	var told []time.Time
	err := poll(ctx, 5*time.Millisecond, patience, func() (bool, error) {
		var err error
		told, err = c.told(event)
		return len(told) > before, errors.Join(err, c.Died())
	})
	if err != nil {
		return nil, fmt.Errorf("wait for %s to say %q: %w\n%s", c.name, event, err, c.LogTail())
	}
	return told, nil
}

func (c *child) told(event string) ([]time.Time, error) {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return nil, err
	}
	var all []time.Time
	for line := range bytes.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(string(line), "\n"), eventPrefix+event+" ")
		if !ok {
			continue
		}
		millis, err := strconv.ParseInt(rest, 10, 64)
		if err != nil {
			continue // half a line
		}
		all = append(all, time.UnixMilli(millis))
	}
	return all, nil
}

// restart starts a process that ended on its data, and waits until it is at work again.
func (c *child) restart(ctx context.Context) error {
	before, err := c.told(eventRunning)
	if err != nil {
		return err
	}
	if err := c.Boot(); err != nil {
		return err
	}
	_, err = c.awaitMore(ctx, eventRunning, len(before))
	return err
}

// stop lets the peer end in good order.
func (c *child) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return errors.Join(c.Died(), c.Process.Stop(ctx))
}

// poll asks until the answer is yes, an error, or none within the limit.
func poll(ctx context.Context, every, limit time.Duration, ask func() (bool, error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for deadline := time.Now().Add(limit); ; {
		if ok, err := ask(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s", limit)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
