package interop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog/internal/kafkatest"
)

const (
	// installLimit bounds how long an installation may take, programLimit a program's run.
	installLimit = 10 * time.Minute
	programLimit = 2 * time.Minute
)

// languages are the foreign ones.
var languages = []language{
	{name: "python", open: python, consumer: "consume.py", producer: "produce.py", elsewhere: true},
	{name: "java", open: java, consumer: "Consume", producer: "Produce"},
	{name: "node", open: node, consumer: "consume.js", producer: "produce.js"},
}

type language struct {
	name string
	// open installs what the programs need, once for a machine, and returns how to start one. It skips the test where that cannot be.
	open               func(t *testing.T) starter
	consumer, producer string
	// elsewhere is true where the client's default partitioner is not Kafka's.
	elsewhere bool
}

type starter func(ctx context.Context, program string, args ...string) *exec.Cmd

func python(t *testing.T) starter {
	interpreter := tool(t, "python3")
	dir := installed(t, "python", []string{"python/requirements.txt", "duckdb/requirements.txt"}, printed(t, interpreter, "--version"),
		func(ctx context.Context, dir string) error {
			requirements := []string{"-r", absolute("python/requirements.txt"), "-r", absolute("duckdb/requirements.txt")}
			return errors.Join(command(exec.CommandContext(ctx, interpreter, "-m", "venv", filepath.Join(dir, "venv"))),
				command(exec.CommandContext(ctx, filepath.Join(dir, "venv", "bin", "python"), append([]string{"-m", "pip", "install", "--quiet"}, requirements...)...)))
		})
	return func(ctx context.Context, program string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(dir, "venv", "bin", "python"), append([]string{"-B", program}, args...)...)
		cmd.Dir = "python"
		return cmd
	}
}

func java(t *testing.T) starter {
	kafkatest.Need(t) // where Java is asked for, so is Kafka
	const oldest = 17
	runtime, err := kafkatest.Java(t.Context(), oldest)
	if err != nil {
		t.Fatal(err)
	}
	sources := []string{"java/Consume.java", "java/Produce.java"}
	dir := installed(t, "java", append([]string{"java/pom.xml"}, sources...), "", func(ctx context.Context, dir string) error {
		lib := filepath.Join(dir, "lib")
		if err := kafkatest.Maven(ctx, "java", "dependency:copy-dependencies", "-DoutputDirectory="+lib); err != nil {
			return err
		}
		jars, err := filepath.Glob(filepath.Join(lib, "*.jar"))
		if err != nil {
			return err
		}
		// The compiler of this very Java, which need not be the first javac on the path.
		compile := []string{"-m", "jdk.compiler/com.sun.tools.javac.Main", "-d", filepath.Join(dir, "classes"),
			"-cp", strings.Join(jars, string(os.PathListSeparator))}
		return command(exec.CommandContext(ctx, runtime, append(compile, sources...)...))
	})
	classes := filepath.Join(dir, "classes") + string(os.PathListSeparator) + filepath.Join(dir, "lib", "*")
	return func(ctx context.Context, program string, args ...string) *exec.Cmd {
		options := []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes}
		return exec.CommandContext(ctx, runtime, append(append(options, program), args...)...)
	}
}

func node(t *testing.T) starter {
	runtime, npm := tool(t, "node"), tool(t, "npm")
	dir := installed(t, "node", []string{"node/package.json", "node/package-lock.json"}, printed(t, runtime, "--version"),
		func(ctx context.Context, dir string) error {
			for _, file := range []string{"package.json", "package-lock.json"} {
				content, err := os.ReadFile(filepath.Join("node", file))
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
					return err
				}
			}
			install := exec.CommandContext(ctx, npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
			install.Dir = dir
			return command(install)
		})
	return func(ctx context.Context, program string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, runtime, append([]string{program}, args...)...)
		cmd.Dir, cmd.Env = "node", append(os.Environ(), "NODE_PATH="+filepath.Join(dir, "node_modules"))
		return cmd
	}
}

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
var unreachable = regexp.MustCompile(`(?i)NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|name resolution|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|Unknown host|Connection refused|Connect timed out`)

// installed returns the directory that fill filled, on this machine, for the given files and version. It skips the test where the packages
// cannot be reached; Maven's must be where Kafka is required.
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
	dir, err := kafkatest.Cached(ctx, "interop-"+name+"-"+hex.EncodeToString(hash.Sum(nil)[:4]), fill, slog.New(slog.DiscardHandler))
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

// run runs a program against the system and returns what it printed. The environment is given as NAME=value.
func (s *system) run(t *testing.T, start starter, env []string, program string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programLimit)
	defer cancel()
	cmd := start(ctx, program, args...)
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(append(cmd.Env, "BROKERS="+strings.Join(s.brokers, ","), "REGISTRY="+s.registry), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := errors.Join(cmd.Run(), ctx.Err()); err != nil {
		t.Fatalf("%s: %v\n%s%s", program, err, out.String(), errs.String())
	}
	return out.Bytes()
}
