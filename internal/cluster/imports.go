package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog/topology"
)

const (
	timestampType = "message.timestamp.type"
	// importedTime is the timestamp type of the topics of commands while a log is imported.
	importedTime = "CreateTime"
	declaredTime = "LogAppendTime"
)

// ErrNotEmpty is wrapped by the error about records in topics that an import needs empty.
var ErrNotEmpty = errors.New("there is a log already")

// CreateForImport creates the missing topics of commands, events and outcomes. It refuses with
// [ErrNotEmpty] if one of them has records. If these may come from an interrupted import, it
// returns begun as true instead.
func CreateForImport(ctx context.Context, c Config, t *topology.Topology, s topology.Settings) (begun bool, err error) {
	s.EnsureDefaults()
	admin, err := c.admin()
	if err != nil {
		return false, err
	}
	defer admin.Close()
	have, err := describe(ctx, admin, t, s)
	if err != nil {
		return false, err
	}
	full, err := withRecords(ctx, admin, t, s, have)
	if err != nil {
		return false, err
	}
	if len(full) > 0 && !importing(t, s, have) {
		return false, fmt.Errorf("%w: %s; an archive is imported into an empty cluster, or under a topic prefix of its own", ErrNotEmpty, strings.Join(full[:min(len(full), 3)], ", "))
	}
	commands, others := logTopics(t, s)
	// Topics of commands come first: no process starts on their timestamp type.
	wanted := slices.Concat(commands, others)
	for _, topic := range commands {
		topic.Config[timestampType] = importedTime
	}
	if _, err := createMissing(ctx, admin, wanted, have); err != nil {
		return false, err
	}
	have, err = awaitMetadata(ctx, admin, t, s, wanted)
	if err != nil {
		return false, err
	}
	mismatches := topology.Diff(wanted, have)
	return len(full) > 0, MismatchError(slices.DeleteFunc(mismatches, func(m topology.Mismatch) bool { return m.Setting == timestampType }))
}

// BeginImport gives the topics of commands another timestamp type than the declared one until
// [FinishImport]. So commands keep their times, and no process starts on half a log.
func BeginImport(ctx context.Context, c Config, t *topology.Topology, s topology.Settings) error {
	return setCommandTimes(ctx, c, t, s, importedTime)
}

// FinishImport gives the topics of commands their declared timestamp type.
func FinishImport(ctx context.Context, c Config, t *topology.Topology, s topology.Settings) error {
	return setCommandTimes(ctx, c, t, s, declaredTime)
}

func setCommandTimes(ctx context.Context, c Config, t *topology.Topology, s topology.Settings, value string) error {
	s.EnsureDefaults()
	admin, err := c.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	commands, _ := logTopics(t, s)
	return alter(ctx, admin, timestampType, value, namesOf(commands))
}

// RefuseHalfImport returns an error that wraps [ErrMismatch] if an import has begun and not ended:
// a part of the log is missing.
func RefuseHalfImport(ctx context.Context, c Config, t *topology.Topology, s topology.Settings) error {
	mismatches, err := VerifyTopics(ctx, c, t, s)
	if err != nil {
		return err
	}
	return MismatchError(slices.DeleteFunc(mismatches, func(m topology.Mismatch) bool { return m.Setting != timestampType || m.Want != declaredTime }))
}

// importing reports whether an import has begun and not ended: commands are given their own times,
// or tables are missing or incomplete.
func importing(t *topology.Topology, s topology.Settings, have map[string]topology.Topic) bool {
	commands, _ := logTopics(t, s)
	for _, topic := range commands {
		if h, exists := have[topic.Name]; exists && h.Config[timestampType] == importedTime {
			return true
		}
	}
	for _, a := range t.Aggregates {
		if table, exists := have[s.Names().Table(a.Name)]; !exists || table.Config[cleanupPolicy] == unfinished {
			return true
		}
	}
	return false
}

// logTopics returns the topics of commands, and separately those of events and outcomes.
func logTopics(t *topology.Topology, s topology.Settings) (commands, others []topology.Topic) {
	n := s.Names()
	for _, topic := range t.Topics(s) {
		for _, a := range t.Aggregates {
			switch topic.Name {
			case n.Commands(a.Name):
				commands = append(commands, topic)
			case n.Events(a.Name), n.Outcomes(a.Name):
				others = append(others, topic)
			}
		}
	}
	return commands, others
}

// withRecords returns the partitions of the log that ever had records.
func withRecords(ctx context.Context, admin admin, t *topology.Topology, s topology.Settings, have map[string]topology.Topic) (full []string, err error) {
	commands, others := logTopics(t, s)
	var names []string
	for _, topic := range slices.Concat(commands, others) {
		if _, exists := have[topic.Name]; exists {
			names = append(names, topic.Name)
		}
	}
	if len(names) == 0 { // which would stand for all
		return nil, nil
	}
	ends, err := admin.ends(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("find whether the topics are empty: %w", err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			full = append(full, fmt.Sprintf("%s/%d ends at offset %d", o.Topic, o.Partition, o.Offset))
		}
	})
	slices.Sort(full)
	return full, nil
}
