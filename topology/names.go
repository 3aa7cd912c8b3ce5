package topology

import (
	"fmt"
	"strings"
)

// Names derives the name of every topic and consumer group from declared names.
//
// NB: must not change. The names are contracts with all readers and writers of the topics.
type Names struct {
	// Prefix comes before every topic, group and transactional id, so that several systems can
	// share a cluster.
	Prefix string
}

// Commands returns the topic of an aggregate type's commands.
func (n Names) Commands(aggregate string) string { return n.Prefix + aggregate + ".commands" }

// Events returns the topic of an aggregate type's events.
func (n Names) Events(aggregate string) string { return n.Prefix + aggregate + ".events" }

// Outcomes returns the topic of the outcomes of an aggregate type's commands.
func (n Names) Outcomes(aggregate string) string { return n.Prefix + aggregate + ".outcomes" }

// Table returns the compacted topic with the rows of an aggregate type or a projection.
func (n Names) Table(name string) string { return n.Prefix + name + "-table" }

// RekeyedTopic returns the topic that carries events to the partition of their row.
func (n Names) RekeyedTopic(projection string) string { return n.Prefix + projection + ".rekeyed" }

// RekeyGroup returns the consumer group that fills [Names.RekeyedTopic].
func (n Names) RekeyGroup(projection string) string { return n.Prefix + projection + ".rekey" }

// Group returns the consumer group of an aggregate type, a policy or a projection.
func (n Names) Group(name string) string { return n.Prefix + name }

// DeadLetters returns the topic for input that a consumer group could not handle. The group's name
// comes from [Names.Group] or [Names.RekeyGroup].
func (n Names) DeadLetters(group string) string { return group + ".dead-letters" }

// Versions returns the topic that says which version of each projection serves. It exists if any
// projection has more than one version.
func (n Names) Versions() string { return n.Prefix + "foldlog.versions" }

// ID names the topics, consumer groups and schemas of this version: it is the projection's name,
// and from version 2 on the version, too.
//
// NB: must not change. Topics and groups carry it.
func (p *ProjectionSpec) ID() string { return VersionID(p.Name, p.Version) }

// VersionID is the [ProjectionSpec.ID] of a version that need not be declared.
func VersionID(projection string, version int) string {
	if version == 1 {
		return projection
	}
	return fmt.Sprintf("%s.v%d", projection, version)
}

// Subject returns the schema registry subject of a topic's values (TopicNameStrategy).
func Subject(topic string) string { return topic + "-value" }

// camelCase turns "confirm-debit" into "ConfirmDebit".
func camelCase(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
