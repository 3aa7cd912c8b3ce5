package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/foldlog/foldlog/devcluster"
)

// dataDir is a data directory that this process owns.
//
// NB: the names in it must not change, or an upgrade would not find what an earlier version left.
type dataDir struct {
	path string
	lock *flock.Flock
}

// ownDataDir takes the data directory, which the stages give back, and finds the node's name.
func (n *node) ownDataDir() (err error) {
	if n.data, err = openDataDir(n.options.DataDir); err != nil {
		return err
	}
	n.stages.add("data directory", n.data.lock.Unlock)
	if n.options.Instance == "" {
		n.options.Instance, err = n.data.instance()
	}
	return err
}

// openDataDir takes the directory for this process and creates it if it does not exist. It is
// private (0700), since it contains everything the system knows.
func openDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, Infrastructure.Errorf("data directory: %w", err)
	}
	lock := flock.New(filepath.Join(path, "owner.lock"), flock.SetPermissions(0o600))
	owned, err := lock.TryLock()
	if err != nil {
		return nil, Infrastructure.Errorf("lock the data directory %s: %w", path, err)
	}
	if !owned {
		return nil, Infrastructure.Errorf("data directory %s belongs to a running process: stop that one, or give this one another --data-dir", path)
	}
	return &dataDir{path: path, lock: lock}, nil
}

// cluster is where the embedded broker and registry keep their data, processors where the
// processors do; views is what the views make of path.
func (d *dataDir) cluster() string    { return filepath.Join(d.path, "cluster") }
func (d *dataDir) processors() string { return filepath.Join(d.path, "processors") }
func (d *dataDir) views() string      { return filepath.Join(d.path, "views") }

// reset deletes what earlier runs left, apart from the directory's id.
func (d *dataDir) reset() error {
	err := errors.Join(devcluster.Reset(d.cluster()), os.RemoveAll(d.processors()), os.RemoveAll(d.views()))
	if err != nil {
		return Infrastructure.Errorf("delete the data of earlier runs: %w", err)
	}
	return nil
}

// instance returns a name for this process that is the same at every start on this directory and
// differs from that of other hosts and directories.
func (d *dataDir) instance() (string, error) {
	path := filepath.Join(d.path, "id")
	id, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		id, err = newDirectoryID(path)
	}
	if err != nil {
		return "", Infrastructure.Errorf("id of the data directory: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return "", Infrastructure.Errorf("host name: %w; give --instance", err)
	}
	return host + "-" + strings.TrimSpace(string(id)), nil
}

func newDirectoryID(path string) ([]byte, error) {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	id := []byte(hex.EncodeToString(random[:]) + "\n")
	// Written beside and renamed, so that a crash leaves no half id.
	if err := os.WriteFile(path+".new", id, 0o600); err != nil {
		return nil, err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return id, nil
}
