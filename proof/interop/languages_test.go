package interop

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog/internal/kafkatest"
)

// programLimit bounds how long a program may run.
const programLimit = 2 * time.Minute

// languages are the foreign ones.
var languages = []language{
	{name: "python", open: python, consumer: "consume.py", producer: "produce.py", elsewhere: true},
	{name: "java", open: java, consumer: "Consume", producer: "Produce"},
	{name: "node", open: node, consumer: "consume.js", producer: "produce.js"},
}

type language struct {
	name string
	// open installs what the programs need, once for a machine, and returns how to start one. It
	// skips the test if that cannot be.
	open               func(t *testing.T) starter
	consumer, producer string
	// elsewhere is true if the client's default partitioner is not Kafka's.
	elsewhere bool
}

type starter func(ctx context.Context, program string, args ...string) *exec.Cmd

func python(t *testing.T) starter {
	interpreter := tool(t, "python3")
	dir := installed(t, "python", []string{"python/requirements.txt", "duckdb/requirements.txt"}, printed(t, interpreter, "--version"),
		func(ctx context.Context, dir string) error {
			requirements := []string{"-r", absolute("python/requirements.txt"), "-r", absolute("duckdb/requirements.txt")}
			if err := command(exec.CommandContext(ctx, interpreter, "-m", "venv", filepath.Join(dir, "venv"))); err != nil {
				return err
			}
			pip := []string{"-m", "pip", "install", "--quiet"}
			return command(exec.CommandContext(ctx, filepath.Join(dir, "venv", "bin", "python"), append(pip, requirements...)...))
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

// run runs a program against the system and returns what it printed. The environment is given as
// NAME=value.
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
