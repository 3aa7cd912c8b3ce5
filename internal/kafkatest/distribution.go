package kafkatest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// Versions of what is started.
const (
	KafkaVersion    = "4.3.1"
	RegistryVersion = "3.3.3"
)

// dependencyPlugin is pinned because Maven's own default for it changes with Maven.
const dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:"

//go:embed kafka.pom.xml
var kafkaPOM []byte

// distribution is a program to run, fetched once for a user of this machine.
type distribution struct {
	name string
	// fill writes the program's files to an empty directory.
	fill func(ctx context.Context, dir string) error
}

var kafkaDistribution = distribution{
	// The name has the content's hash, since another set of jars must not be taken for this one.
	name: "kafka-" + KafkaVersion + "-" + shortHash(kafkaPOM),
	fill: func(ctx context.Context, dir string) error {
		work, err := os.MkdirTemp("", "foldlog-kafka-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(work) }()
		if err := os.WriteFile(filepath.Join(work, "pom.xml"), kafkaPOM, 0o600); err != nil {
			return err
		}
		return Maven(ctx, work, dependencyPlugin+"copy-dependencies", "-DoutputDirectory="+dir, "-DincludeScope=runtime")
	},
}

var registryDistribution = distribution{
	name: "registry-" + RegistryVersion,
	fill: func(ctx context.Context, dir string) error {
		work, err := os.MkdirTemp("", "foldlog-registry-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(work) }()
		artifact := "io.apicurio:apicurio-registry-app:" + RegistryVersion + ":tar.gz:all"
		if err := Maven(ctx, work, dependencyPlugin+"copy", "-Dartifact="+artifact, "-DoutputDirectory="+work); err != nil {
			return err
		}
		archives, err := filepath.Glob(filepath.Join(work, "*.tar.gz"))
		if err != nil {
			return err
		}
		if len(archives) != 1 {
			return fmt.Errorf("%s brought %d archives, want 1", artifact, len(archives))
		}
		return unpack(archives[0], dir)
	},
}

func shortHash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:4])
}

// cacheRoot is where programs are kept over all runs.
func cacheRoot() (string, error) {
	if dir := os.Getenv("FOLDLOG_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache directory: %w: set FOLDLOG_CACHE", err)
	}
	return filepath.Join(dir, "foldlog"), nil
}

// Cached returns the directory of that name in the cache. The first process that asks fills it;
// others wait meanwhile. What is in it must follow from the name, so the name has a version or a
// hash in it.
func Cached(ctx context.Context, name string, fill func(ctx context.Context, dir string) error, logger *slog.Logger) (string, error) {
	return distribution{name: name, fill: fill}.fetch(ctx, logger)
}

func (d distribution) dir() (string, error) {
	root, err := cacheRoot()
	return filepath.Join(root, d.name), err
}

// fetch returns the directory with the program's files, which it fills if no process did before.
// Processes that want it at once wait for the one that fetches it.
func (d distribution) fetch(ctx context.Context, logger *slog.Logger) (string, error) {
	dir, err := d.dir()
	if err != nil {
		return "", err
	}
	if isDir(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("cache for %s: %w", d.name, err)
	}
	const look = 200 * time.Millisecond
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, look); err != nil {
		return "", fmt.Errorf("wait for another process to fetch %s: %w", d.name, err)
	}
	defer func() { _ = lock.Close() }()
	if isDir(dir) {
		return dir, nil
	}
	// Under the lock, what has the name of an unfinished directory is left over from a process that
	// died.
	leftover, err := filepath.Glob(dir + ".partial-*")
	for _, old := range leftover {
		err = errors.Join(err, os.RemoveAll(old))
	}
	if err != nil {
		return "", fmt.Errorf("clean up in the cache: %w", err)
	}
	partial, err := os.MkdirTemp(filepath.Dir(dir), d.name+".partial-")
	if err != nil {
		return "", fmt.Errorf("cache for %s: %w", d.name, err)
	}
	logger.Info("fetching, once for this machine", "what", d.name, "to", dir)
	begin := time.Now()
	if err := d.fill(ctx, partial); err != nil {
		return "", errors.Join(fmt.Errorf("fetch %s: %w", d.name, err), os.RemoveAll(partial))
	}
	if err := os.Rename(partial, dir); err != nil {
		return "", errors.Join(fmt.Errorf("cache for %s: %w", d.name, err), os.RemoveAll(partial))
	}
	logger.Info("fetched", "what", d.name, "took", time.Since(begin).Round(time.Millisecond))
	return dir, nil
}
