package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// root builds the whole command tree.
func (c *Context) root() *cobra.Command {
	name := c.App.Name
	root := &cobra.Command{
		Use:   name,
		Short: c.App.Summary,
		Long: paragraphs(c.App.Summary,
			`Settings come from flags, from environment variables (FOLDLOG_...), and from `+DefaultConfigFile+` in the working directory or the
file that --config names, in this order of precedence.`,
			`Exit codes: 0 fine, 1 a finding or a rejection, 2 wrong usage, 3 infrastructure.`),
		Example: c.examples(`
# the whole system in one process, on an embedded broker
{{name}} dev
`),
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return c.prepareUnlessHelp(cmd) },
		RunE:              showHelp,
		Args:              noSuchCommand,
	}
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	root.PersistentFlags().String("config", "", "configuration `file`; default "+DefaultConfigFile+" where there is one ["+envPrefix+"CONFIG]")
	for _, o := range options {
		if o.group == globalFlags {
			o.addTo(root.PersistentFlags(), o.def)
		}
	}
	root.AddCommand(
		c.devCommand(),
		c.runCommand(),
		c.topologyCommand(),
		c.lintCommand(),
		c.topicsCommand(),
		c.schemasCommand(),
		c.sendCommand(),
		c.stateCommand(),
		c.eventsCommand(),
		c.diffCommand(),
		c.traceCommand(),
		c.deadLettersCommand(),
		c.verifyCommand(),
		c.recoverCommand(),
		c.rebuildCommand(),
		c.exportCommand(),
		c.importCommand(),
		c.versionCommand(),
	)
	for _, extra := range c.App.Commands {
		root.AddCommand(extra(c))
	}
	return root
}

// prepareUnlessHelp reads the configuration for commands that use it. Help and completion work
// beside a broken file, too.
func (c *Context) prepareUnlessHelp(cmd *cobra.Command) error {
	for at := cmd; at.HasParent(); at = at.Parent() {
		if n := at.Name(); n == "help" || n == "completion" || strings.HasPrefix(n, "__complete") {
			c.started = true
			return nil
		}
	}
	return c.prepare(cmd)
}

// examples fills the program's name into an example text and indents it as cobra's help does.
func (c *Context) examples(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(text, "{{name}}", c.App.Name))
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

func paragraphs(texts ...string) string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return strings.Join(kept, "\n\n")
}

// Group makes a command that only has commands of its own. Its examples are the first ones of
// theirs.
func Group(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  noSuchCommand,
		RunE:  showHelp,
	}
	cmd.AddCommand(children...)
	var examples []string
	for _, child := range children {
		first, _, _ := strings.Cut(child.Example, "\n")
		examples = append(examples, first)
	}
	cmd.Example = strings.Join(examples, "\n")
	return cmd
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// noSuchCommand refuses arguments of a command that only has commands of its own, with the nearest
// of them.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, child := range cmd.Commands() {
		if child.IsAvailableCommand() {
			names = append(names, child.Name())
		}
	}
	return Usage("%s has no command %q; did you mean %q?", cmd.CommandPath(), args[0], nearest(args[0], names))
}
