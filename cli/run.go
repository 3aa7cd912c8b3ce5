package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (c *Context) runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run parts of the system against Kafka",
		Long: `Run parts of the system against Kafka, until SIGINT or SIGTERM, which drain what is under way.

Roles:
  processor  runs aggregates, policies and projections
  edge       takes commands over HTTP and answers reads of states
  view       answers reads of views over HTTP
A process with edge or view replicates the tables into its data directory and serves the whole HTTP interface; the two
differ in what a load balancer sends there. A process with the role processor alone serves /healthz, /readyz and /metrics.

While Kafka or the schema registry cannot be reached, the process stays up, tries again, and says so in its log and at /readyz. Topics that
are missing or differ from the declared ones make it refuse to start (exit 1) and name the setting.`,
		Example: c.examples(`
{{name}} run --brokers kafka-1:9092,kafka-2:9092 --registry http://registry:8081
{{name}} run --roles processor --data-dir /var/lib/{{name}} --http :8080
`),
		Args: cobra.NoArgs,
	}
	c.AddFlags(cmd, KafkaFlags|RegistryFlags|TopicFlags|ServerFlags|runFlags)
	completeWords(cmd, "roles", roleEdge, roleProcessor, roleView)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := c.runConfig()
		if err != nil {
			return err
		}
		st := newStages(c.Logger)
		if config.data, config.instance, err = c.ownDataDir(st); err != nil {
			return err
		}
		return c.serve(cmd.Context(), st, func(ctx context.Context) error {
			s, err := startSystem(ctx, config, st)
			if err != nil {
				return err
			}
			c.Logger.Info("started", "roles", config.roles, "instance", config.instance, "http", s.address, "brokers", config.cluster.Brokers)
			if err := s.awaitReady(ctx); err != nil {
				return err
			}
			c.Logger.Info("ready")
			return nil
		})
	}
	return cmd
}

// runConfig reads everything but the data directory.
func (c *Context) runConfig() (systemConfig, error) {
	config := systemConfig{app: c.App, logger: c.Logger, createTopics: c.yes("create-topics"), quickRestart: c.yes("quick-restart"), transactionsV1: c.yes("transactions-v1"), http: c.text("http")}
	for _, role := range c.list("roles") {
		known := []string{roleEdge, roleProcessor, roleView}
		if !slices.Contains(known, role) {
			return config, Usage("--roles: no role %q; use %s", role, strings.Join(known, ", "))
		}
		config.roles = append(config.roles, role)
	}
	if len(config.roles) == 0 {
		return config, Usage("--roles is empty: name at least one of edge, processor, view")
	}
	var err error
	if config.settings, err = c.settings(); err != nil {
		return config, err
	}
	if config.cluster, err = c.clusterConfig(); err != nil {
		return config, err
	}
	config.registry, err = c.registryConfig()
	return config, err
}

// ownDataDir takes the data directory and returns it with the name of this process. The stages give
// it back.
func (c *Context) ownDataDir(st *stages) (*dataDir, string, error) {
	dir, err := openDataDir(c.text("data-dir"))
	if err != nil {
		return nil, "", err
	}
	st.add("data directory", dir.Close)
	instance := c.text("instance")
	if instance == "" {
		if instance, err = dir.instance(); err != nil {
			return nil, "", errors.Join(err, st.stop())
		}
	}
	return dir, instance, nil
}

// serve starts something and keeps it running until ctx ends, which is a good end, or a part of it
// fails. Either way everything is stopped in order.
func (c *Context) serve(ctx context.Context, st *stages, start func(context.Context) error) error {
	err := start(ctx)
	if err == nil {
		err = st.wait(ctx)
	}
	asked := ctx.Err() != nil
	if asked && (err == nil || errors.Is(err, context.Canceled)) {
		err = nil
		c.Logger.Info("draining")
	}
	if stopErr := st.stop(); stopErr != nil {
		err = errors.Join(err, stopErr)
	}
	if err == nil {
		c.Logger.Info("stopped")
	}
	return err
}
