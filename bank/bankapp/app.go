package bankapp

import (
	"github.com/spf13/cobra"

	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/cli"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
)

// App returns the bank with its command line.
func App() cli.App {
	return cli.App{
		Name:     "foldlog",
		Summary:  "Event sourcing on Kafka: commands in, facts out. This program runs the bank, the reference domain.",
		Topology: bank.Topology(),
		Schemas:  bankschemas.Files,
		Examples: []cli.Example{
			{Aggregate: bank.AccountAggregate, ID: "alice", Command: "open", Body: `{"holder_id": "alice", "holder_name": "Alice", "currency": "EUR", "overdraft_limit": 0}`},
			{Aggregate: bank.AccountAggregate, ID: "alice", Command: "deposit", Body: `{"amount": 10000, "currency": "EUR", "reference": "first money"}`},
		},
		Commands: []func(*cli.Context) *cobra.Command{bankCommand},
	}
}

func bankCommand(c *cli.Context) *cobra.Command {
	return cli.Group("bank", "Work with the bank's own data", importCommand(c))
}
