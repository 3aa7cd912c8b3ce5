package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
)

// child is a program that can be killed, frozen and started again with the same command, time after time. Its methods may be called by
// several goroutines at once.
type child struct {
	name    string
	logFile string
	command func() *exec.Cmd

	mu     sync.Mutex
	cmd    *exec.Cmd // nil before the first boot
	ended  chan struct{}
	frozen bool
	asked  bool // somebody wanted it to end
}

// boot starts the program. It returns an error if it runs already.
func (c *child) boot() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running() {
		return fmt.Errorf("boot %s: it runs already", c.name)
	}
	output, err := os.OpenFile(c.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("boot %s: %w", c.name, err)
	}
	defer func() { _ = output.Close() }() // the child has its own
	cmd := c.command()
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = dieWithParent()
	if err := onLastingThread(cmd.Start); err != nil {
		return fmt.Errorf("boot %s: %w", c.name, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // what it ended with is in cmd.ProcessState
		close(ended)
	}()
	c.cmd, c.ended, c.frozen, c.asked = cmd, ended, false, false
	return nil
}

// running is called with the lock.
func (c *child) running() bool {
	if c.cmd == nil {
		return false
	}
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// responsive says whether the program runs and is not frozen.
func (c *child) responsive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running() && !c.frozen
}

// died returns an error if the program ended although nobody asked it to.
func (c *child) died() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil || c.running() || c.asked {
		return nil
	}
	return fmt.Errorf("%s ended by itself: %s; the end of %s:\n%s", c.name, c.cmd.ProcessState, c.logFile, c.logTail())
}

func (c *child) logTail() string {
	file, err := os.Open(c.logFile)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	const most = 8 << 10 // tail cuts further
	if info, err := file.Stat(); err == nil && info.Size() > most {
		_, _ = file.Seek(-most, io.SeekEnd)
	}
	end, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	return tail(string(end))
}

// kill ends the program at once, as a power failure would, and returns once it is gone.
func (c *child) kill() error {
	if err := c.signal("kill", syscall.SIGKILL, func() { c.asked, c.frozen = true, false }); err != nil {
		return err
	}
	<-c.end() // SIGKILL cannot be refused
	return nil
}

// stop asks the program to end and returns once it is gone, or with an error when ctx ends before. A frozen one is thawed first.
func (c *child) stop(ctx context.Context) error {
	if err := c.signal("stop", signalThaw, func() { c.asked, c.frozen = true, false }); err != nil {
		return err
	}
	if err := c.signal("stop", syscall.SIGTERM, func() {}); err != nil {
		return err
	}
	select {
	case <-c.end():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: it has not ended: %w; the end of %s:\n%s", c.name, ctx.Err(), c.logFile, c.logTail())
	}
}

// freeze holds the program still: its connections stay open and nothing answers.
func (c *child) freeze() error { return c.signal("freeze", signalFreeze, func() { c.frozen = true }) }

// thaw lets a frozen program go on.
func (c *child) thaw() error { return c.signal("thaw", signalThaw, func() { c.frozen = false }) }

func (c *child) signal(what string, signal os.Signal, then func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return fmt.Errorf("%s %s: it is not running", what, c.name)
	}
	if err := c.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s %s: %w", what, c.name, err)
	}
	then()
	return nil
}

func (c *child) end() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// close ends the program if it runs.
func (c *child) close() error {
	c.mu.Lock()
	running := c.running()
	c.mu.Unlock()
	if !running {
		return nil
	}
	if err := c.kill(); err != nil && c.responsive() {
		return err
	}
	return nil
}

// usage returns what the running program uses.
func (c *child) usage() (Usage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return Usage{}, fmt.Errorf("usage of %s: it is not running", c.name)
	}
	usage, err := usageOf(c.cmd.Process.Pid)
	if err != nil {
		return Usage{}, fmt.Errorf("usage of %s: %w", c.name, err)
	}
	return usage, nil
}

// lastingThread runs functions on one thread of the operating system that lives as long as the process. On Linux a child with a parent
// death signal gets it when the *thread* that started it ends, which with goroutines may be long before the process does.
var lastingThread = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

func onLastingThread(start func() error) error {
	result := make(chan error, 1)
	lastingThread() <- func() { result <- start() }
	return <-result
}

// javaEnvironment is what a Java program gets of our environment, without the settings that it would take as its own, plus more.
func javaEnvironment(java string, more []string) []string {
	env := []string{"JAVA_HOME=" + filepath.Dir(filepath.Dir(java))}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return append(env, more...)
}
