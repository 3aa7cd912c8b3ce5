package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// streamsOptions are the settings of Kafka Streams that are worth trying. What is fixed is in the
// peer's source.
type streamsOptions struct {
	Dir         string `json:"dir"`
	Threads     int    `json:"threads"`
	CommitMS    int    `json:"commit_ms"`
	LatencyMS   int    `json:"latency_commit_ms"`
	LingerMS    int    `json:"linger_ms"`
	CacheMB     int    `json:"cache_mb"`
	HeapMB      int    `json:"heap_mb"`
	Compression string `json:"compression"`
	GC          string `json:"gc"`
}

// buildStreams compiles the peer and fetches what it needs from Maven Central, once for a program.
func buildStreams(ctx context.Context, dir string) error {
	streamsBuilt.Do(func() {
		mvn, err := exec.LookPath("mvn")
		if err != nil {
			streamsError = fmt.Errorf("build the Kafka Streams peer: %w: install Maven, or leave it out with --peers", err)
			return
		}
		cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "process-classes")
		cmd.Dir = dir
		if printed, err := cmd.CombinedOutput(); err != nil {
			streamsError = fmt.Errorf("build the Kafka Streams peer in %s: %w\n%s", dir, err, printed)
		}
	})
	return streamsError
}

var (
	streamsBuilt sync.Once
	streamsError error
)

func streamsCommand(t task) (func() *exec.Cmd, error) {
	java, err := findJava()
	if err != nil {
		return nil, err
	}
	o := t.Streams
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	commit, linger := o.CommitMS, o.LingerMS
	if t.ForLatency {
		commit, linger = o.LatencyMS, 0
	}
	args := []string{
		fmt.Sprintf("-Xms%dm", o.HeapMB), fmt.Sprintf("-Xmx%dm", o.HeapMB), "-XX:+Use" + o.GC + "GC", "-XX:+AlwaysPreTouch", "-XX:+ExitOnOutOfMemoryError",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", filepath.Join(dir, "target", "classes") + ":" + filepath.Join(dir, "target", "lib", "*"), "foldlog.bench.Peer",
		"brokers=" + strings.Join(t.Brokers, ","), "group=" + t.Group, "input=" + t.Input, "events=" + t.Events, "outcomes=" + t.Outcomes,
		"dir=" + filepath.Join(t.Dir, "streams"), "events-per-command=" + strconv.Itoa(t.EventsPerCommand),
		"threads=" + strconv.Itoa(o.Threads), "commit-ms=" + strconv.Itoa(commit), "linger-ms=" + strconv.Itoa(linger),
		"cache-mb=" + strconv.Itoa(o.CacheMB), "compression=" + o.Compression,
	}
	return func() *exec.Cmd {
		cmd := exec.Command(java, args...)
		cmd.Dir = t.Dir // crash reports of Java go to the working directory
		return cmd
	}, nil
}

// findJava returns the Java of JAVA_HOME or of the path.
func findJava() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return exec.LookPath(filepath.Join(home, "bin", "java"))
	}
	path, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("find Java: %w: install a JDK from 17 on", err)
	}
	return path, nil
}
