package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/versions"
	"github.com/foldlog/foldlog/topology"
)

func (c *Context) topicsCommand() *cobra.Command {
	return Group("topics", "Create or verify the topics of the system", c.topicsCreateCommand(), c.topicsVerifyCommand())
}

func (c *Context) topicsCreateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create the topics that are missing and verify all",
		Long: `Create the topics that are missing, give new policies their starting point (the end of the log as of now, unless they declare
another), and verify every topic. Topics that exist are never changed: a difference is a finding. Where a projection is declared at several versions, the
topics of those that are live are meant: 'rebuild' makes the others.`,
		Example: c.examples(`
{{name}} topics create --brokers kafka-1:9092,kafka-2:9092
{{name}} topics create --partitions 24 --replication-factor 1
`),
		Args: cobra.NoArgs,
	}
	c.AddFlags(cmd, KafkaFlags|TopicFlags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, settings, err := c.clusterAndSettings(cmd)
		if err != nil {
			return err
		}
		resolved, err := versions.Resolve(cmd.Context(), config, c.App.Topology, settings.Names())
		if err != nil {
			return mismatchIsFinding(err)
		}
		created, err := cluster.EnsureTopics(cmd.Context(), config, resolved.Live, settings)
		if err != nil {
			return mismatchIsFinding(err)
		}
		if err := resolved.Settle(cmd.Context(), config, settings.Names()); err != nil {
			return err
		}
		if c.JSON() {
			return c.PrintJSON(struct {
				Created  []string `json:"created"`
				Verified int      `json:"verified"`
			}{append([]string{}, created...), len(resolved.Live.Topics(settings))})
		}
		for _, what := range created {
			if err := c.Printf("created %s\n", what); err != nil {
				return err
			}
		}
		return c.Printf("%s as declared\n", plural(len(resolved.Live.Topics(settings)), "topic"))
	}
	return cmd
}

func (c *Context) topicsVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the topics on the cluster with the declared ones",
		Example: c.examples(`
{{name}} topics verify --brokers kafka-1:9092
{{name}} topics verify --json | jq '.[].setting'
`),
		Args: cobra.NoArgs,
	}
	c.AddFlags(cmd, KafkaFlags|TopicFlags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, settings, err := c.clusterAndSettings(cmd)
		if err != nil {
			return err
		}
		resolved, err := versions.Resolve(cmd.Context(), config, c.App.Topology, settings.Names())
		if err != nil {
			return mismatchIsFinding(err)
		}
		mismatches, err := cluster.VerifyTopics(cmd.Context(), config, resolved.Live, settings)
		if err != nil {
			return err
		}
		if c.JSON() {
			if err := c.PrintJSON(append([]topology.Mismatch{}, mismatches...)); err != nil {
				return err
			}
		} else if err := c.printMismatches(mismatches); err != nil {
			return err
		}
		if len(mismatches) > 0 {
			return Finding("%s between the cluster and the topology", plural(len(mismatches), "difference"))
		}
		if c.JSON() {
			return nil
		}
		return c.Printf("%s as declared\n", plural(len(resolved.Live.Topics(settings)), "topic"))
	}
	return cmd
}

func (c *Context) printMismatches(all []topology.Mismatch) error {
	var text strings.Builder
	for _, m := range all {
		fmt.Fprintln(&text, m.Error())
	}
	return c.Printf("%s", text.String())
}

func (c *Context) clusterAndSettings(cmd *cobra.Command) (cluster.Config, topology.Settings, error) {
	settings, err := c.settings()
	if err != nil {
		return cluster.Config{}, settings, err
	}
	config, err := c.clusterConfig()
	if err != nil {
		return config, settings, err
	}
	return config, settings, cluster.Ping(cmd.Context(), config)
}
