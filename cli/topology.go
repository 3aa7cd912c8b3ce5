package cli

import (
	"github.com/spf13/cobra"
)

func (c *Context) topologyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topology",
		Short: "Print the declared system: aggregates, policies, projections and every topic with its settings",
		Example: c.examples(`
{{name}} topology
{{name}} topology --format mermaid > topology.mmd
{{name}} topology --format json | jq '.topics[].name'
`),
		Args: cobra.NoArgs,
	}
	format := cmd.Flags().String("format", "text", "text, mermaid or json; --json means json")
	c.AddFlags(cmd, TopicFlags)
	completeWords(cmd, "format", "text", "mermaid", "json")
	cmd.RunE = func(*cobra.Command, []string) error {
		settings, err := c.settings()
		if err != nil {
			return err
		}
		if c.JSON() {
			*format = "json"
		}
		switch *format {
		case "text":
			return c.Printf("%s", c.App.Topology.Describe(settings))
		case "mermaid":
			return c.Printf("%s", c.App.Topology.Mermaid(settings))
		case "json":
			doc, err := c.App.Topology.JSON(settings)
			if err != nil {
				return err
			}
			return c.Printf("%s\n", doc)
		}
		return Usage("--format %q: use text, mermaid or json", *format)
	}
	return cmd
}

// completeWords makes the shell offer the words as values of a flag.
func completeWords(cmd *cobra.Command, flag string, words ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag does not exist: a defect of the caller
	}
}
