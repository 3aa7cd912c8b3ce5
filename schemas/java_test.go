package schemas

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Java's implementation has the same verdicts, unless the matrix says otherwise.
func TestJavaHasTheSameVerdicts(t *testing.T) {
	if os.Getenv("FOLDLOG_TEST_FOREIGN") != "1" {
		t.Skip("set FOLDLOG_TEST_FOREIGN=1 to run this test: it installs Java's Avro from the network")
	}
	for _, name := range []string{"mvn", "java"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed: install it to run this test (%v)", name, err)
		}
	}
	project := filepath.Join(t.TempDir(), "project")
	if err := os.CopyFS(project, os.DirFS("testdata/java")); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s%s", name, err, out.String(), errs.String())
		}
		return out.String()
	}
	run("mvn", "-q", "-B", "-f", filepath.Join(project, "pom.xml"), "compile", "dependency:copy-dependencies")
	classes := filepath.Join(project, "target", "classes") + string(os.PathListSeparator) + filepath.Join(project, "target", "dependency", "*")
	verdicts := map[string]bool{}
	for line := range strings.Lines(run("java", "-cp", classes, "Verdicts", "testdata/evolution.json")) {
		verdict, change, _ := strings.Cut(strings.TrimSpace(line), "\t")
		verdicts[change] = verdict == "true"
	}
	for _, c := range evolutionCases(t) {
		got, there := verdicts[c.Change]
		if want := c.Readable || c.Java == "readable"; !there || got != want {
			t.Errorf("%s: Java says %t, want %t: %s%s", c.Change, got, want, c.Reason, c.JavaReason)
		}
	}
}
