package node_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The code that the page shows is the example that is run.
func TestThePageShowsTheExample(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```go\n(err := node.Run.*?)```").FindSubmatch(page)
	if shown == nil {
		t.Fatal("the page has no call of node.Run")
	}
	indented := "\t" + strings.ReplaceAll(strings.TrimSpace(string(shown[1])), "\n", "\n\t")
	if !strings.Contains(string(example), indented) {
		t.Errorf("the example has not\n%s", indented)
	}
}
