package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/replay/backup"
)

func (c *Context) importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import DIR",
		Short: "Restore the log from an archive into an empty cluster",
		Long: `Restore the whole system from the archive in a directory: topics, events with their chain, outcomes, commands that were not handled, and from them, as
'recover' does, all tables, re-keyed topics and offsets. Afterwards commands go on with the next versions, repeats of commands within the horizon are
recognised, tokens stay valid, policies do not fire again for events that they had answered, and 'verify' finds nothing. The schema registry may be an
empty one: schemas are registered from the files, and records get its ids.

Before anything is written every file is compared with the manifest. The topics of commands, events and outcomes must be empty or missing, and --partitions
that of the archive. No processor may run meanwhile, and until it is done processes refuse to start. Where it is interrupted, run it again: it goes on
behind what it has written.

Exit codes: 0 done, 1 not possible, and why (a file is damaged, there is a log already), 3 infrastructure.`,
		Example: c.examples(`
{{name}} import /backup/bank --brokers kafka-1:9092 --registry http://registry:8081
{{name}} import /backup/bank --topic-prefix drill. && {{name}} verify --topic-prefix drill.
`),
		Args: cobra.ExactArgs(1),
	}
	flags := c.addReplayFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		config, live, done, err := c.replayConfig(cmd, flags, "importing")
		if err != nil {
			return err
		}
		defer done()
		imported, err := backup.Import(cmd.Context(), config, args[0])
		if err != nil {
			return archiveIsFinding(err)
		}
		done()
		if err := live.Settle(cmd.Context(), config.Cluster, config.Settings.Names()); err != nil {
			return err
		}
		return c.printImported(imported)
	}
	return cmd
}

func (c *Context) printImported(i *backup.Imported) error {
	rate := perSecond(i.Events, i.Took)
	if c.JSON() {
		return c.PrintJSON(struct {
			*backup.Imported
			EventsPerSecond int64 `json:"events_per_second"`
		}{i, rate})
	}
	if i.Found > 0 {
		if err := c.Printf("%s were there already, of an import that did not end\n", plural(int(i.Found), "record")); err != nil {
			return err
		}
	}
	return c.PrintFields(
		[2]string{"as of", i.TakenAt.Format(time.RFC3339)},
		[2]string{"events", fmt.Sprint(i.Events)}, [2]string{"outcomes", fmt.Sprint(i.Outcomes)}, [2]string{"commands", fmt.Sprintf("%d not handled yet", i.Pending)},
		[2]string{"aggregates", fmt.Sprint(i.Recovery.Aggregates)}, [2]string{"rows", fmt.Sprint(i.Recovery.Rows)}, [2]string{"re-keyed", fmt.Sprint(i.Recovery.Rekeyed)},
		[2]string{"took", fmt.Sprintf("%s, %d events/s", i.Took.Round(time.Millisecond), rate)},
	)
}
