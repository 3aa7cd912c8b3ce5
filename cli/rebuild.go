package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/replay/rebuild"
)

// defaultRebuildRate leaves most of a small machine to the traffic.
const defaultRebuildRate = 5000

func (c *Context) rebuildCommand() *cobra.Command {
	example := c.exampleProjection()
	cmd := &cobra.Command{
		Use:   "rebuild PROJECTION",
		Short: "Fill a new version of a projection from all events while the system runs, compare, and switch queries to it",
		Long: `Fill a new version of a projection from the first event on, while the version before serves: for a changed Project or Key function, or a row that old
rows cannot become. The new version is declared beside the one before (AtVersion, Beside), and the release that has both is deployed.

  1. It makes the new version's topics, and fills its table with the processors' own code, at most --rate events a second. Queries are answered from the
     version before, and no policy fires.
  2. It folds all events once more and compares every row of the new version with that; and it compares what both versions make of the same events:
     rows and columns that differ are listed.
  3. The processors take the new version over and keep both up to date, and queries are switched, on every server in one step.

Interrupted at any point, run it again: it goes on where it was. Several that run at once share the work, each at its own --rate. It does not switch where
a row is not what the events lead to. --back switches back, as often as you like, while the version before is kept. --drop deletes the one that does not serve.

Exit codes: 0 done, 1 refused, and why (rows differ from the events, the processors do not know the version), 2 wrong usage, 3 infrastructure.`,
		Example: c.examples(`
{{name}} rebuild ` + example + ` --rate 2000
{{name}} rebuild ` + example + ` --no-switch --json | jq .comparison
{{name}} rebuild ` + example + ` --status
{{name}} rebuild ` + example + ` --back
{{name}} rebuild ` + example + ` --drop
`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return Usage("give the projection")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return c.projectionNames(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	flags := c.addReplayFlags(cmd)
	rate := cmd.Flags().Int("rate", defaultRebuildRate, "fill at most so many `events` a second; 0 is without limit")
	limit := cmd.Flags().Int("limit", 20, "list at most `n` findings and differences; all are counted")
	noSwitch := cmd.Flags().Bool("no-switch", false, "fill and compare, and leave queries where they are")
	back := cmd.Flags().Bool("back", false, "switch queries back to the version before")
	drop := cmd.Flags().Bool("drop", false, "delete the version that does not serve")
	status := cmd.Flags().Bool("status", false, "say which versions there are and how far they are")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(c.projectionNames(), args[0]) {
			return Usage("no projection %q; did you mean %q?", args[0], nearest(args[0], c.projectionNames()))
		}
		if *rate < 0 {
			return Usage("--rate %d: use 0 or more", *rate)
		}
		if *limit < 1 {
			return Usage("--limit %d: use at least 1", *limit)
		}
		if count(*noSwitch, *back, *drop, *status) > 1 {
			return Usage("give one of --no-switch, --back, --drop and --status")
		}
		reading := kit.Config{Topology: c.App.Topology, Logger: c.Logger}
		var err error
		// they decode nothing: an outage of the schema registry must not keep anybody from going
		// back
		if *status || *back || *drop {
			reading.Cluster, reading.Settings, err = c.clusterAndSettings(cmd)
		} else {
			reading, err = c.readingConfig(cmd, flags)
		}
		if err != nil {
			return err
		}
		reading.MaxFindings = *limit
		config := rebuild.Config{Reading: reading, Projection: args[0], By: operator(), Rate: float64(*rate), NoSwitch: *noSwitch}
		switch ctx := cmd.Context(); {
		case *status:
			return c.versionStatus(ctx, config)
		case *back:
			return c.switchBack(ctx, config)
		case *drop:
			return c.dropVersion(ctx, config)
		default:
			return c.rebuild(ctx, config)
		}
	}
	return cmd
}

// rebuild fills, compares and switches.
func (c *Context) rebuild(ctx context.Context, config rebuild.Config) (err error) {
	if config.DataDir, err = os.MkdirTemp(config.Reading.TempDir, "foldlog-rebuild-"); err != nil {
		return Infrastructure("directory for the rows while they are filled: %w", err)
	}
	defer func() {
		if failure := os.RemoveAll(config.DataDir); failure != nil && err == nil {
			err = Infrastructure("remove the rows that were filled: %w", failure)
		}
	}()
	var progress *openProgress
	end := func() {
		if progress != nil {
			progress.close()
		}
	}
	defer func() { end() }()
	config.Stage = func(what string) func(n, total int64) {
		end()
		progress = c.newOpenProgress(what)
		return progress.add
	}
	done, err := rebuild.Run(ctx, config)
	end()
	if done != nil && done.Comparison != nil {
		if failure := c.printRebuilt(config.Projection, done); failure != nil {
			return failure
		}
	}
	return refusedIsFinding(err)
}

func refusedIsFinding(err error) error {
	if errors.Is(err, rebuild.ErrRefused) || errors.Is(err, kit.ErrDamaged) {
		return Finding("%w", err)
	}
	return mismatchIsFinding(err)
}

func (c *Context) printRebuilt(projection string, r *rebuild.Result) error {
	if c.JSON() {
		return c.PrintJSON(struct {
			*rebuild.Result
			EventsPerSecond int64 `json:"events_per_second"`
		}{r, perSecond(r.Filled, r.Took)})
	}
	var text strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintln(&text, f)
	}
	if more := r.Total - int64(len(r.Findings)); more > 0 {
		fmt.Fprintf(&text, "and %d more findings; --limit lists more of them\n", more)
	}
	compared := r.Comparison
	for _, d := range compared.Differences {
		column := d.Column
		if column != "" {
			column = " " + column
		}
		fmt.Fprintf(&text, "%q%s: %s in version %d, %s in version %d\n", d.Key, column, d.Before, compared.Before, d.Now, compared.Now)
	}
	if err := c.Printf("%s", text.String()); err != nil {
		return err
	}
	pairs := [][2]string{}
	if r.Took > 0 {
		pairs = append(pairs, [2]string{"filled", fmt.Sprintf("version %d, %s, %d events/s", compared.Now, r.Took.Round(time.Millisecond), perSecond(r.Filled, r.Took))})
	}
	return c.PrintFields(append(pairs,
		[2]string{"findings", fmt.Sprint(r.Total)},
		[2]string{"rows", fmt.Sprint(compared.Rows)}, [2]string{"same", fmt.Sprintf("%d in the columns that both versions have", compared.Same)},
		[2]string{"differing", fmt.Sprint(compared.Differing)},
		[2]string{fmt.Sprintf("only in version %d", compared.Before), fmt.Sprint(compared.OnlyBefore)}, [2]string{fmt.Sprintf("only in version %d", compared.Now), fmt.Sprint(compared.OnlyNow)},
		[2]string{"new columns", listed(compared.New)}, [2]string{"columns gone", listed(compared.Gone)},
		[2]string{"serving", fmt.Sprintf("%s version %d", projection, r.State.Serving)},
	)...)
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func (c *Context) switchBack(ctx context.Context, config rebuild.Config) error {
	state, err := rebuild.Back(ctx, config)
	if err != nil {
		return refusedIsFinding(err)
	}
	if c.JSON() {
		return c.PrintJSON(state)
	}
	return c.Printf("%s version %d serves, version %d is kept\n", state.Projection, state.Serving, state.Other)
}

func (c *Context) dropVersion(ctx context.Context, config rebuild.Config) error {
	dropped, err := rebuild.Drop(ctx, config)
	if err != nil {
		return refusedIsFinding(err)
	}
	if c.JSON() {
		return c.PrintJSON(dropped)
	}
	for _, topic := range dropped.Topics {
		if err := c.Printf("deleted topic %s\n", topic); err != nil {
			return err
		}
	}
	for _, group := range dropped.Groups {
		if err := c.Printf("deleted consumer group %s\n", group); err != nil {
			return err
		}
	}
	return c.Printf("%s version %d serves\n", config.Projection, dropped.State.Serving)
}

func (c *Context) versionStatus(ctx context.Context, config rebuild.Config) error {
	all, err := rebuild.Versions(ctx, config)
	if err != nil {
		return refusedIsFinding(err)
	}
	if c.JSON() {
		return c.PrintJSON(all)
	}
	var rows [][]string
	for _, v := range all {
		since := ""
		if !v.Since.IsZero() {
			since = shortTime(v.Since)
		}
		rows = append(rows, []string{fmt.Sprint(v.Version), v.Status, fmt.Sprint(v.Behind), since, v.By})
	}
	return c.PrintTable([]string{"VERSION", "STATUS", "BEHIND", "SINCE", "BY"}, rows)
}

// count returns how many are true.
func count(all ...bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}

// operator says who runs the command, for the record.
func operator() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

// projectionNames returns the names of the declared projections, each once.
func (c *Context) projectionNames() []string {
	var names []string
	for _, p := range c.App.Topology.Projections {
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}

// exampleProjection returns the projection that examples are about.
func (c *Context) exampleProjection() string {
	if names := c.projectionNames(); len(names) > 0 {
		return names[0]
	}
	return "PROJECTION"
}
