package devcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// foreignTests switches the tests on that install other clients from the network, into the user's
// cache directory.
const foreignTests = "FOLDLOG_TEST_FOREIGN"

// installPatience is how long an installation may take.
const installPatience = 5 * time.Minute

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: install it to run this test (%v)", name, err)
	}
	return path
}

// installed skips the test unless the network may be used, and returns a directory that outlives
// the test.
func installed(t *testing.T, client string) string {
	t.Helper()
	if os.Getenv(foreignTests) != "1" {
		t.Skipf("set %s=1 to run this test: it installs the %s client from the network", foreignTests, client)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "foldlog-test", client)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs a program with its standard input, and returns its standard output.
func run(t *testing.T, limit time.Duration, stdin, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := errors.Join(cmd.Run(), ctx.Err()); err != nil {
		t.Fatalf("%s: %v\n%s%s", filepath.Base(name), err, out.String(), errs.String())
	}
	return out.String()
}

func TestKcat(t *testing.T) {
	kcat := tool(t, "kcat")
	c := started(t, t.TempDir())
	createTopic(t, c.Brokers(), "commands", 3, appendTime)
	begin := time.Now().Truncate(time.Millisecond)
	run(t, patience, "a:1\nb:2\nc:3\n", kcat, "-b", c.Brokers()[0], "-P", "-t", "commands", "-K", ":", "-z", "gzip")
	produceOnce(t, c.Brokers(), stale("commands", 1)...)

	listing := run(t, patience, "", kcat, "-b", c.Brokers()[0], "-L")
	if !strings.Contains(listing, `topic "commands" with 3 partitions`) {
		t.Errorf("kcat lists %s", listing)
	}
	values := make(map[string]string)
	read := run(t, patience, "", kcat, "-b", c.Brokers()[0], "-C", "-t", "commands", "-e", "-q", "-f", `%k\t%s\t%T\n`)
	for l := range strings.Lines(read) {
		fields := strings.Split(strings.TrimSpace(l), "\t")
		millis, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
		if len(fields) != 3 || err != nil {
			t.Fatalf("kcat reads %q", l)
		}
		values[fields[0]] = fields[1]
		if at := time.UnixMilli(millis); at.Before(begin) || at.After(time.Now()) {
			t.Errorf("kcat reads the time %s for %s", at, fields[0])
		}
	}
	if got := fmt.Sprint(values); got != "map[a:1 b:2 c:3 k:value 0]" {
		t.Errorf("kcat reads %s", got)
	}
}

func TestPython(t *testing.T) {
	python := tool(t, "python3")
	dir := installed(t, "python-confluent-2.13.0")
	venv := filepath.Join(dir, "venv", "bin", "python")
	if _, err := os.Stat(filepath.Join(dir, "complete")); err != nil {
		run(t, installPatience, "", python, "-m", "venv", "--clear", filepath.Join(dir, "venv"))
		run(t, installPatience, "", venv, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
			"confluent-kafka[avro,schemaregistry]==2.13.0", "fastavro==1.13.1")
		write(t, filepath.Join(dir, "complete"), "")
	}
	c := started(t, t.TempDir())
	createTopic(t, c.Brokers(), "commands", 1, appendTime)
	got := run(t, time.Minute, "", venv, filepath.Join("testdata", "python", "roundtrip.py"), c.Brokers()[0], c.RegistryURL(), "commands")
	if want := `[{"amount": 1, "note": null}, {"amount": 2, "note": "two"}]`; strings.TrimSpace(got) != want {
		t.Errorf("Python reads %s, want %s", got, want)
	}
}

func TestJava(t *testing.T) {
	maven, java := tool(t, "mvn"), tool(t, "java")
	dir := installed(t, "java-kafka-4.3.1")
	if err := os.RemoveAll(filepath.Join(dir, "project")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "project"), os.DirFS(filepath.Join("testdata", "java"))); err != nil {
		t.Fatal(err)
	}
	run(t, installPatience, "", maven, "-q", "-B", "-f", filepath.Join(dir, "project", "pom.xml"), "compile", "dependency:copy-dependencies")
	target := filepath.Join(dir, "project", "target")
	classes := strings.Join([]string{filepath.Join(target, "classes"), filepath.Join(target, "dependency", "*")}, string(os.PathListSeparator))

	c := started(t, t.TempDir())
	createTopic(t, c.Brokers(), "commands", 1, appendTime)
	got := run(t, time.Minute, "", java, "-cp", classes, "RoundTrip", c.Brokers()[0], c.RegistryURL(), "commands")
	if strings.TrimSpace(got) != "[committed, last]" {
		t.Errorf("Java reads %s, want [committed, last]", got)
	}
	// What Java wrote, a Go client reads.
	if first := read(t, c.Brokers(), "commands", 1, kgo.FetchIsolationLevel(kgo.ReadCommitted()))[0]; string(first.Value) != "committed" {
		t.Errorf("Go reads %q", first.Value)
	}
}
