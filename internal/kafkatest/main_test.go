package kafkatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// orphanMaker makes this test binary start a child, print its process id and hang.
const orphanMaker = "KAFKATEST_ORPHAN_MAKER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(orphanMaker); dir != "" {
		c := sleeper(dir)
		if err := c.Boot(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(c.cmd.Process.Pid)
		select {}
	}
	os.Exit(Main(m))
}

// sleeper is a child that does nothing for longer than any test takes.
func sleeper(dir string) *Process {
	return NewProcess("sleeper", filepath.Join(dir, "log"), func() *exec.Cmd { return exec.Command("sleep", "3600") })
}
