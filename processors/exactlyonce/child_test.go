package exactlyonce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// childEnv holds a childConfig if the test binary is to be a process that runs an instance.
const childEnv = "FOLDLOG_TEST_CHILD"

type childConfig struct {
	Brokers    []string
	Name       string
	Partitions int
	Dir        string
	Instance   string
	// Point is where the process kills itself, at the given hit.
	Point string
	Hit   int64
	// Freeze is where it stops itself instead, as by SIGSTOP.
	Freeze bool
}

// child is the main function of such a process.
func child() {
	var c childConfig
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	w := &world{brokers: c.Brokers, name: c.Name, partitions: c.Partitions, dir: c.Dir}
	config := w.config(c.Instance)
	var hits atomic.Int64
	config.point = func(name string) {
		if name == c.Point && hits.Add(1) == c.Hit {
			sig := syscall.SIGKILL
			if c.Freeze {
				sig = syscall.SIGSTOP
			}
			_ = syscall.Kill(os.Getpid(), sig)
			if !c.Freeze {
				select {}
			}
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		runner, err := New(w.group(), config)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := runner.Run(ctx); err != nil {
			fmt.Fprintln(os.Stderr, c.Instance, err)
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// process is an instance in a process of its own.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error
}

func (w *world) spawn(instance string, change ...func(*childConfig)) *process {
	w.t.Helper()
	c := childConfig{Brokers: w.brokers, Name: w.name, Partitions: w.partitions, Dir: w.dir, Instance: instance}
	for _, f := range change {
		f(&c)
	}
	data, err := json.Marshal(c)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &process{t: w.t, cmd: exec.Command(os.Args[0]), done: make(chan struct{}), log: filepath.Join(w.dir, fmt.Sprintf("%s-%d.log", instance, time.Now().UnixNano()))}
	out, err := os.Create(p.log)
	if err != nil {
		w.t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(data))
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		_ = out.Close()
		close(p.done)
	}()
	w.t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
		if w.t.Failed() {
			text, _ := os.ReadFile(p.log)
			w.t.Logf("what %s said:\n%s", instance, text)
		}
	})
	return p
}

func (p *process) signal(sig syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(sig)
	}
}

// exited waits for the process's end.
func (p *process) exited(patience time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(patience):
		return false
	}
}

// kill ends the process without a warning.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// terminate ends the process in good order.
func (p *process) terminate() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if !p.exited(60 * time.Second) {
		p.signal(syscall.SIGQUIT)
		<-p.done
		p.t.Errorf("the process did not end within a minute of SIGTERM")
		return
	}
	if p.err != nil {
		p.t.Errorf("the process did not end in good order: %v", p.err)
	}
}

// killed reports whether the process was killed.
func (p *process) killed() bool {
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// frozen returns an error until the process is stopped, as by SIGSTOP.
func (p *process) frozen() error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return err
	}
	if _, after, ok := strings.Cut(string(stat), ") "); !ok || !strings.HasPrefix(after, "T") {
		return errors.New("it runs")
	}
	return nil
}
