package cli

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/schemas"
)

// devPartitions is the partition count of dev where none is given.
const devPartitions = "4"

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
	setDefault(cmd, "partitions", devPartitions)
	level, _ := optionNamed("log-level")
	level.addTo(cmd.Flags(), "warn") // so that the welcome is not drowned
	reset := cmd.Flags().Bool("reset", false, "delete the data of earlier runs first")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		started := time.Now()
		kafka, registry := c.text("kafka"), c.text("registry-listen")
		if err := errors.Join(checkAddress("kafka", kafka), checkAddress("registry-listen", registry), checkAddress("http", c.text("http"))); err != nil {
			return err
		}
		settings, err := c.settings()
		if err != nil {
			return err
		}
		config := systemConfig{
			app: c.App, roles: []string{roleEdge, roleProcessor, roleView}, settings: settings,
			createTopics: true, http: c.text("http"), logger: c.Logger,
		}
		st := newStages(c.Logger)
		if config.data, config.instance, err = c.ownDataDir(st); err != nil {
			return err
		}
		return c.serve(cmd.Context(), st, func(ctx context.Context) error {
			if *reset {
				if err := config.data.reset(); err != nil {
					return err
				}
			}
			embedded, err := devcluster.Start(ctx, devcluster.Config{
				Dir: config.data.cluster(), KafkaListen: kafka, RegistryListen: registry, Logger: c.Logger,
			})
			if err != nil {
				return embeddedError(err)
			}
			st.add("embedded broker and registry", embedded.Close)
			config.cluster = cluster.Config{Brokers: embedded.Brokers()}
			config.registry = schemas.Config{URL: embedded.RegistryURL()}
			s, err := startSystem(ctx, config, st)
			if err == nil {
				err = s.awaitReady(ctx)
			}
			if errors.Is(err, cluster.ErrMismatch) {
				err = Finding("%w\nor start with --reset, which deletes the data of earlier runs", err)
			}
			if err != nil {
				return err
			}
			return c.welcome(s, time.Since(started))
		})
	}
	return cmd
}

// embeddedError names the flags instead of the settings of the package.
func embeddedError(err error) error {
	text := strings.NewReplacer("KafkaListen", "--kafka", "RegistryListen", "--registry-listen").Replace(err.Error())
	return Infrastructure("%s", text)
}

// reset deletes what earlier runs left, apart from the directory's id.
func (d *dataDir) reset() error {
	err := errors.Join(devcluster.Reset(d.cluster()), os.RemoveAll(d.processors()), os.RemoveAll(d.views()))
	if err != nil {
		return Infrastructure("delete the data of earlier runs: %w", err)
	}
	return nil
}
