package cli

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/internal/address"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/node"
)

func (c *Context) devCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything in one process, on an embedded broker and schema registry",
		Long: `Run everything in one process, on an embedded broker and schema registry: create the topics, register the schemas, start aggregates,
policies, projections, views and the HTTP interface. Nothing else needs to be installed.

The broker and the registry listen on real ports, so kcat and every other client can talk to them. Data stays in the data
directory over restarts; --reset begins with an empty one. It is meant for development and tests: one broker, one replica.`,
		Example: c.examples(`
{{name}} dev
{{name}} dev --reset
{{name}} dev --http 127.0.0.1:9000 --kafka 127.0.0.1:9100 --registry-listen 127.0.0.1:9200 --data-dir /tmp/{{name}}
`),
		Args: cobra.NoArgs,
	}
	c.AddFlags(cmd, ServerFlags|devFlags)
	for _, name := range []string{"topic-prefix", "partitions", "horizon", "outcome-retention", "command-retention", "dead-letter-retention"} {
		o, _ := optionNamed(name)
		o.addTo(cmd.Flags(), o.def)
	}
	setDefault(cmd, "partitions", strconv.Itoa(node.DefaultEmbeddedPartitions))
	level, _ := optionNamed("log-level")
	level.addTo(cmd.Flags(), "warn") // so that the welcome is not drowned
	reset := cmd.Flags().Bool("reset", false, "delete the data of earlier runs first")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		started := time.Now()
		options, err := c.nodeOptions()
		if err != nil {
			return err
		}
		kafka, registry := c.text("kafka"), c.text("registry-listen")
		if err := errors.Join(address.CheckHostPort("kafka", kafka), address.CheckHostPort("registry-listen", registry)); err != nil {
			return Usage("%w", err)
		}
		options.Embedded = &devcluster.Config{KafkaListen: kafka, RegistryListen: registry}
		options.Reset = *reset
		options.Ready = func(n node.Running) error { return c.welcome(n, time.Since(started)) }
		err = node.Run(cmd.Context(), c.App.Topology, options)
		if errors.Is(err, cluster.ErrMismatch) {
			return Finding("%w\nor start with --reset, which deletes the data of earlier runs", err)
		}
		return namingFlags(err)
	}
	return cmd
}

// namingFlags names the flags instead of the settings of the embedded cluster.
func namingFlags(err error) error {
	var failed *node.Error
	if errors.As(err, &failed) && failed.Kind == node.Infrastructure {
		return Infrastructure("%s", strings.NewReplacer("KafkaListen", "--kafka", "RegistryListen", "--registry-listen").Replace(err.Error()))
	}
	return err
}
