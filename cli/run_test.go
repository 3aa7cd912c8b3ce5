package cli_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog/bank/bankapp"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sourceDir is where the tests were started; they go elsewhere.
var sourceDir, _ = os.Getwd()

// run runs a command line of the bank to its end.
func run(t *testing.T, args ...string) clitest.Result {
	t.Helper()
	return clitest.Run(t, testApp(), args...)
}

// testApp is the bank with a version that does not change from commit to commit.
func testApp() cli.App {
	app := bankapp.App()
	app.Version = "v0.0.0-test"
	return app
}

// golden compares text with a file in testdata. "go test -update" writes the file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(sourceDir, "testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%s; 'go test ./cli -update' writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; 'go test ./cli -update' accepts it. Have:\n%s", path, got)
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	// the developer's own settings must not change the tests
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "FOLDLOG_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

// contains reports whether the text has every one of the parts.
func contains(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not within 30 s: %s", what)
		case <-tick.C:
		}
	}
}
