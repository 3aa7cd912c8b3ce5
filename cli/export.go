package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/replay/backup"
	"github.com/foldlog/foldlog/replay/backup/archive"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/replay/recovery"
)

func (c *Context) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export --out DIR",
		Short: "Write the log to an archive: Avro files by day, with a manifest",
		Long: `Write the log to an archive from which 'import' restores the whole system: all events with their chain, the outcomes that are kept, the commands that
were not handled yet, and how far policies are. Files are Avro object container files, one for each aggregate type, day (UTC, by recorded_at), partition and
schema, that any program can read which knows Avro. The manifest has the ends of every partition and the SHA-256 of every file.

The system may be running: what is exported is one consistent state of it. Run again into the same directory, it adds what was written since; no file is
changed. Where it is interrupted, run it again. It keeps a directory to itself while it runs.

With --commands the commands that were handled are archived, too, for auditing. An import does not need them.

Exit codes: 0 done, 1 not possible, and why (the events are damaged, the directory has another log's archive), 3 infrastructure.`,
		Example: c.examples(`
{{name}} export --out /backup/bank --brokers kafka-1:9092 --registry http://registry:8081
{{name}} export --out /backup/bank --commands --json
`),
		Args: cobra.NoArgs,
	}
	flags := c.addReplayFlags(cmd)
	out := cmd.Flags().String("out", "", "`directory` of the archive; empty, missing, or that of an earlier export of the same log")
	commands := cmd.Flags().Bool("commands", false, "archive the commands that were handled, too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *out == "" {
			return Usage("no directory: give --out DIR")
		}
		config, _, done, err := c.replayConfig(cmd, flags, "exporting")
		if err != nil {
			return err
		}
		defer done()
		exported, err := backup.Export(cmd.Context(), config, *out, *commands)
		if err != nil {
			return archiveIsFinding(err)
		}
		done()
		return c.printExported(exported)
	}
	return cmd
}

// archiveIsFinding gives an error about an archive, or about a log that does not go with it, its
// exit code: no retry mends it.
func archiveIsFinding(err error) error {
	for _, finding := range []error{kit.ErrDamaged, backup.ErrOtherLog, kit.ErrActive, recovery.ErrUndecided, backup.ErrNotImportable,
		archive.ErrDamaged, archive.ErrUnfit, cluster.ErrNotEmpty} {
		if errors.Is(err, finding) {
			return Finding("%w", err)
		}
	}
	return mismatchIsFinding(err)
}

func (c *Context) printExported(e *backup.Exported) error {
	records := e.Events + e.Outcomes + e.Commands + e.Pending
	if c.JSON() {
		e.Missing = append([]string{}, e.Missing...)
		return c.PrintJSON(struct {
			*backup.Exported
			EventsPerSecond  int64 `json:"events_per_second"`
			RecordsPerSecond int64 `json:"records_per_second"`
		}{e, perSecond(e.Events, e.Took), perSecond(records, e.Took)})
	}
	for _, m := range e.Missing {
		if err := c.Printf("not there any more: %s\n", m); err != nil {
			return err
		}
	}
	return c.PrintFields(
		[2]string{"events", fmt.Sprintf("%d more, %d in all", e.Events, e.TotalEvents)}, [2]string{"outcomes", fmt.Sprintf("%d more", e.Outcomes)},
		[2]string{"commands", fmt.Sprintf("%d more, %d not handled yet", e.Commands, e.Pending)},
		[2]string{"files", fmt.Sprintf("%d more, %d bytes", e.Files, e.Bytes)},
		[2]string{"took", fmt.Sprintf("%s, %d events/s", e.Took.Round(time.Millisecond), perSecond(e.Events, e.Took))},
	)
}
