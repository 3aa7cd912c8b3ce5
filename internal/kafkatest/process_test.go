//go:build unix

package kafkatest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestProcessIsKilledFrozenAndBootedAgain(t *testing.T) {
	c := sleeper(t.TempDir())
	if err := c.Kill(); err == nil {
		t.Error("killed a process that was never started")
	}
	if err := c.Boot(); err != nil {
		t.Fatal(err)
	}
	if err := c.Boot(); err == nil {
		t.Error("booted a process that runs")
	}
	if err := c.Freeze(); err != nil || c.Responsive() {
		t.Fatalf("freeze: %v, responsive %v", err, c.Responsive())
	}
	if err := c.Stop(t.Context()); err != nil || c.Responsive() {
		t.Fatalf("stop a frozen child: %v, responsive %v", err, c.Responsive())
	}
	if err := c.Boot(); err != nil || !c.Responsive() {
		t.Fatalf("boot after stop: %v, responsive %v", err, c.Responsive())
	}
	if err := c.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil || c.Responsive() {
		t.Fatalf("close a frozen child: %v, responsive %v", err, c.Responsive())
	}
	if err := c.Died(); err != nil {
		t.Errorf("a process that was asked to end is said to have died: %v", err)
	}
}

func TestProcessThatDiesTellsTheEndOfItsLog(t *testing.T) {
	c := NewProcess("complainer", filepath.Join(t.TempDir(), "log"), func() *exec.Cmd {
		return exec.Command("sh", "-c", "echo out of luck; exit 7")
	})
	if err := c.Boot(); err != nil {
		t.Fatal(err)
	}
	<-c.Ended()
	if code := c.ExitCode(); code != 7 {
		t.Errorf("exit code %d", code)
	}
	err := c.Died()
	if err == nil {
		t.Fatal("nothing said about a process that died")
	}
	for _, want := range []string{"complainer", "exit status 7", "out of luck"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestNoProcessOutlivesItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux kills the processren of a process that was killed")
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), orphanMaker+"="+t.TempDir())
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = parent.Wait() }()
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	orphan := filepath.Join("/proc", strings.TrimSpace(line))
	if !isDir(orphan) {
		t.Fatalf("%s: the process does not run", orphan)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := poll(ctx, "wait for the process's end", func(context.Context) error {
		// a zombie waits for init
		if state, err := os.ReadFile(filepath.Join(orphan, "stat")); err == nil && !strings.Contains(string(state), ") Z ") {
			return fmt.Errorf("still there: %s", state)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
