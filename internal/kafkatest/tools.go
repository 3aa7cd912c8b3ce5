package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// oldestJava is the first Java that runs Kafka's brokers.
const oldestJava = 17

// ErrUnavailable is wrapped by errors about tools that this machine lacks: a JDK that is new enough, or Maven.
var ErrUnavailable = errors.New("this machine cannot run Apache Kafka")

// Available returns nil where brokers and registries can be started: there is a Java from 17 on, and what they consist of is in the cache
// or Maven is there to fetch it. Otherwise the error wraps [ErrUnavailable].
func Available(ctx context.Context) error {
	if _, err := findJava(ctx, ""); err != nil {
		return err
	}
	for _, d := range []distribution{kafkaDistribution, registryDistribution} {
		if dir, err := d.dir(); err == nil && isDir(dir) {
			continue
		}
		if _, err := findMaven(); err != nil {
			return err
		}
	}
	return nil
}

// findJava returns the Java to run: the given one, that of JAVA_HOME, or the one in the path.
func findJava(ctx context.Context, given string) (string, error) {
	java, origin := given, "the configuration"
	if java == "" {
		java, origin = "java", "the path"
		if home := os.Getenv("JAVA_HOME"); home != "" {
			java, origin = filepath.Join(home, "bin", "java"), "JAVA_HOME"
		}
	}
	path, err := exec.LookPath(java)
	if err != nil {
		return "", fmt.Errorf("%w: find Java by %s: %w: install a JDK from %d on, or set JAVA_HOME", ErrUnavailable, origin, err, oldestJava)
	}
	printed, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s -version: %w\n%s", ErrUnavailable, path, err, tail(string(printed)))
	}
	version, err := javaVersion(string(printed))
	if err != nil {
		return "", fmt.Errorf("%w: %s -version: %w", ErrUnavailable, path, err)
	}
	if version < oldestJava {
		return "", fmt.Errorf("%w: %s is Java %d: install a JDK from %d on, or set JAVA_HOME to one", ErrUnavailable, path, version, oldestJava)
	}
	return path, nil
}

var quotedVersion = regexp.MustCompile(`version "(?:1\.)?([0-9]+)`) // until 8, versions were called 1.8

func javaVersion(printed string) (int, error) {
	match := quotedVersion.FindStringSubmatch(printed)
	if match == nil {
		return 0, fmt.Errorf("no version in %q", printed)
	}
	return strconv.Atoi(match[1])
}

func findMaven() (string, error) {
	path, err := exec.LookPath("mvn")
	if err != nil {
		return "", fmt.Errorf("%w: find Maven: %w: install it, so that Kafka can be fetched from Maven Central", ErrUnavailable, err)
	}
	return path, nil
}

// maven runs a Maven command in dir, where no project of anybody's is found.
func maven(ctx context.Context, dir string, args ...string) error {
	path, err := findMaven()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"-q", "-B"}, args...)...)
	cmd.Dir = dir
	if printed, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn %s: %w: is Maven Central reached from here?\n%s", strings.Join(args, " "), err, tail(string(printed)))
	}
	return nil
}

// tail returns the end of a program's output, which is where it says why it failed.
func tail(output string) string {
	const most = 4 << 10
	output = strings.TrimRight(output, "\n")
	if len(output) <= most {
		return output
	}
	output = output[len(output)-most:]
	_, output, _ = strings.Cut(output, "\n") // from the start of a line
	return "...\n" + output
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
