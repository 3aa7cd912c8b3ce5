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

func TestChildIsKilledFrozenAndBootedAgain(t *testing.T) {
	c := sleeper(t.TempDir())
	if err := c.kill(); err == nil {
		t.Error("killed a child that was never started")
	}
	if err := c.boot(); err != nil {
		t.Fatal(err)
	}
	if err := c.boot(); err == nil {
		t.Error("booted a child that runs")
	}
	if err := c.freeze(); err != nil || c.responsive() {
		t.Fatalf("freeze: %v, responsive %v", err, c.responsive())
	}
	if err := c.stop(t.Context()); err != nil || c.responsive() {
		t.Fatalf("stop a frozen child: %v, responsive %v", err, c.responsive())
	}
	if err := c.boot(); err != nil || !c.responsive() {
		t.Fatalf("boot after stop: %v, responsive %v", err, c.responsive())
	}
	if err := c.freeze(); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil || c.responsive() {
		t.Fatalf("close a frozen child: %v, responsive %v", err, c.responsive())
	}
	if err := c.died(); err != nil {
		t.Errorf("a child that was asked to end is said to have died: %v", err)
	}
}

func TestChildThatDiesTellsTheEndOfItsLog(t *testing.T) {
	c := &child{name: "complainer", logFile: filepath.Join(t.TempDir(), "log"), command: func() *exec.Cmd {
		return exec.Command("sh", "-c", "echo out of luck; exit 7")
	}}
	if err := c.boot(); err != nil {
		t.Fatal(err)
	}
	<-c.end()
	err := c.died()
	if err == nil {
		t.Fatal("nothing said about a child that died")
	}
	for _, want := range []string{"complainer", "exit status 7", "out of luck"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestNoChildOutlivesItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux kills the children of a process that was killed")
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
		t.Fatalf("%s: the child does not run", orphan)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := poll(ctx, "wait for the child's end", func(context.Context) error {
		if state, err := os.ReadFile(filepath.Join(orphan, "stat")); err == nil && !strings.Contains(string(state), ") Z ") { // a zombie waits for init
			return fmt.Errorf("still there: %s", state)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
