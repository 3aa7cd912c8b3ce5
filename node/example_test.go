package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/node"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
)

// A program runs the bank with an embedded broker, uses it over HTTP, and stops it.
func ExampleRun() {
	dataDir, _ := os.MkdirTemp("", "node")
	defer os.RemoveAll(dataDir)

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	err := node.Run(ctx, bank.Topology(), node.Options{
		Schemas:  bankschemas.Files,
		DataDir:  dataDir,
		HTTP:     "127.0.0.1:0", // port 0 takes a free one
		Embedded: &devcluster.Config{KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"},
		Ready: func(running node.Running) error {
			defer stop() // a service would go on until it gets a signal
			return openAccount(ctx, "http://"+running.HTTP)
		},
	})
	fmt.Println("stopped:", err)

	// Output:
	// Alice's account is at version 1
	// stopped: <nil>
}

func openAccount(ctx context.Context, url string) error {
	c, err := client.New(client.Config{URL: url})
	if err != nil {
		return err
	}
	opened, err := c.Send(ctx, client.Command{
		Aggregate: "account", ID: "alice", Type: "open",
		Data: map[string]any{"holder_id": "alice", "holder_name": "Alice", "currency": "EUR", "overdraft_limit": 0},
	})
	if err != nil {
		return err
	}
	state, err := c.State(ctx, "account", "alice", opened.Token)
	if err != nil {
		return err
	}
	var account struct {
		Holder string `json:"holder_name"`
	}
	if err := json.Unmarshal(state.Data, &account); err != nil {
		return err
	}
	fmt.Printf("%s's account is at version %d\n", account.Holder, state.Version)
	return nil
}
