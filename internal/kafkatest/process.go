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

// Process is a program that can be killed, frozen and booted again, time after time. It dies with
// this process where the system can do that. Its methods may be called by several goroutines at
// once.
type Process struct {
	name    string
	logFile string
	command func() *exec.Cmd

	mu     sync.Mutex
	cmd    *exec.Cmd // nil before the first boot
	ended  chan struct{}
	frozen bool
	asked  bool // somebody wanted it to end
}

// NewProcess returns a process that does not run yet. The name is for errors; the command is asked
// for at each boot, and its standard output and error are appended to the log file.
func NewProcess(name, logFile string, command func() *exec.Cmd) *Process {
	return &Process{name: name, logFile: logFile, command: command}
}

// Boot starts the program. It returns an error if it runs already.
func (p *Process) Boot() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return fmt.Errorf("boot %s: it runs already", p.name)
	}
	output, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("boot %s: %w", p.name, err)
	}
	defer func() { _ = output.Close() }() // the program has its own
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = dieWithParent()
	if err := onLastingThread(cmd.Start); err != nil {
		return fmt.Errorf("boot %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // what it ended with is in cmd.ProcessState
		close(ended)
	}()
	p.cmd, p.ended, p.frozen, p.asked = cmd, ended, false, false
	return nil
}

// running is called with the lock.
func (p *Process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Running says whether the program runs, frozen or not.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running()
}

// Responsive says whether the program runs and is not frozen.
func (p *Process) Responsive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running() && !p.frozen
}

// Died returns an error if the program ended although nobody asked it to.
func (p *Process) Died() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.running() || p.asked {
		return nil
	}
	return fmt.Errorf("%s ended by itself: %s; the end of %s:\n%s", p.name, p.cmd.ProcessState, p.logFile, p.LogTail())
}

// LogTail returns the end of the log file.
func (p *Process) LogTail() string {
	file, err := os.Open(p.logFile)
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

// Kill ends the program at once, as a power failure would, and returns once it is gone.
func (p *Process) Kill() error {
	if err := p.signal("kill", syscall.SIGKILL, func() { p.asked, p.frozen = true, false }); err != nil {
		return err
	}
	<-p.Ended() // SIGKILL cannot be refused
	return nil
}

// Stop asks the program to end and returns once it is gone, or with an error when ctx ends before.
// A frozen one is thawed first.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.signal("stop", signalThaw, func() { p.asked, p.frozen = true, false }); err != nil {
		return err
	}
	if err := p.signal("stop", syscall.SIGTERM, func() {}); err != nil {
		return err
	}
	select {
	case <-p.Ended():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: it has not ended: %w; the end of %s:\n%s", p.name, ctx.Err(), p.logFile, p.LogTail())
	}
}

// Freeze holds the program still: its connections stay open and nothing answers.
func (p *Process) Freeze() error { return p.signal("freeze", signalFreeze, func() { p.frozen = true }) }

// Thaw lets a frozen program go on.
func (p *Process) Thaw() error { return p.signal("thaw", signalThaw, func() { p.frozen = false }) }

func (p *Process) signal(what string, signal os.Signal, then func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return fmt.Errorf("%s %s: it is not running", what, p.name)
	}
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s %s: %w", what, p.name, err)
	}
	then()
	return nil
}

// Ended returns a channel that is closed when the program of the last boot has ended. It must have
// been booted.
func (p *Process) Ended() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// ExitCode returns what the program of the last boot ended with: -1 when it runs, was never booted,
// or was ended by a signal.
func (p *Process) ExitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.running() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// Close ends the program if it runs.
func (p *Process) Close() error {
	p.mu.Lock()
	running := p.running()
	p.mu.Unlock()
	if !running {
		return nil
	}
	if err := p.Kill(); err != nil && p.Responsive() {
		return err
	}
	return nil
}

// Usage returns what the running program uses.
func (p *Process) Usage() (Usage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return Usage{}, fmt.Errorf("usage of %s: it is not running", p.name)
	}
	usage, err := usageOf(p.cmd.Process.Pid)
	if err != nil {
		return Usage{}, fmt.Errorf("usage of %s: %w", p.name, err)
	}
	return usage, nil
}

// lastingThread runs functions on one thread of the operating system that lives as long as the
// process. On Linux a child with a parent death signal gets it when the *thread* that started it
// ends, which with goroutines may be long before the process does.
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

// quickStart keeps Java from optimising: what runs for seconds is compiled longer than it runs.
const quickStart = "-XX:TieredStopAtLevel=1"

// javaEnvironment is what a Java program gets of our environment, without the settings that it
// would take as its own, plus more.
func javaEnvironment(java string, more []string) []string {
	env := []string{"JAVA_HOME=" + filepath.Dir(filepath.Dir(java))}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return append(env, more...)
}
