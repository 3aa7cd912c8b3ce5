package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/kafkalog"
	"github.com/foldlog/foldlog/topology"
)

func (c *Context) deadLettersCommand() *cobra.Command {
	return Group("dead-letters", "Look at input that could not be handled, or set some aside",
		c.deadLettersListCommand(), c.deadLettersShowCommand(), c.deadLettersSkipCommand())
}

func (c *Context) deadLettersListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, newest first",
		Example: c.examples(`
{{name}} dead-letters list
{{name}} dead-letters list --group ` + c.firstGroup() + ` --limit 10
{{name}} dead-letters list --json | jq -r '.[].cause' | sort | uniq -c
`),
		Args: cobra.NoArgs,
	}
	only := cmd.Flags().String("group", "", "only those of one consumer group, by its `name`")
	limit := cmd.Flags().Int("limit", 50, "at most `n` dead letters")
	c.AddFlags(cmd, KafkaFlags|NameFlags)
	completeWords(cmd, "group", consumerGroups(c.App.Topology, topology.Names{})...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *limit < 1 {
			return Usage("--limit %d: use at least 1", *limit)
		}
		groups := consumerGroups(c.App.Topology, c.Names())
		if *only != "" {
			group, err := c.consumerGroup(*only)
			if err != nil {
				return err
			}
			groups = []string{group}
		}
		letters, err := c.deadLetters(cmd.Context(), groups, *limit)
		if err != nil {
			return err
		}
		if c.JSON() {
			return c.PrintJSON(letters)
		}
		if len(letters) == 0 {
			return c.Printf("no dead letters\n")
		}
		var rows [][]string
		for _, l := range letters {
			rows = append(rows, []string{l.WrittenAt.Format(time.RFC3339), l.Place(), l.Source.String(), l.Key.short(40), l.Cause})
		}
		return c.PrintTable([]string{"WRITTEN", "DEAD LETTER", "SOURCE", "KEY", "CAUSE"}, rows)
	}
	return cmd
}

func (c *Context) deadLettersShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show (TOPIC/PARTITION/OFFSET | GROUP PARTITION OFFSET)",
		Short: "Show one dead letter with its cause, headers and value",
		Example: c.examples(`
{{name}} dead-letters show ` + c.firstGroup() + ` 0 17
{{name}} dead-letters show ` + topology.Names{}.DeadLetters(c.firstGroup()) + `/0/17
`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 3 {
				return Usage("give a dead letter as TOPIC/PARTITION/OFFSET or as GROUP PARTITION OFFSET")
			}
			return nil
		},
	}
	c.AddFlags(cmd, KafkaFlags|NameFlags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		topic, partition, offset, err := c.deadLetterPlace(args)
		if err != nil {
			return err
		}
		letter, err := c.deadLetter(cmd.Context(), topic, partition, offset)
		if err != nil {
			return err
		}
		if c.JSON() {
			return c.PrintJSON(letter)
		}
		return c.printDeadLetter(letter)
	}
	return cmd
}

func (c *Context) printDeadLetter(l *deadLetter) error {
	pairs := [][2]string{
		{"dead letter", l.Place()},
		{"source", l.Source.String()},
		{"group", l.Group},
		{"key", l.Key.String()},
		{"cause", l.Cause},
		{"written", l.WrittenAt.Format(time.RFC3339Nano)},
	}
	for _, h := range l.Headers {
		pairs = append(pairs, [2]string{"header", h.Name + ": " + h.Value.String()})
	}
	if l.Value == nil {
		return c.PrintFields(append(pairs, [2]string{"value", "nil"})...)
	}
	pairs = append(pairs, [2]string{"value", plural(l.Size, "byte") + ", " + l.Value.form() + ":"})
	if err := c.PrintFields(pairs...); err != nil {
		return err
	}
	return c.Printf("%s\n", l.Value.String())
}

// deadLetters returns the newest dead letters of the groups, without their values.
func (c *Context) deadLetters(ctx context.Context, groups []string, limit int) ([]*deadLetter, error) {
	config, err := c.clusterConfig()
	if err != nil {
		return nil, err
	}
	if err := cluster.Ping(ctx, config); err != nil {
		return nil, err
	}
	var topics []string
	for _, g := range groups {
		topics = append(topics, c.Names().DeadLetters(g))
	}
	found := map[string]*deadLetter{} // a record may be visited twice
	err = readTails(ctx, config, topics, limit, func(r *kgo.Record) {
		l := newDeadLetter(r)
		l.Value, l.Headers = nil, nil // up to 2 MiB each: not for a list
		found[l.Place()] = l
	})
	if err != nil {
		return nil, err
	}
	letters := make([]*deadLetter, 0, len(found))
	for _, l := range found {
		letters = append(letters, l)
	}
	slices.SortFunc(letters, newestFirst)
	return letters[:min(limit, len(letters))], nil
}

// deadLetter returns the record at a place.
func (c *Context) deadLetter(ctx context.Context, topic string, partition int32, offset int64) (*deadLetter, error) {
	config, err := c.clusterConfig()
	if err != nil {
		return nil, err
	}
	if err := cluster.Ping(ctx, config); err != nil {
		return nil, err
	}
	inLog, err := logRanges(ctx, config, []string{topic})
	if err != nil {
		return nil, err
	}
	var letter *deadLetter
	if offset >= inLog[topic].from[partition] && offset < inLog[topic].to[partition] {
		log, err := kafkalog.Open(config)
		if err != nil {
			return nil, err
		}
		defer log.Close()
		one := ranges{map[int32]int64{partition: offset}, map[int32]int64{partition: offset + 1}}
		err = readRanges(ctx, log, topic, one, func(r *kgo.Record) {
			if r.Offset == offset {
				letter = newDeadLetter(r)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if letter == nil {
		return nil, Finding("no dead letter at %s/%d/%d; 'dead-letters list' shows those that exist", topic, partition, offset)
	}
	return letter, nil
}

// deadLetterPlace reads the arguments of dead-letters show.
func (c *Context) deadLetterPlace(args []string) (topic string, partition int32, offset int64, err error) {
	if len(args) == 1 {
		if args = strings.Split(args[0], "/"); len(args) != 3 {
			return "", 0, 0, Usage("%q is not TOPIC/PARTITION/OFFSET", args[0])
		}
		group, isDeadLetters := strings.CutSuffix(args[0], topology.Names{}.DeadLetters(""))
		if !isDeadLetters {
			return "", 0, 0, Usage("%q is not a dead letter topic", args[0])
		}
		args = []string{group, args[1], args[2]}
	}
	group, err := c.consumerGroup(args[0])
	if err != nil {
		return "", 0, 0, err
	}
	p, err := strconv.ParseInt(args[1], 10, 32)
	if err != nil || p < 0 {
		return "", 0, 0, Usage("partition %q is not a number", args[1])
	}
	offset, err = strconv.ParseInt(args[2], 10, 64)
	if err != nil || offset < 0 {
		return "", 0, 0, Usage("offset %q is not a number", args[2])
	}
	return c.Names().DeadLetters(group), int32(p), offset, nil
}

// consumerGroup returns the full name of a group that is given with or without the topic prefix.
func (c *Context) consumerGroup(name string) (string, error) {
	groups := consumerGroups(c.App.Topology, c.Names())
	for _, candidate := range []string{name, c.Names().Group(name)} {
		if slices.Contains(groups, candidate) {
			return candidate, nil
		}
	}
	return "", Usage("no consumer group %q; did you mean %q?", name, nearest(name, groups))
}

// consumerGroups returns every consumer group that follows from a topology.
func consumerGroups(t *topology.Topology, n topology.Names) []string {
	var groups []string
	for _, a := range t.Aggregates {
		groups = append(groups, n.Group(a.Name))
	}
	for _, p := range t.Policies {
		groups = append(groups, n.Group(p.Name))
	}
	for _, p := range t.Projections {
		groups = append(groups, n.Group(p.ID()))
		if p.Rekeyed() {
			groups = append(groups, n.RekeyGroup(p.ID()))
		}
	}
	return groups
}

// firstGroup returns a consumer group for examples.
func (c *Context) firstGroup() string {
	groups := consumerGroups(c.App.Topology, topology.Names{})
	if len(groups) == 0 {
		return "GROUP"
	}
	return groups[0]
}
