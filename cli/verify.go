package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/replay/verify"
)

func (c *Context) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove from the log that everything in it fits together",
		Long: `Read the whole log once, in parallel, and prove: versions of each aggregate are 1, 2, 3 ...; the chain of hashes is unbroken and ends in the
state's row; every record can be read and is in the partition of its key; recorded_at never goes backwards; the fold of the events is what the
tables have, of aggregates and projections; re-keyed topics have each event once and in order; each command that was handled has one outcome or dead
letter, as far as retention reaches; outcomes and events name each other; ids of events follow from their commands. With --url, what is served over
HTTP is compared, too.

The system may be running. At rest the comparison is exact; else a row must be what the events lead to up to some place between the offsets that its
group had committed before and after.

Exit codes: 0 nothing found, 1 findings, each with its exact place, 3 the log could not be read.`,
		Example: c.examples(`
{{name}} verify --brokers kafka-1:9092 --registry http://registry:8081
{{name}} verify --url http://127.0.0.1:8080 --sample -1
{{name}} verify --json | jq '.findings[].check'
`),
		Args: cobra.NoArgs,
	}
	flags := c.addReplayFlags(cmd)
	limit := cmd.Flags().Int("limit", kit.DefaultMaxFindings, "list at most `n` findings; all are counted")
	sample := cmd.Flags().Int("sample", verify.DefaultSample, "with --url, ask for about `n` rows of each table; -1 for all")
	url, _ := optionNamed("url")
	cmd.Flags().String(url.name, "", "`address` of the HTTP interface, to compare what it answers; default not to ask ["+url.env()+"]")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *limit < 1 {
			return Usage("--limit %d: use at least 1", *limit)
		}
		if *sample == 0 || *sample < -1 {
			return Usage("--sample %d: use at least 1, or -1 for all", *sample)
		}
		config, live, done, err := c.replayConfig(cmd, flags, "verifying")
		if err != nil {
			return err
		}
		defer done()
		config.MaxFindings = *limit
		var served *verify.Served
		if c.text("url") != "" {
			if served, err = c.served(*sample, live.States); err != nil {
				return err
			}
		}
		report, err := verify.Run(cmd.Context(), config, served)
		if err != nil {
			return mismatchIsFinding(err)
		}
		done()
		return c.printVerified(report)
	}
	return cmd
}

// perSecond returns a rate as a whole number.
func perSecond(n int64, took time.Duration) int64 {
	return int64(float64(n) / max(took.Seconds(), 0.001))
}

func (c *Context) printVerified(r *verify.Report) error {
	err := error(nil)
	if c.JSON() {
		r.Findings, r.Unchecked = append([]kit.Finding{}, r.Findings...), append([]string{}, r.Unchecked...)
		err = c.PrintJSON(struct {
			*verify.Report
			EventsPerSecond  int64 `json:"events_per_second"`
			RecordsPerSecond int64 `json:"records_per_second"`
		}{r, perSecond(r.Events, r.Took), perSecond(r.Records(), r.Took)})
	} else {
		err = c.printReport(r)
	}
	if err != nil {
		return err
	}
	if r.Total > 0 {
		return Finding("%s; what is wrong, and what to do, is in docs/recovery.md", plural(int(r.Total), "finding"))
	}
	return nil
}

func (c *Context) printReport(r *verify.Report) error {
	for _, f := range r.Findings {
		if err := c.Printf("%s\n", f); err != nil {
			return err
		}
	}
	if more := r.Total - int64(len(r.Findings)); more > 0 {
		if err := c.Printf("and %d more; --limit lists more of them\n", more); err != nil {
			return err
		}
	}
	for _, u := range r.Unchecked {
		if err := c.Printf("not checked: %s\n", u); err != nil {
			return err
		}
	}
	pairs := [][2]string{
		{"events", fmt.Sprint(r.Events)}, {"commands", fmt.Sprint(r.Commands)}, {"outcomes", fmt.Sprint(r.Outcomes)}, {"re-keyed", fmt.Sprint(r.Rekeyed)},
		{"aggregates", fmt.Sprint(r.Aggregates)}, {"rows", fmt.Sprint(r.Rows)},
	}
	if r.Served > 0 {
		pairs = append(pairs, [2]string{"served", fmt.Sprint(r.Served)})
	}
	pairs = append(pairs, [2]string{"took", fmt.Sprintf("%s, %d events/s, %d records/s", r.Took.Round(time.Millisecond), perSecond(r.Events, r.Took), perSecond(r.Records(), r.Took))},
		[2]string{"findings", fmt.Sprint(r.Total)})
	return c.PrintFields(pairs...)
}
