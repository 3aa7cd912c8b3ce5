package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/internal/address"
	"github.com/foldlog/foldlog/node"
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
	completeWords(cmd, "roles", node.Roles()...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options, err := c.nodeOptions()
		if err != nil {
			return err
		}
		options.CreateTopics, options.QuickRestart, options.TransactionsV1 = c.yes("create-topics"), c.yes("quick-restart"), c.yes("transactions-v1")
		if options.Memory = int64(c.number("memory")) << 20; options.Memory < 0 {
			return Usage("--memory %d: use 0 or more", c.number("memory"))
		}
		if options.Roles = c.list("roles"); len(options.Roles) == 0 {
			return Usage("--roles is empty: name at least one of %s", strings.Join(node.Roles(), ", "))
		}
		if options.Kafka, err = c.clusterConfig(); err != nil {
			return err
		}
		if options.Registry, err = c.registryConfig(); err != nil {
			return err
		}
		return node.Run(cmd.Context(), c.App.Topology, options)
	}
	return cmd
}

// nodeOptions returns what run and dev have in common.
func (c *Context) nodeOptions() (node.Options, error) {
	options := node.Options{
		Schemas: c.App.Schemas, HTTP: c.text("http"), DataDir: c.text("data-dir"), Instance: c.text("instance"),
		Version: c.App.Version, Logger: c.Logger,
	}
	if err := address.CheckHostPort("http", options.HTTP); err != nil {
		return options, Usage("%w", err)
	}
	if options.DataDir == "" {
		return options, Usage("--data-dir is empty")
	}
	var err error
	options.Settings, err = c.settings()
	return options, err
}
