package cli

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/foldlog/foldlog/node"
)

// Settings returns the default of each setting of the configuration file.
func Settings() map[string]string {
	all := map[string]string{}
	for _, o := range options {
		all[o.name] = o.def
		if o.def == "" {
			all[o.name] = `""`
		}
	}
	return all
}

// Paths returns the arguments that lead to each command of an app, but those that cobra adds.
func Paths(app App) [][]string {
	app.ensureDefaults()
	c := &Context{App: app, Out: io.Discard, Err: io.Discard}
	var paths [][]string
	var walk func(cmd *cobra.Command, path []string)
	walk = func(cmd *cobra.Command, path []string) {
		paths = append(paths, append([]string{}, path...))
		for _, child := range cmd.Commands() {
			walk(child, append(path, child.Name()))
		}
	}
	walk(c.root(), nil)
	return paths
}

// Welcome returns what dev prints for a system at these addresses.
func Welcome(app App, http, broker, registry, directory string) (string, error) {
	app.ensureDefaults()
	var out strings.Builder
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.Bool("json", false, "")
	flags.String("topic-prefix", "", "")
	c := &Context{App: app, Out: &out, config: &config{flags: flags}}
	running := node.Running{HTTP: http, Brokers: []string{broker}, Registry: registry, DataDir: directory}
	err := c.welcome(running, 1234*time.Millisecond)
	return out.String(), err
}
