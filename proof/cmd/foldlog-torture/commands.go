package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/proof/torture"
	"github.com/foldlog/foldlog/proof/torture/results"
)

func command(started *bool) *cobra.Command {
	root := &cobra.Command{
		Use:           "foldlog-torture",
		Short:         "Drive the whole system under load and faults, and have the runs judged",
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRun: func(*cobra.Command, []string) { *started = true },
	}
	root.AddCommand(listCommand(), runCommand(), setCommand(), reportCommand())
	return root
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the scenarios", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			for _, s := range torture.Scenarios() {
				_, _ = fmt.Fprintf(table, "%s\t%s\n", s.Name, s.Line)
			}
			return table.Flush()
		},
	}
}

// flags are those of run and set.
type flags struct {
	torture.Options
	broker, results string
	json            bool
}

func (f *flags) add(cmd *cobra.Command) {
	var defaults torture.Options
	defaults.EnsureDefaults()
	set := cmd.Flags()
	set.Uint64Var(&f.Seed, "seed", 0, "what the choices follow from; default taken from the clock")
	set.DurationVar(&f.Duration, "duration", 0, "how long there are faults; default the scenario's")
	set.IntVar(&f.Faults, "faults", 0, "how many faults there are at most; default the scenario's")
	set.IntVar(&f.Rate, "rate", defaults.Rate, "what the clients do in a second, without the probes")
	set.DurationVar(&f.WarmUp, "warm-up", 0, "how long there is load before the first fault; a broker that started a moment ago is slow")
	set.DurationVar(&f.ProbeEvery, "probe-every", defaults.ProbeEvery, "how often each partition is probed; a stall that is shorter is not seen")
	set.StringVar(&f.Out, "out", defaults.Out, "`directory` that each run gets one in")
	set.BoolVar(&f.Keep, "keep", false, "keep the data of brokers and instances of runs that passed, too")
	set.StringSliceVar(&f.Beside, "beside", nil, "`commands` that run over and over beside the load: "+strings.Join(torture.Besides(), ", "))
	set.StringVar(&f.Planted, "planted", "", "`bug` that every instance has, of proof/planted")
	set.StringVar(&f.broker, "broker", "kafka", "kafka, or embedded, where foldlog dev is broker and registry")
	set.StringVar(&f.Binaries.Product, "binary", "", "foldlog `program`; default built here")
	set.StringVar(&f.Binaries.Planted, "planted-binary", "", "foldlog `program` with crash points and the bug of --planted; default built here")
	set.StringVar(&f.Binaries.Next, "next-binary", "", "`program` of the next release, which --beside rebuild runs, with crash points and the bug of --planted; default built here")
	set.StringVar(&f.Checker, "checker", "", "`program` that judges; default foldlog-check beside this one, then on the path")
	set.StringVar(&f.results, "results", "", "`file` that each run appends a line of JSON to")
	set.BoolVar(&f.json, "json", false, "print summaries as JSON lines on standard output, progress on standard error")
}

// options returns the options for a run, checked.
func (f *flags) options(cmd *cobra.Command) (torture.Options, error) {
	o := f.Options
	switch f.broker {
	case "kafka":
	case "embedded":
		o.Embedded = true
	default:
		return o, usage{fmt.Errorf("--broker %s: use kafka or embedded", f.broker)}
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano()) % 1_000_000_007
	}
	o.Progress = cmd.OutOrStdout()
	if f.json {
		o.Progress = cmd.ErrOrStderr()
	}
	if err := o.Validate(); err != nil {
		return o, usage{err}
	}
	return o, nil
}

func runCommand() *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "run SCENARIO...",
		Short: "Run scenarios, one after the other",
		Long: `Run scenarios, one after the other. Each run has a directory with all that clients were told and all that topics, views and stores
contained at the end; foldlog-check judges it. Exit 0: all passed. 1: a violation or a problem. 2: wrong arguments. 3: a run could not begin.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			scenarios, err := torture.Find(args)
			if err != nil {
				return usage{err}
			}
			return f.all(cmd, scenarios)
		},
	}
	f.add(cmd)
	return cmd
}

func setCommand() *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use: "set short|long", Short: "Run a set of scenarios", Args: cobra.ExactArgs(1), ValidArgs: []string{"short", "long"},
		RunE: func(cmd *cobra.Command, args []string) error {
			scenarios, err := torture.Set(args[0])
			if err != nil {
				return usage{err}
			}
			return f.all(cmd, scenarios)
		},
	}
	f.add(cmd)
	return cmd
}

// all runs scenarios and prints their summaries.
func (f *flags) all(cmd *cobra.Command, scenarios []torture.Scenario) error {
	options, err := f.options(cmd)
	if err != nil {
		return err
	}
	bad := 0
	for _, scenario := range scenarios {
		summary, err := torture.Run(cmd.Context(), scenario, options)
		if err != nil {
			return err
		}
		if !summary.Good() {
			bad++
		}
		if err := f.print(cmd, summary); err != nil {
			return err
		}
	}
	if bad > 0 {
		return finding{fmt.Errorf("%d of %d runs did not pass", bad, len(scenarios))}
	}
	return nil
}

func (f *flags) print(cmd *cobra.Command, summary results.Summary) error {
	if f.results != "" {
		if err := results.Append(f.results, summary); err != nil {
			return err
		}
	}
	if f.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(summary)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), summary)
	return err
}

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "report FILE...", Short: "Print sums by scenario of results files as a Markdown table", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var all []results.Summary
			for _, name := range args {
				runs, err := load(cmd.Context(), name)
				if err != nil {
					return err
				}
				all = append(all, runs...)
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), results.Report(all))
			return err
		},
	}
}

func load(_ context.Context, name string) ([]results.Summary, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, usage{err}
	}
	defer func() { _ = file.Close() }() // it was only read
	runs, err := results.Load(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return runs, nil
}
