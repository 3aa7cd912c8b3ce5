package devcluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// Names inside the data directory. NB: must not change, or the data of a directory would seem to be
// gone.
const (
	lockFile     = "lock"
	pidFile      = "pid"
	kafkaDir     = "kafka"
	commitFile   = "commit"
	registryFile = "registry.jsonl"
)

// ErrLocked is wrapped by the errors of Start and Reset if another process, or another Cluster of
// this one, uses the directory.
var ErrLocked = errors.New("the directory is in use")

// dirLock is this process's hold on a data directory.
type dirLock struct {
	pid   string
	flock *flock.Flock
	// killed is true if the last holder did not end properly: its pid is still there.
	killed bool
}

// lockDir takes the directory for this process and creates it if necessary. The lock is the
// operating system's (flock) and ends with the process, however it ends. The pid is in a file of
// its own, because a locked file cannot be read on every system.
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory %s: %w", dir, err)
	}
	l := &dirLock{pid: filepath.Join(dir, pidFile), flock: flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o600))}
	ok, err := l.flock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data directory %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("data directory %s: %w by process %s: stop it, or use another directory", dir, ErrLocked, holder(dir))
	}
	_, err = os.Stat(l.pid)
	l.killed = err == nil
	if err := os.WriteFile(l.pid, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", l.pid, err), l.flock.Close())
	}
	return l, nil
}

// release gives the directory up. The pid stays if the data have to be recovered.
func (l *dirLock) release(whole bool) error {
	var err error
	if whole {
		err = os.Remove(l.pid)
	}
	return errors.Join(err, l.flock.Close())
}

// holder returns the pid that the lock's holder left. Between locking and writing there may be none
// yet.
func holder(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, pidFile))
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return pid
	}
	return "unknown"
}

// Reset removes all data of a cluster from the directory: topics, records, offsets, schemas. It
// leaves other files alone. A directory that does not exist counts as empty. A directory in use is
// refused with ErrLocked.
func Reset(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	lock, err := lockDir(dir)
	if err != nil {
		return fmt.Errorf("devcluster: reset: %w", err)
	}
	for _, name := range []string{kafkaDir, registryFile, commitFile} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name)))
	}
	err = errors.Join(err, lock.release(err == nil))
	if err != nil {
		return fmt.Errorf("devcluster: reset %s: %w", dir, err)
	}
	return nil
}
