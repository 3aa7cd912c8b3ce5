package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (c *Context) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the program's version",
		Example: c.examples("{{name}} version --json"),
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			platform := runtime.GOOS + "/" + runtime.GOARCH
			if c.JSON() {
				return c.PrintJSON(map[string]string{
					"name": c.App.Name, "version": c.App.Version, "go": runtime.Version(), "platform": platform,
				})
			}
			return c.Printf("%s %s (%s, %s)\n", c.App.Name, c.App.Version, runtime.Version(), platform)
		},
	}
}

// buildVersion returns the version that the Go toolchain recorded: a release's tag, or the commit,
// or "devel".
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if len(revision) < 12 {
		return "devel"
	}
	version := fmt.Sprintf("devel-%s", revision[:12])
	if settings["vcs.modified"] == "true" {
		version += "-modified"
	}
	return version
}
