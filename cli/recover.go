package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/replay/recovery"
)

func (c *Context) recoverCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Rebuild all tables and re-keyed topics from the events",
		Long: `Rebuild all tables and re-keyed topics from the events alone. Needed are the topics of commands, outcomes and events, which stay as they are; everything
else is deleted and made anew: the tables of aggregates and projections with version, chain and time, and the re-keyed topics. Consumer groups that have
lost their offsets go on where they were: aggregates after the last command that has an outcome, policies after the last event that they have answered, so
that no command is lost or done twice, and none is sent again for an old event.

No processor may run meanwhile: it is refused while a consumer group has members, and until it is done processes refuse to start. It reads all events
first, and stops before it changes anything where they are damaged. Where it is interrupted, run it again. Local data directories need no care: stores
that belong to the old topics are thrown away by themselves.

Exit codes: 0 done, 1 not possible, and why (processors run, events are damaged), 3 infrastructure.`,
		Example: c.examples(`
{{name}} recover --brokers kafka-1:9092 --registry http://registry:8081
{{name}} recover --partitions 24 && {{name}} verify --partitions 24
`),
		Args: cobra.NoArgs,
	}
	flags := c.addReplayFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, live, done, err := c.replayConfig(cmd, flags, "recovering")
		if err != nil {
			return err
		}
		defer done()
		recovered, err := recovery.Run(cmd.Context(), config)
		switch {
		case errors.Is(err, kit.ErrActive), errors.Is(err, kit.ErrDamaged), errors.Is(err, recovery.ErrUndecided):
			return Finding("%w", err)
		case err != nil:
			return mismatchIsFinding(err)
		}
		done()
		if err := live.Settle(cmd.Context(), config.Cluster, config.Settings.Names()); err != nil {
			return err
		}
		return c.printRecovered(recovered)
	}
	return cmd
}

func (c *Context) printRecovered(r *recovery.Result) error {
	rate := perSecond(r.Events, r.Took)
	if c.JSON() {
		r.Topics, r.Offsets = append([]string{}, r.Topics...), append([]string{}, r.Offsets...)
		return c.PrintJSON(struct {
			*recovery.Result
			EventsPerSecond int64 `json:"events_per_second"`
		}{r, rate})
	}
	for _, topic := range r.Topics {
		if err := c.Printf("rebuilt %s\n", topic); err != nil {
			return err
		}
	}
	for _, o := range r.Offsets {
		if err := c.Printf("%s\n", o); err != nil {
			return err
		}
	}
	return c.PrintFields(
		[2]string{"events", fmt.Sprint(r.Events)}, [2]string{"aggregates", fmt.Sprint(r.Aggregates)}, [2]string{"rows", fmt.Sprint(r.Rows)},
		[2]string{"re-keyed", fmt.Sprint(r.Rekeyed)},
		[2]string{"took", fmt.Sprintf("%s, %d events/s", r.Took.Round(time.Millisecond), rate)},
	)
}
