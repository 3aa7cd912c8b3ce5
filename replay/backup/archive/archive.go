package archive

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// saveEvery is the interval at which a running export adds completed files to the manifest. A kill
// costs at most this much work.
const saveEvery = 5 * time.Second

// Archive is a directory with an archive, used by this process alone. It is safe for concurrent
// use.
type Archive struct {
	dir  string
	lock *flock.Flock

	mu       sync.Mutex
	manifest *Manifest
	saved    time.Time
	pending  []File // of the cut to come
}

const (
	lockFile   = "archive.lock"
	dirMode    = 0o750
	fileMode   = 0o640
	unfinished = ".new" // the end of a name under which something is being written
)

// Create opens the archive in a directory to add to it. If the directory is empty or does not
// exist, Create begins an archive. Files of an interrupted export are removed.
func Create(dir, system string, partitions int) (*Archive, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	a, err := own(dir)
	if err != nil {
		return nil, err
	}
	m, err := load(dir)
	switch {
	case errors.Is(err, errNone):
		if others := slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.Name() == lockFile || e.Name() == ManifestFile+unfinished }); len(others) > 0 {
			err = fmt.Errorf("%w: %s is neither empty nor an archive: it has %s", ErrUnfit, dir, others[0].Name())
			break
		}
		a.manifest = &Manifest{Format: format, System: system, Partitions: partitions, Schemas: map[string]string{}, Files: []File{}}
		err = a.save()
	case err == nil && (m.System != system || m.Partitions != partitions):
		err = fmt.Errorf("%w: %s is that of system %s with %d partitions, this is %s with %d: use a directory of its own", ErrUnfit, dir, m.System, m.Partitions, system, partitions)
	case err == nil:
		if a.manifest = m; m.Schemas == nil {
			m.Schemas = map[string]string{}
		}
		err = a.removeStrays()
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Open opens a complete archive to read from it.
func Open(dir string) (*Archive, error) {
	m, err := load(dir)
	if err != nil {
		return nil, err
	}
	if m.Cut == nil {
		return nil, fmt.Errorf("%w: the first export to %s did not end; run 'foldlog export' again", ErrUnfit, dir)
	}
	for aggregate, ends := range m.Cut.Aggregates {
		if len(ends) != m.Partitions {
			return nil, fmt.Errorf("%w: %s has the ends of %d partitions of %s, not of %d", ErrDamaged, ManifestFile, len(ends), aggregate, m.Partitions)
		}
	}
	for policy, answered := range m.Cut.Policies {
		if len(answered.Offsets) != m.Partitions {
			return nil, fmt.Errorf("%w: %s has the offsets of %d partitions of %s, not of %d", ErrDamaged, ManifestFile, len(answered.Offsets), policy, m.Partitions)
		}
	}
	return &Archive{dir: dir, manifest: m}, nil
}

func own(dir string) (*Archive, error) {
	a := &Archive{dir: dir, lock: flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(fileMode))}
	owned, err := a.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !owned {
		return nil, fmt.Errorf("%w: another export is writing to %s; wait until it has ended", ErrUnfit, dir)
	}
	return a, nil
}

// Close releases the directory.
func (a *Archive) Close() error {
	if a.lock == nil {
		return nil
	}
	return a.lock.Unlock()
}

// Manifest returns the list of the archive's contents. It must not be changed, and is valid until
// something is added.
func (a *Archive) Manifest() *Manifest { return a.manifest }

// Of returns [Manifest.Of] as of now.
func (a *Archive) Of(kind Kind, aggregate string, partition int32) []File {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.manifest.Of(kind, aggregate, partition)
}

// AddSchema keeps the text of a schema of commands under its fingerprint.
func (a *Archive) AddSchema(fingerprint, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.manifest.Schemas[fingerprint] = text
}

// add records a complete file.
func (a *Archive) add(f File) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f.Kind == Pending { // which belong to their cut
		a.pending = append(a.pending, f)
		return nil
	}
	a.manifest.Files = append(a.manifest.Files, f)
	if time.Since(a.saved) < saveEvery {
		return nil
	}
	return a.save()
}

// Finish makes the archive one consistent state, as of the cut.
func (a *Archive) Finish(cut *Cut) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.manifest.Cut = cut
	a.manifest.Files = slices.DeleteFunc(a.manifest.Files, func(f File) bool { return f.Kind == Pending })
	a.manifest.Files = append(a.manifest.Files, a.pending...)
	a.pending = nil
	if err := a.save(); err != nil {
		return err
	}
	return a.removeStrays()
}

// save replaces the manifest.
func (a *Archive) save() error {
	slices.SortFunc(a.manifest.Files, func(x, y File) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Aggregate, y.Aggregate), cmp.Compare(x.Partition, y.Partition), cmp.Compare(x.First, y.First))
	})
	text, err := json.MarshalIndent(a.manifest, "", " ")
	if err != nil {
		return err
	}
	err = a.replace(ManifestFile, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
	a.saved = time.Now()
	return err
}

// replace writes a file under its name in one step. It returns once the file is on the disk.
func (a *Archive) replace(name string, write func(io.Writer) error) error {
	path := filepath.Join(a.dir, filepath.FromSlash(name))
	file, err := os.OpenFile(path+unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		return errors.Join(err, file.Close())
	}
	return publish(file, path)
}

// publish completes a file that was written under an unfinished name, and returns once it is on the
// disk under its own.
func publish(file *os.File, path string) error {
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+unfinished, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// removeStrays removes files that look like those of the archive but are not in its manifest.
func (a *Archive) removeStrays() error {
	known := map[string]bool{}
	for _, f := range a.manifest.Files {
		known[f.Path] = true
	}
	return filepath.WalkDir(a.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(a.dir, path)
		if err == nil && ours.MatchString(filepath.ToSlash(name)) && !known[filepath.ToSlash(name)] {
			err = os.Remove(path)
		}
		return err
	})
}
