package system

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/internal/kafkatest"
)

// Roles of instances.
const (
	Processor = "processor"
	Edge      = "edge"
	View      = "view"
)

// Instance is a process of the system.
type Instance struct {
	*kafkatest.Process
	Name  string
	Roles []string
	// Addr is where it serves HTTP, Dir its data directory.
	Addr, Dir string

	system *System
	ports  *kafkatest.Ports
	client *client.Client

	mu      sync.Mutex
	args    []string
	env     []string
	planted bool
}

// Serves reports whether the instance answers commands and reads.
func (i *Instance) Serves() bool { return slices.Contains(i.Roles, Edge) }

// Processes reports whether it runs processors.
func (i *Instance) Processes() bool { return slices.Contains(i.Roles, Processor) }

// ProcessorsDir is where its processors keep their stores.
func (i *Instance) ProcessorsDir() string { return filepath.Join(i.Dir, "processors") }

// URL is the base of its HTTP interface.
func (i *Instance) URL() string { return "http://" + i.Addr }

// Arm makes the next boot crash or freeze at a place, as proof/planted/crash reads it; "" disarms.
func (i *Instance) Arm(failpoint string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.env = slices.DeleteFunc(i.env, func(v string) bool { return strings.HasPrefix(v, "FOLDLOG_FAILPOINT=") })
	i.planted = failpoint != "" || i.system.config.Planted != ""
	if failpoint != "" {
		i.env = append(i.env, "FOLDLOG_FAILPOINT="+failpoint)
	}
}

// command is what a boot runs.
func (i *Instance) command() *exec.Cmd {
	i.mu.Lock()
	defer i.mu.Unlock()
	binary := i.system.running()
	if i.planted && i.system.config.Binaries.Next == "" {
		binary = i.system.config.Binaries.Planted
	}
	cmd := exec.Command(binary, i.args...)
	cmd.Dir = i.Dir // no configuration file from elsewhere
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TZ"} {
		if value, set := os.LookupEnv(name); set {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(cmd.Env, i.env...)
	return cmd
}

// Ready asks once whether the instance is ready. The error says what it waits for.
func (i *Instance) Ready(ctx context.Context) error {
	if err := i.client.Ready(ctx); err != nil {
		return fmt.Errorf("%s: %w", i.Name, err)
	}
	return nil
}

// AwaitReady returns when the instance is ready. It fails when ctx ends, and at once when the
// process ended by itself.
func (i *Instance) AwaitReady(ctx context.Context) error {
	for {
		err := i.Ready(ctx)
		if err == nil {
			return nil
		}
		if died := i.Died(); died != nil {
			return died
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to be ready: %w (%w)", i.Name, ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Wipe removes the data directory's content. The process must not run.
func (i *Instance) Wipe() error {
	if err := os.RemoveAll(i.Dir); err != nil {
		return err
	}
	return os.MkdirAll(i.Dir, 0o700)
}

// newAsker returns a client that asks once, for what the driver wants to know.
func newAsker(url string) (*client.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	return client.New(client.Config{URL: url, Patience: -1, HTTPClient: &http.Client{Transport: transport, Timeout: 2 * time.Second}})
}
