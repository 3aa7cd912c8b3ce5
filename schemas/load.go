package schemas

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/topology"
)

// Outcomes has foldlog/outcomes/vN.avsc, the schema of outcomes of every aggregate type.
//
//go:embed foldlog
var Outcomes embed.FS

const outcomesDir = "outcomes"

// Version is one published version of a topic's schema.
type Version struct {
	// Number is N of vN.avsc.
	Number int
	// File is the version's file, such as "account.events/v2.avsc". Locked is true if the lock file
	// lists it; see [LockFile].
	File   string
	Locked bool
	Schema avro.Schema
}

// Set is all versions of the schemas of all topics of a topology. It is immutable.
type Set struct {
	versions map[string][]Version // topic without prefix -> versions from 1
}

// Topics returns the topics that have schemas, without prefix, sorted.
func (s *Set) Topics() []string { return slices.Sorted(maps.Keys(s.versions)) }

// Versions returns all versions of a topic's schema, oldest first. The topic is given without
// prefix, such as "account.events".
func (s *Set) Versions(topicBase string) []Version { return slices.Clone(s.versions[topicBase]) }

// Latest returns the latest version of a topic's schema, or the zero Version for a topic that the
// topology does not have.
func (s *Set) Latest(topicBase string) (latest Version) {
	for _, latest = range s.versions[topicBase] {
	}
	return latest
}

// Load reads the schemas of all topics of the topology. Files are named by topic and version,
// "account.events/v1.avsc". Outcomes have the embedded schema; a re-keyed topic has that of its
// events. The error joins all problems: missing files, gaps between versions, files that belong to
// no topic, schemas that cannot be parsed, a version that cannot be read with a later one, an
// envelope without its fields, declared commands and events without a record, and an edited
// published version (see [LockFile]).
func Load(files fs.FS, t *topology.Topology) (*Set, error) {
	l := &loader{files: files, set: &Set{versions: map[string][]Version{}}, expected: map[string]bool{}}
	names := topology.Names{}
	own, err := fs.Sub(Outcomes, "foldlog")
	if err != nil {
		return nil, err
	}
	ownLock, lock := l.lock(own), l.lock(files)
	outcomes := l.read(own, outcomesDir, ownLock, func(t *avro.Type) []string { return checkEnvelope(t, outcomeFields) })
	for _, a := range t.Aggregates {
		l.topic(names.Commands(a.Name), lock, func(t *avro.Type) []string { return checkCommands(t, a) })
		l.topic(names.Events(a.Name), lock, func(t *avro.Type) []string { return checkEvents(t, a) })
		l.topic(names.Table(a.Name), lock, checkState)
		l.set.versions[names.Outcomes(a.Name)] = outcomes
	}
	for _, p := range t.Projections {
		l.topic(names.Table(p.ID()), lock, checkRow)
		// Published versions stay, even if their version of the projection was dropped.
		for gone := 1; gone < p.Version; gone++ {
			l.expected[names.Table(topology.VersionID(p.Name, gone))] = true
		}
		if p.Rekeyed() {
			l.set.versions[names.RekeyedTopic(p.ID())] = l.set.versions[names.Events(p.Source)]
		}
	}
	l.strays()
	if err := errors.Join(l.problems...); err != nil {
		return nil, fmt.Errorf("schemas of %s: %w", t.Name, err)
	}
	return l.set, nil
}

type loader struct {
	files    fs.FS
	set      *Set
	expected map[string]bool // directories that belong to a topic
	problems []error
}

func (l *loader) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Errorf(format, args...))
}

// lock returns the published versions, and reports those that were edited since.
func (l *loader) lock(files fs.FS) map[string]fingerprints {
	locked, err := readLock(files)
	if err != nil {
		l.problems = append(l.problems, err)
	}
	l.problems = append(l.problems, checkLock(files, locked)...)
	return locked
}

func (l *loader) topic(base string, lock map[string]fingerprints, check func(*avro.Type) []string) {
	l.expected[base] = true
	l.set.versions[base] = l.read(l.files, base, lock, check)
}

var versionFile = regexp.MustCompile(`^v([1-9][0-9]{0,5})\.avsc$`)

// read returns the sound versions in a directory. The check is for the latest one.
func (l *loader) read(files fs.FS, dir string, lock map[string]fingerprints, check func(*avro.Type) []string) []Version {
	entries, err := fs.ReadDir(files, dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.problem("%s: %w", dir, err)
		return nil
	}
	numbers := map[int]bool{}
	latest := 0
	for _, e := range entries {
		match := versionFile.FindStringSubmatch(e.Name())
		switch {
		case match != nil && !e.IsDir():
			n, _ := strconv.Atoi(match[1])
			numbers[n] = true
			latest = max(latest, n)
		case strings.HasSuffix(e.Name(), ".avsc"):
			l.problem("%s: a version's file is named v1.avsc, v2.avsc, ...", path.Join(dir, e.Name()))
		}
	}
	if latest == 0 {
		l.problem("%s/v1.avsc is missing: every topic needs a schema", dir)
		return nil
	}
	var versions []Version
	for n := 1; n <= latest; n++ {
		if !numbers[n] {
			l.problem("%s/v%d.avsc is missing, but v%d.avsc exists: versions are numbered without a gap", dir, n, latest)
			continue
		}
		v := Version{Number: n, File: path.Join(dir, fmt.Sprintf("v%d.avsc", n))}
		text, err := fs.ReadFile(files, v.File)
		if err == nil {
			v.Schema, err = avro.Parse(string(text))
		}
		if err != nil {
			l.problem("%s: %w", v.File, err)
			continue
		}
		_, v.Locked = lock[v.File]
		versions = append(versions, v)
	}
	for i, reader := range versions {
		for _, writer := range versions[:i] {
			if err := avro.Compatible(writer.Schema, reader.Schema); err != nil {
				l.problem("%s: v%d cannot read what was written with v%d: %w; published versions are read for ever, so add a field with "+
					"a default instead", dir, reader.Number, writer.Number, err)
			}
		}
	}
	if len(versions) > 0 && versions[len(versions)-1].Number == latest {
		for _, p := range check(versions[len(versions)-1].Schema.Type) {
			l.problem("%s/v%d.avsc: %s", dir, latest, p)
		}
	}
	return versions
}

// strays reports schema files that belong to no topic: most likely a misspelt directory.
func (l *loader) strays() {
	err := fs.WalkDir(l.files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if dir := path.Dir(name); !d.IsDir() && strings.HasSuffix(name, ".avsc") && !l.expected[dir] {
			l.problem("%s belongs to no topic of the topology: is %q misspelt?", name, dir)
		}
		return nil
	})
	if err != nil {
		l.problem("schema files cannot be listed: %w", err)
	}
}
