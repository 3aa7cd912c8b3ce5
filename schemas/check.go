package schemas

import (
	"fmt"
	"slices"

	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/topology"
)

// Check judges the versions of all topics, each beside the one before. [Load] has already checked
// that every version can read all before it. Findings below [Refused] about versions in the lock
// file are left out unless all is set: the author who published them meant it.
func (s *Set) Check(all bool) []Finding {
	var findings []Finding
	// Re-keyed topics share the schemas of events, and all aggregates that of outcomes.
	seen := map[string]bool{}
	for _, topic := range s.Topics() {
		versions := s.versions[topic]
		if seen[versions[0].File] {
			continue
		}
		seen[versions[0].File] = true
		for i, v := range versions {
			if !v.Locked {
				findings = append(findings, Finding{Doubtful, "unlocked", v.File,
					"is not in " + LockFile + ", so it can still be edited: run 'schemas lock' once it is final"})
			}
			if i == 0 {
				continue
			}
			for _, f := range Changes(versions[i-1].Schema, v.Schema) {
				if f.Where = fmt.Sprintf("%s v%d -> v%d", topic, i, i+1); all || !v.Locked || f.Level == Refused {
					findings = append(findings, f)
				}
			}
		}
	}
	return findings
}

// Subjects returns the registry's subject of each topic, sorted by topic.
func (s *Set) Subjects(names topology.Names) []Subject {
	var subjects []Subject
	for _, topic := range s.Topics() {
		subjects = append(subjects, Subject{Name: topology.Subject(names.Prefix + topic), Versions: s.Versions(topic)})
	}
	return subjects
}

// Subject is the wanted content of a subject: the versions of a topic's schema, oldest first.
type Subject struct {
	Name     string
	Versions []Version
}

// Compare returns the differences between the registered versions of the subject and the files.
// Versions that are not registered yet are no difference.
func (s Subject) Compare(have Registered) []Finding {
	var findings []Finding
	add := func(level Level, rule, format string, args ...any) {
		findings = append(findings, Finding{level, rule, "subject " + s.Name, fmt.Sprintf(format, args...)})
	}
	if len(have.Versions) > 0 && have.Compatibility != backwardTransitive {
		add(Doubtful, "compatibility", "its compatibility is %s, so anybody could register what readers cannot read: 'schemas publish' sets %s", orNone(have.Compatibility),
			backwardTransitive)
	}
	latest := s.Versions[len(s.Versions)-1]
	last := -1
	for _, v := range have.Versions {
		schema, err := avro.Parse(v.Text)
		if err != nil {
			add(Refused, "unreadable", "version %d (id %d) cannot be used: %v", v.Version, v.ID, err)
			continue
		}
		at := slices.IndexFunc(s.Versions, func(ours Version) bool { return ours.Schema.Fingerprint == schema.Fingerprint })
		switch err := avro.Compatible(schema, latest.Schema); {
		case err != nil:
			add(Refused, "incompatible", "version %d (id %d) cannot be read with %s: %v; somebody else wrote it, or the files are older than the registry", v.Version, v.ID,
				latest.File, err)
		case at < 0:
			add(Doubtful, "unknown-version", "version %d (id %d) is none of the files: a newer release registered it, or a producer of its own", v.Version, v.ID)
		case at < last:
			add(Note, "order", "version %d (id %d) is %s, registered after a later one", v.Version, v.ID, s.Versions[at].File)
		}
		last = max(last, at)
	}
	return findings
}

func orNone(level string) string {
	if level == "" {
		return "the registry's default"
	}
	return level
}

// Find returns the registered version with the same bytes and form as a published one.
func (r Registered) Find(published Version) (RegisteredVersion, bool) {
	for _, v := range r.Versions {
		if have, err := avro.Parse(v.Text); err == nil && have.Fingerprint == published.Schema.Fingerprint {
			return v, true
		}
	}
	return RegisteredVersion{}, false
}
