package bankapp

import (
	"context"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/client"
)

// overKafka sends commands straight to the commands topic.
func overKafka(log *cli.CommandLog) sender {
	return func(ctx context.Context, command client.Command) (answer, error) {
		outcome, err := log.Send(ctx, foldlog.Command[any]{
			Meta: foldlog.Meta{AggregateID: command.ID, CommandID: command.CommandID, CorrelationID: command.CorrelationID},
			Data: command.Data,
		})
		if err != nil {
			return answer{}, err
		}
		if rejection := outcome.Rejection(); rejection != nil {
			return answer{}, rejection
		}
		a := answer{token: outcome.Token(), newEvents: len(outcome.EventIDs)}
		if outcome.Repeat {
			a.newEvents = 0
		}
		return a, nil
	}
}
