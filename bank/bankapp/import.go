package bankapp

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/client"
)

const (
	defaultWorkers = 32
	maxWorkers     = 1024
	// maxListed is how many refused rows and mismatches are printed; --json has all.
	maxListed = 20
)

func importCommand(c *cli.Context) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Import bank records in the Berka format and check every balance",
		Long: `Import transaction files of the PKDD'99 financial data set (Petr Berka): fields separated by semicolons, texts in double quotes,
the first line trans_id;account_id;date;type;operation;amount;balance;k_symbol;bank;account.

Each account is opened without an overdraft limit before its first row. Rows are booked in the order of date and trans_id over all
files: PRIJEM as deposits, VYDAJ and VYBER as withdrawals, in haleru. All files are read and checked before anything is sent.
At the end the balance of each account is compared with the sum of its rows; a difference, or a refused row, is exit code 1.

Ids of commands follow from the files, so a rerun changes nothing: after an interruption, run the same command again.

Commands go through the HTTP interface at --url. With --brokers on the command line they go straight to the commands topic, which needs
--registry, too; balances are read at --url all the same.`,
		Example: `  foldlog bank import trans.asc
  foldlog bank import --url http://127.0.0.1:8080 --workers 64 trans-1993.asc trans-1994.asc
  foldlog bank import --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081 trans.asc`,
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return cli.Usage("name at least one transaction file")
			}
			return nil
		},
	}
	workers := cmd.Flags().Int("workers", defaultWorkers, "accounts to work on at the same time, `n`")
	c.AddFlags(cmd, cli.ClientFlags|cli.KafkaFlags|cli.RegistryFlags|cli.NameFlags)
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		if *workers < 1 || *workers > maxWorkers {
			return cli.Usage("--workers %d: use 1 to %d", *workers, maxWorkers)
		}
		i := &importer{Context: c, workers: *workers}
		return i.run(cmd.Context(), files)
	}
	return cmd
}

type importer struct {
	*cli.Context
	workers int
}

// summary is the result for programs. NB: must not change.
type summary struct {
	Accounts   int        `json:"accounts"`
	Reconciled int        `json:"reconciled"`
	Commands   int        `json:"commands"`
	NewEvents  int        `json:"new_events"`
	Refused    []refusal  `json:"refused"`
	Mismatches []mismatch `json:"mismatches"`
}

func (i *importer) run(ctx context.Context, files []string) error {
	movements, err := readMovements(files)
	if err != nil {
		return cli.Finding("nothing was sent:\n%w", err)
	}
	p, err := planImport(movements, i.workers)
	if err != nil {
		return cli.Finding("nothing was sent:\n%w", err)
	}
	reader, err := i.Client(0)
	if err != nil {
		return err
	}
	send, closeSender, err := i.sender(ctx, reader)
	if err != nil {
		return err
	}
	defer closeSender()
	result, err := i.send(ctx, p, send)
	if err != nil {
		return err
	}
	bar := i.NewProgress("reconciling", "accounts", len(p.accounts))
	mismatches, err := reconcile(ctx, reader, p.accounts, result.tokens, i.workers, func() { bar.Add(1) })
	bar.Close()
	if err != nil {
		return i.stopped(ctx, err, p.steps, p.steps)
	}
	return i.report(p, result, mismatches)
}

// sender returns the function that sends commands, and one that releases it.
func (i *importer) sender(ctx context.Context, reader *client.Client) (sender, func(), error) {
	if !i.Given("brokers") {
		return overHTTP(reader), func() {}, nil
	}
	g, free, err := i.Gateway(ctx)
	if err != nil {
		return nil, nil, err
	}
	return overKafka(g), free, nil
}

func (i *importer) send(ctx context.Context, p plan, send sender) (*progress, error) {
	bar := i.NewProgress("importing", "commands", p.steps)
	defer bar.Close()
	result := &progress{step: func() { bar.Add(1) }, tokens: map[string]foldlog.Token{}}
	if err := sendAll(ctx, p.shards, send, result); err != nil {
		bar.Close()
		return nil, i.stopped(ctx, err, result.done, p.steps)
	}
	return result, nil
}

// stopped is the error of an import that did not come to its end.
func (i *importer) stopped(ctx context.Context, err error, done, all int) error {
	const again = "run the same command again to go on: what is done is recognised and not done twice"
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return cli.Infrastructure("interrupted after %d of %d commands; %s", done, all, again)
	}
	return cli.Infrastructure("stopped after %d of %d commands: %w; %s", done, all, err, again)
}

// report prints the result and says whether it is as it should be.
func (i *importer) report(p plan, result *progress, mismatches []mismatch) error {
	s := summary{
		Accounts: len(p.accounts), Reconciled: len(p.accounts) - len(mismatches), Commands: p.steps, NewEvents: result.newEvents,
		Refused: append([]refusal{}, result.refused...), Mismatches: append([]mismatch{}, mismatches...),
	}
	if i.JSON() {
		if err := i.PrintJSON(s); err != nil {
			return err
		}
	} else {
		list(i, result.refused, func(r refusal) string { return fmt.Sprintf("%s: %s: %s", r.Place, r.Account, r.Reason) }, "refused rows")
		list(i, mismatches, mismatch.Error, "accounts that differ")
		err := i.Printf("accounts %d/%d reconciled, %d commands, %d new events\n", s.Reconciled, s.Accounts, s.Commands, s.NewEvents)
		if err != nil {
			return err
		}
	}
	if len(s.Refused) > 0 || len(s.Mismatches) > 0 {
		return cli.Finding("%d rows were refused, %d accounts differ from the files", len(s.Refused), len(s.Mismatches))
	}
	return nil
}

// list prints the first problems to standard error.
func list[T any](i *importer, items []T, text func(T) string, what string) {
	for n, item := range items {
		if n == maxListed {
			fmt.Fprintf(i.Err, "... and %d more %s; --json has all\n", len(items)-maxListed, what)
			return
		}
		fmt.Fprintln(i.Err, text(item))
	}
}
