package cli

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/processors"
)

// skipped is the answer of dead-letters skip.
type skipped struct {
	Group     string `json:"group"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Reason    string `json:"reason"`
	By        string `json:"by"`
}

func (c *Context) deadLettersSkipCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "skip GROUP PARTITION OFFSET --reason TEXT",
		Short: "Set the next input of a stopped group aside by hand",
		Long: `Make a dead letter of the one input at which a group stands, and move the group behind it: the way past an input that stops a process again and again,
such as one on which the domain's code never returns. /readyz, foldlog_group_waiting_seconds and the log name the group, the partition and the offset.

  1. Stop all processes that run the group. The command waits for --patience until they have left it.
  2. Run this command. The dead letter and the group's new place are one transaction; nothing else is skipped.
  3. Start the processes again.

A command that is set aside has no outcome: its sender gets none. An event that is set aside changes no row and leads to no command of a policy: mend the
domain, then 'rebuild' the projection, or send what the policy did not. The dead letter says the reason and who gave it.

Exit codes: 0 done, 1 not the group's next input, or the group still runs, 2 wrong usage, 3 infrastructure.`,
		Example: c.examples(`
{{name}} dead-letters skip ` + c.firstGroup() + ` 0 17 --reason "the decider never returns, see INC-4711"
`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 3 {
				return Usage("give the group, the partition and the offset, as the log and /readyz name them")
			}
			return nil
		},
	}
	reason := cmd.Flags().String("reason", "", "why, in a few `words`; it becomes the dead letter's cause")
	patience := cmd.Flags().Duration("patience", 30*time.Second, "wait so long for the group's processes to leave it")
	c.AddFlags(cmd, KafkaFlags|RegistryFlags|TopicFlags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		group, err := c.consumerGroup(args[0])
		if err != nil {
			return err
		}
		partition, err := strconv.ParseInt(args[1], 10, 32)
		if err != nil || partition < 0 {
			return Usage("%q is not a partition", args[1])
		}
		offset, err := strconv.ParseInt(args[2], 10, 64)
		if err != nil || offset < 0 {
			return Usage("%q is not an offset", args[2])
		}
		if *reason == "" {
			return Usage("give a --reason: the dead letter is read by people who do not know what happened")
		}
		return c.skip(cmd, skipped{group, int32(partition), offset, *reason, operator()}, *patience)
	}
	return cmd
}

func (c *Context) skip(cmd *cobra.Command, s skipped, patience time.Duration) error {
	config := processors.Config{Topology: c.App.Topology, Instance: "by-hand", DataDir: "unused", Logger: c.Logger, Metrics: prometheus.NewRegistry()}
	var err error
	if config.Cluster, config.Settings, err = c.clusterAndSettings(cmd); err != nil {
		return err
	}
	registry, err := c.registryConfig()
	if err != nil {
		return err
	}
	if config.Codecs, err = c.codecs(cmd.Context(), registry); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	err = processors.SetAside(ctx, config, s.Group, s.Partition, s.Offset, s.Reason+" (by "+s.By+")")
	switch {
	case errors.Is(err, processors.ErrRunning) || errors.Is(err, processors.ErrNotNext):
		return Finding("nothing was set aside: %w", err)
	case err != nil:
		return Infrastructure("set the input aside: %w", err)
	case c.JSON():
		return c.PrintJSON(s)
	}
	return c.Printf("set aside offset %d of partition %d for group %s; start its processes again\n", s.Offset, s.Partition, s.Group)
}
