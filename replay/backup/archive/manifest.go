package archive

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// ManifestFile is the name of the manifest in an archive's directory.
//
// NB: must not change.
const ManifestFile = "manifest.json"

// format is the version of the archive's layout.
const format = 1

// Kind is the kind of the records in a file.
//
// NB: must not change. Manifests and the names of directories have it.
type Kind string

// The kinds of files.
const (
	Events   Kind = "events"
	Outcomes Kind = "outcomes"
	// Commands are handled commands, kept for auditing.
	Commands Kind = "commands"
	// Pending are the commands that were not handled yet at the cut. Each cut has a new set of
	// them.
	Pending Kind = "pending"
)

// Manifest lists the contents of an archive. Names of topics have no prefix.
type Manifest struct {
	Format int `json:"format"`
	// System is the topology's name, and Partitions the count of every topic.
	System     string `json:"system"`
	Partitions int    `json:"partitions"`
	// Cut is the state that the archive holds; nil before the first export has ended. Files may
	// hold more if a later export was interrupted.
	Cut *Cut `json:"cut"`
	// Schemas are the texts of the schemas of commands in Avro, by fingerprint.
	Schemas map[string]string `json:"schemas,omitempty"`
	// Files are the complete files. Those of one kind, aggregate type and partition are in the
	// order of offsets.
	Files []File `json:"files"`
}

// Cut is a consistent state of the whole system: everything that follows from the commands before
// one place in each partition, and nothing else.
type Cut struct {
	// Number counts the exports into the directory.
	Number int `json:"number"`
	// TakenAt is when the export began, by the exporting machine's clock.
	TakenAt time.Time `json:"taken_at"`
	// Aggregates has the ends of each partition, by aggregate type.
	Aggregates map[string][]Ends `json:"aggregates"`
	// Policies says for each policy which events it has answered.
	Policies map[string]Answered `json:"policies"`
}

// Ends says how far the archive goes in one partition of an aggregate type.
type Ends struct {
	// Commands is the offset of the first unhandled command.
	Commands int64 `json:"commands"`
	Events   Range `json:"events"`
	Outcomes Range `json:"outcomes"`
	// Pending counts the unhandled commands.
	Pending int64 `json:"pending"`
}

// Range is a part of a partition without a gap.
type Range struct {
	// From is the offset before which records are missing; 0 if nothing is missing.
	From int64 `json:"from"`
	// To is the offset after the last record, and Count the number of records in between.
	To    int64 `json:"to"`
	Count int64 `json:"count"`
}

// Answered is the offset up to which a policy has answered its source's events, exclusively; -1 if
// the policy never ran.
type Answered struct {
	Source  string  `json:"source"`
	Offsets []int64 `json:"offsets"`
}

// AnsweredBy returns the offset up to which a policy has answered the events of a partition; -1 if
// the policy never ran.
func (c *Cut) AnsweredBy(policy string, partition int32) int64 {
	if a, known := c.Policies[policy]; known {
		return a.Offsets[partition]
	}
	return -1
}

// File is one file.
type File struct {
	Kind      Kind   `json:"kind"`
	Aggregate string `json:"aggregate"`
	Partition int32  `json:"partition"`
	// Path is relative to the archive's directory, with slashes.
	Path string `json:"path"`
	// First and Last are the offsets of the first and the last record. FirstTime and LastTime are
	// the least and the largest recorded time.
	First     int64     `json:"first_offset"`
	Last      int64     `json:"last_offset"`
	Count     int64     `json:"count"`
	FirstTime time.Time `json:"first_time"`
	LastTime  time.Time `json:"last_time"`
	Bytes     int64     `json:"bytes"`
	SHA256    string    `json:"sha256"`
	// LastSHA256 is the hash of the last row's value. It tells whether a log is the one that the
	// file came from.
	LastSHA256 string `json:"last_value_sha256"`
}

// ErrDamaged is wrapped by errors about an archive that changed after it was written.
var ErrDamaged = errors.New("the archive is damaged")

// ErrUnfit is wrapped by errors about a directory that has no archive, or one that cannot be used
// here.
var ErrUnfit = errors.New("this archive cannot be used")

var errNone = fmt.Errorf("%w: there is none", ErrUnfit)

// load reads a directory's manifest.
func load(dir string) (*Manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s: it has no %s", errNone, dir, ManifestFile)
	}
	if err != nil {
		return nil, err
	}
	m := &Manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%w: %s cannot be read: %w", ErrDamaged, ManifestFile, err)
	}
	if m.Format != format {
		return nil, fmt.Errorf("%w: %s says format %d, and this program knows %d: use the program that wrote it, or a newer one", ErrUnfit, ManifestFile, m.Format, format)
	}
	return m, nil
}

// Of returns the files of a kind, aggregate type and partition, in the order of their offsets.
func (m *Manifest) Of(kind Kind, aggregate string, partition int32) []File {
	var all []File
	for _, f := range m.Files {
		if f.Kind == kind && f.Aggregate == aggregate && f.Partition == partition {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b File) int { return cmp.Compare(a.First, b.First) })
	return all
}

// Within returns the files of [Manifest.Of] that make up the range. It returns an error if one is
// missing or there is one too many.
func (m *Manifest) Within(kind Kind, aggregate string, partition int32, r Range) ([]File, error) {
	var all []File
	at, count := r.From, int64(0)
	for _, f := range m.Of(kind, aggregate, partition) {
		if f.Last < r.From || f.First >= r.To {
			continue
		}
		if f.First < at || f.Last >= r.To {
			return nil, fmt.Errorf("%w: %s has offsets %d to %d, of which others have a part already", ErrDamaged, f.Path, f.First, f.Last)
		}
		at, count = f.Last+1, count+f.Count
		all = append(all, f)
	}
	if count != r.Count {
		return nil, fmt.Errorf("%w: the files of %s of %s, partition %d, have %d records from offset %d to %d, and %s says %d: one of them is missing",
			ErrDamaged, kind, aggregate, partition, count, r.From, r.To, ManifestFile, r.Count)
	}
	return all, nil
}

// PendingOf returns the commands that were not handled yet at the cut.
func (m *Manifest) PendingOf(aggregate string, partition int32) ([]File, error) {
	all, count := m.Of(Pending, aggregate, partition), int64(0)
	for _, f := range all {
		count += f.Count
	}
	if want := m.Cut.Aggregates[aggregate][partition].Pending; count != want {
		return nil, fmt.Errorf("%w: the files with commands of %s, partition %d, that were not handled have %d of them, and %s says %d", ErrDamaged, aggregate, partition, count, ManifestFile, want)
	}
	return all, nil
}
