package torture

import (
	"bufio"
	"io"
	"os"
	"regexp"
	"strings"
)

// What an instance's log may say that somebody should look at.
var (
	panicked = regexp.MustCompile(`^(panic: |fatal error: |WARNING: DATA RACE)`)
	message  = regexp.MustCompile(`level=ERROR msg=("(?:[^"\\]|\\.)*"|\S+)`)
)

// readLogs counts the errors in all instances' logs by their message. A crash of the program itself
// is a problem of the run.
func (r *run) readLogs() map[string]int {
	errors := map[string]int{}
	for _, i := range r.system.Instances() {
		file, err := os.Open(r.system.LogFile(i.Name))
		if err != nil {
			continue // it never started
		}
		for _, crash := range readLog(file, errors) {
			r.problem("%s crashed: %s, see %s", i.Name, crash, r.system.LogFile(i.Name))
		}
		_ = file.Close() // it was only read
	}
	return errors
}

// readLog adds a log's errors, and returns its lines that say that the program itself crashed.
func readLog(log io.Reader, errors map[string]int) (crashes []string) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		if panicked.MatchString(lines.Text()) {
			crashes = append(crashes, lines.Text())
		}
		if match := message.FindStringSubmatch(lines.Text()); match != nil {
			errors[strings.TrimSuffix(strings.TrimPrefix(match[1], `"`), `"`)]++
		}
	}
	return crashes
}
