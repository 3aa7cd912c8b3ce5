package bankapp

import (
	"context"
	"encoding/json"

	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/gateway"
)

// overKafka sends commands straight to the commands topic.
func overKafka(g *gateway.Gateway) sender {
	return func(ctx context.Context, command client.Command) (answer, error) {
		body, err := json.Marshal(command.Data)
		if err != nil {
			return answer{}, err
		}
		outcome, err := g.Send(ctx, gateway.Command{Aggregate: command.Aggregate, ID: command.ID, Name: command.Type, CommandID: command.CommandID, Body: body})
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
