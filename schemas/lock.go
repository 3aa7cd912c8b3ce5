package schemas

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/foldlog/foldlog/internal/avro"
)

// LockFile is the name of the list of published versions, at the root of the schema files: for each
// file the SHA-256 of its bytes and of its Parsing Canonical Form. It only ever grows. [Load]
// refuses files that differ from it, so that a published version cannot be edited.
const LockFile = "schemas.lock"

const lockHeader = "# Published schema versions: file, SHA-256 of its bytes, SHA-256 of its Parsing Canonical Form. Lines are only ever added.\n"

// fingerprints of a schema file.
type fingerprints struct{ file, canonical string }

func fingerprintsOf(text []byte) (fingerprints, error) {
	s, err := avro.Parse(string(text))
	if err != nil {
		return fingerprints{}, err
	}
	return fingerprints{file: fmt.Sprintf("%x", sha256.Sum256(text)), canonical: fmt.Sprintf("%x", s.Fingerprint)}, nil
}

// readLock returns the entries of the lock file, by file. It returns none if there is no lock file.
func readLock(files fs.FS) (map[string]fingerprints, error) {
	text, err := fs.ReadFile(files, LockFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", LockFile, err)
	}
	locked := map[string]fingerprints{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 3 || locked[fields[0]] != (fingerprints{}) {
			return nil, fmt.Errorf("%s, line %d: is not a file with two fingerprints, listed once; restore the lock file from version control", LockFile, number)
		}
		locked[fields[0]] = fingerprints{fields[1], fields[2]}
	}
	return locked, lines.Err()
}

// checkLock returns the differences between the files and the lock file.
func checkLock(files fs.FS, locked map[string]fingerprints) (problems []error) {
	for _, name := range slices.Sorted(maps.Keys(locked)) {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s was published and cannot be read (%w): restore it from version control; what it wrote is read for ever", name, err))
			continue
		}
		have, err := fingerprintsOf(text)
		switch {
		case err == nil && have == locked[name]:
		case err == nil && have.canonical == locked[name].canonical:
			problems = append(problems, fmt.Errorf("%s was edited after it was published (documentation, defaults, aliases or white space): "+
				"restore it from version control, and put the change into %s", name, nextVersion(name, locked)))
		default:
			problems = append(problems, fmt.Errorf("%s was edited after it was published: restore it from version control, and put the change into %s",
				name, nextVersion(name, locked)))
		}
	}
	return problems
}

// nextVersion returns the file for the version after the last locked one.
func nextVersion(name string, locked map[string]fingerprints) string {
	for n := 1; ; n++ {
		next := path.Join(path.Dir(name), fmt.Sprintf("v%d.avsc", n))
		if _, taken := locked[next]; !taken {
			return next
		}
	}
}

// AppendLock adds every schema file below the directory that the directory's lock file does not
// list. It returns their names, sorted. It writes nothing if a listed file was edited or a new one
// cannot be parsed.
func AppendLock(dir string) (added []string, err error) {
	files := os.DirFS(dir)
	locked, err := readLock(files)
	if err != nil {
		return nil, err
	}
	problems := checkLock(files, locked)
	all := maps.Clone(locked)
	if all == nil {
		all = map[string]fingerprints{}
	}
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".avsc") || all[name] != (fingerprints{}) {
			return err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		f, err := fingerprintsOf(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
			return nil
		}
		all[name] = f
		added = append(added, name)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("schema files in %s cannot be listed: %w", dir, err)
	}
	if len(all) == 0 {
		problems = append(problems, fmt.Errorf("%s has no .avsc files; name the directory that has one folder for each topic", dir))
	}
	if err := errors.Join(problems...); err != nil || len(added) == 0 {
		return nil, err
	}
	var text strings.Builder
	text.WriteString(lockHeader)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s %s %s\n", name, all[name].file, all[name].canonical)
	}
	return added, os.WriteFile(filepath.Join(dir, LockFile), []byte(text.String()), 0o644)
}
