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

// What runs on which Java, from that version on.
const (
	kafkaJava    = 17
	registryJava = 21
)

// ErrUnavailable is wrapped by errors about tools that this machine lacks: a JDK that is new
// enough, or Maven.
var ErrUnavailable = errors.New("this machine cannot run Apache Kafka")

// Available returns nil if brokers and registries can be started: there is a Java from 21 on
// (from 17 on for brokers alone), and what they consist of is in the cache or Maven is there to
// fetch it. Otherwise the error wraps [ErrUnavailable].
func Available(ctx context.Context) error {
	if _, err := findJava(ctx, "", registryJava); err != nil {
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

// Java returns the program of the first Java from the oldest version on, of JAVA_HOME, the path and
// the system's folders. The error wraps [ErrUnavailable].
func Java(ctx context.Context, oldest int) (string, error) { return findJava(ctx, "", oldest) }

// findJava returns the Java to run: the given one, or else the first from the oldest version on of
// JAVA_HOME, the path, and the places where systems keep several.
func findJava(ctx context.Context, given string, oldest int) (string, error) {
	candidates := []string{given}
	if given == "" {
		candidates = installedJavas()
	}
	var all []error
	for _, candidate := range candidates {
		path, err := exec.LookPath(candidate)
		if err != nil {
			all = append(all, err)
			continue
		}
		version, err := javaVersion(ctx, path)
		if err == nil && version < oldest {
			err = fmt.Errorf("%s is Java %d", path, version)
		}
		if err == nil {
			return path, nil
		}
		all = append(all, err)
	}
	return "", fmt.Errorf("%w: install a JDK from %d on, or set JAVA_HOME to one: %w", ErrUnavailable, oldest, errors.Join(all...))
}

// installedJavas returns where to look for Java, the best place first.
func installedJavas() []string {
	var all []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		all = append(all, filepath.Join(home, "bin", "java"))
	}
	all = append(all, "java")
	for _, pattern := range []string{
		"/usr/lib/jvm/*/bin/java",                                    // Linux
		"/Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java", // macOS
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			panic(err) // a constant pattern
		}
		all = append(all, found...)
	}
	return all
}

func javaVersion(ctx context.Context, java string) (int, error) {
	printed, err := describeJava(ctx, java)
	if err != nil {
		return 0, err
	}
	version, err := versionIn(printed)
	if err != nil {
		return 0, fmt.Errorf("%s -version: %w", java, err)
	}
	return version, nil
}

// describeJava returns what a Java says of itself: version, build and vendor.
func describeJava(ctx context.Context, java string) (string, error) {
	printed, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s -version: %w: %s", java, err, tail(string(printed)))
	}
	return string(printed), nil
}

// quotedVersion knows that versions until 8 were called 1.8.
var quotedVersion = regexp.MustCompile(`version "(?:1\.)?([0-9]+)`)

func versionIn(printed string) (int, error) {
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

// Maven runs a Maven command in dir, quietly and without questions.
func Maven(ctx context.Context, dir string, args ...string) error {
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
