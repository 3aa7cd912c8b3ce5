package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout   = time.Minute
	commandTimeout = 30 * time.Second
	awaitTimeout   = 20 * time.Second
)

// nowhere is where command lines find no system while none runs, whatever else the machine runs.
var nowhere = []string{"FOLDLOG_URL=http://127.0.0.1:1", "FOLDLOG_BROKERS=127.0.0.1:1", "FOLDLOG_REGISTRY=http://127.0.0.1:1"}

// player is a session under way.
type player struct {
	t      *testing.T
	binary string
	// home is the working directory of every process.
	home   string
	system *system
	// environment tells command lines where the system is.
	environment []string
	masks       masks
	// token is the one of the latest answer that had one; {token} in a step stands for it.
	token string
}

// system is a running dev.
type system struct {
	process        *exec.Cmd
	stdout, stderr *output
	HTTP           string   `json:"http"`
	Brokers        []string `json:"brokers"`
	Registry       string   `json:"registry"`
}

// play does the steps of a session with a binary and returns what each of them showed.
func play(t *testing.T, binary string, session []step) (shown []step) {
	p := &player{t: t, binary: binary, home: t.TempDir(), environment: nowhere}
	p.masks.add(p.home, "<home>")
	t.Cleanup(func() {
		if p.system != nil {
			_ = p.system.process.Process.Kill()
			_ = p.system.process.Wait()
			if t.Failed() {
				t.Logf("dev wrote:\n%s", p.system.stderr)
			}
		}
	})
	for _, s := range session {
		text := p.masks.apply(p.do(s))
		shown = append(shown, step{s.name, strings.Split(strings.TrimRight(text, "\n"), "\n")})
	}
	return shown
}

// do does a step. Its first line says what kind it is: a command line, a directive, or a request.
func (p *player) do(s step) string {
	p.t.Helper()
	lines := slices.Clone(s.lines)
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "# ") })
	for i, line := range lines {
		line = strings.ReplaceAll(line, "{token}", p.token)
		if p.system != nil {
			line = strings.NewReplacer("{url}", p.system.HTTP, "{registry}", p.system.Registry).Replace(line)
		}
		lines[i] = strings.ReplaceAll(line, "{big}", strings.Repeat("x", 2<<20))
	}
	if len(lines) == 0 {
		p.t.Fatalf("step %q is empty", s.name)
	}
	first := strings.Fields(lines[0])
	if first[0] == "$" {
		var shown strings.Builder
		for _, line := range lines {
			shown.WriteString(p.commandLine(line))
		}
		return shown.String()
	}
	switch first[0] {
	case "dev":
		return p.start(first[1:])
	case "stop":
		return p.stop()
	case "await":
		p.await(first[1], strings.Join(first[2:], " "))
		return "came"
	case "file":
		if err := os.WriteFile(filepath.Join(p.home, first[1]), []byte(strings.Join(lines[1:], "\n")+"\n"), 0o600); err != nil {
			p.t.Fatal(err)
		}
		return "written"
	case "metrics":
		return p.metrics()
	case "topics":
		return p.topics()
	case "records":
		return p.records(first[1])
	case "produce":
		return p.produce(first[1], first[2], lines[1:])
	}
	return p.request(lines)
}

// commandLine runs "$ foldlog ARG ... [< STDIN]". Arguments with spaces are in single quotes.
func (p *player) commandLine(line string) string {
	p.t.Helper()
	line, input, _ := strings.Cut(line, " < ")
	ctx, cancel := context.WithTimeout(p.t.Context(), commandTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, p.binary, arguments(strings.TrimPrefix(line, "$ foldlog"))...)
	var stdout, stderr bytes.Buffer
	command.Dir, command.Env = p.home, p.env()
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), &stdout, &stderr
	if err := command.Run(); ctx.Err() != nil || command.ProcessState == nil {
		p.t.Fatalf("%s: %v\n%s%s", line, err, &stdout, &stderr)
	}
	p.remember(stdout.Bytes())
	return fmt.Sprintf("%s\nexit %d\n%s%s", line, command.ProcessState.ExitCode(), indent("out", stdout.String()), indent("err", stderr.String()))
}

func (p *player) env() []string {
	return append([]string{"HOME=" + p.home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + p.home}, p.environment...)
}

func arguments(line string) (args []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return args
}

// indent puts a word before every line, so that text of the program is never read as a step.
func indent(word, text string) string {
	var indented strings.Builder
	for line := range strings.Lines(text) {
		indented.WriteString(word + "| " + strings.TrimSuffix(line, "\n") + "\n")
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		indented.WriteString(word + "| (no line end)\n")
	}
	return indented.String()
}

// start starts dev on free ports and waits until it says that it is ready. Without --json among
// the flags its greeting is shown, and the session goes on without addresses.
func (p *player) start(flags []string) string {
	p.t.Helper()
	line := append([]string{
		"dev", "--data-dir", "data", "--instance", "contract",
		"--http", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--registry-listen", "127.0.0.1:0",
	}, flags...)
	s := &system{process: exec.Command(p.binary, line...), stdout: &output{}, stderr: &output{}}
	s.process.Dir, s.process.Env = p.home, p.env()
	s.process.Stdout, s.process.Stderr = s.stdout, s.stderr
	if err := s.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.system = s
	ready := func() bool { return strings.Contains(s.stdout.String(), "Ctrl-C") }
	if slices.Contains(flags, "--json") {
		ready = func() bool { return json.Unmarshal([]byte(s.stdout.String()), s) == nil }
	}
	if !eventually(startTimeout, ready) {
		p.t.Fatalf("dev was not ready within %s\n%s\n%s", startTimeout, s.stdout, s.stderr)
	}
	if s.HTTP != "" {
		p.environment = []string{
			"FOLDLOG_URL=" + s.HTTP, "FOLDLOG_BROKERS=" + s.Brokers[0], "FOLDLOG_REGISTRY=" + s.Registry,
			"FOLDLOG_PARTITIONS=4", "FOLDLOG_REPLICATION_FACTOR=1",
		}
		p.masks.add(s.HTTP, "<url>")
		p.masks.add(strings.TrimPrefix(s.HTTP, "http://"), "<http>")
		p.masks.add(s.Brokers[0], "<broker>")
		p.masks.add(s.Registry, "<registry>")
	}
	return "ready\n" + indent("out", s.stdout.String())
}

// stop interrupts dev and shows how it ends. What it logged depends on the timing, and is no
// contract.
func (p *player) stop() string {
	p.t.Helper()
	if err := p.system.process.Process.Signal(syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
	_ = p.system.process.Wait()
	shown := fmt.Sprintf("exit %d", p.system.process.ProcessState.ExitCode())
	p.system, p.environment = nil, nowhere
	return shown
}

// request sends "METHOD PATH", headers until an empty line, and a body.
func (p *player) request(lines []string) string {
	p.t.Helper()
	method, path, _ := strings.Cut(lines[0], " ")
	headers, body := lines[1:], ""
	if end := slices.Index(headers, ""); end >= 0 {
		headers, body = headers[:end], strings.Join(headers[end+1:], "\n")
	}
	request, err := http.NewRequest(method, p.system.HTTP+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Add(name, value)
	}
	answer, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return fmt.Sprintf("%s\nno answer: %v\n", lines[0], err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatalf("%s: %v", lines[0], err)
	}
	p.remember(text)
	var shown strings.Builder
	shown.WriteString(lines[0] + "\n" + answer.Status + "\n")
	for _, name := range slices.Sorted(maps.Keys(answer.Header)) {
		for _, value := range answer.Header[name] {
			shown.WriteString(name + ": " + value + "\n")
		}
	}
	return shown.String() + indent("body", string(text))
}

// remember keeps the token of an answer.
func (p *player) remember(answer []byte) {
	var has struct {
		Token string `json:"token"`
	}
	if json.Unmarshal(answer, &has) == nil && has.Token != "" {
		p.token = has.Token
	}
}

// await asks until the answer contains a text.
func (p *player) await(path, text string) {
	p.t.Helper()
	var last string
	came := eventually(awaitTimeout, func() bool {
		answer, err := http.Get(p.system.HTTP + path)
		if err != nil {
			last = err.Error()
			return false
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		last = string(body)
		return err == nil && strings.Contains(last, text)
	})
	if !came {
		p.t.Fatalf("GET %s did not have %q within %s; last %s", path, text, awaitTimeout, last)
	}
}

// metrics shows what the series of this program are called, what they mean and what labels they
// have. Which values of labels there are depends on the run.
func (p *player) metrics() string {
	p.t.Helper()
	answer, err := http.Get(p.system.HTTP + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "# HELP foldlog_") || strings.HasPrefix(line, "# TYPE foldlog_") {
			lines[line] = true
		}
		if strings.HasPrefix(line, "foldlog_") {
			lines[labelValues.ReplaceAllString(line[:strings.LastIndex(line, " ")], "")] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(lines)), "\n")
}

func eventually(timeout time.Duration, holds func() bool) bool {
	for deadline := time.Now().Add(timeout); ; time.Sleep(20 * time.Millisecond) {
		if holds() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}
