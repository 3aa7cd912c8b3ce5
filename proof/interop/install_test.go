package interop

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/foldlog/foldlog/internal/kafkatest"
)

// installLimit bounds how long an installation may take.
const installLimit = 10 * time.Minute

// tool returns the path of a program, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed here (%v)", name, err)
	}
	return path
}

func printed(t *testing.T, program string, args ...string) string {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, text)
	}
	return string(text)
}

// unreachable is what pip, npm and Maven say when they do not get to their packages.
var unreachable = regexp.MustCompile(`(?i)from versions: none|ensurepip is not available|NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|name resolution|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|Unknown host|Connection refused|Connect timed out`)

// failed has what could not be installed, by name: it is tried once.
var failed = map[string]error{}

// installed returns the directory that fill filled, on this machine, for the given files and
// version. It skips the test if the packages cannot be reached; Maven's must be where Kafka is
// required.
func installed(t *testing.T, name string, files []string, version string, fill func(ctx context.Context, dir string) error) string {
	t.Helper()
	hash := sha256.New()
	hash.Write([]byte(version))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(content)
	}
	ctx, cancel := context.WithTimeout(t.Context(), installLimit)
	defer cancel()
	dir, err := "", failed[name]
	if err == nil {
		dir, err = kafkatest.Cached(ctx, "interop-"+name+"-"+hex.EncodeToString(hash.Sum(nil)[:4]), fill, slog.New(slog.DiscardHandler))
		failed[name] = err
	}
	if err != nil {
		if unreachable.MatchString(err.Error()) && (name != "java" || os.Getenv(kafkatest.EnvRequire) != "1") {
			t.Skipf("the packages cannot be reached from here: %v", err)
		}
		t.Fatal(err)
	}
	return dir
}

func absolute(file string) string {
	path, err := filepath.Abs(file)
	if err != nil {
		panic(err) // there is no working directory
	}
	return path
}

// command runs a command to its end.
func command(cmd *exec.Cmd) error {
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, output)
	}
	return nil
}
