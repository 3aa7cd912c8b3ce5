package kafkatest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dieWithParent makes the kernel kill the child when this process ends in whatever way. The child
// has a process group of its own, so that an interrupt from the terminal reaches this process
// alone, which then decides.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// usageOf reads what the kernel accounts to the process, see proc(5).
func usageOf(pid int) (Usage, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Usage{}, err
	}
	// The second field is the program's name in parentheses, which may contain spaces; behind it
	// comes field 3.
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const user, system, resident = 14 - 3, 15 - 3, 24 - 3
	if len(fields) <= resident {
		return Usage{}, fmt.Errorf("unexpected form of /proc/%d/stat: %q", pid, text)
	}
	var values [3]int64
	for i, field := range []int{user, system, resident} {
		if values[i], err = strconv.ParseInt(fields[field], 10, 64); err != nil {
			return Usage{}, fmt.Errorf("field %d of /proc/%d/stat: %w", field+3, pid, err)
		}
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	return Usage{CPU: time.Duration(values[0]+values[1]) * tick, Memory: values[2] * int64(os.Getpagesize())}, nil
}
