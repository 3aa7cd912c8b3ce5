package main

import (
	"context"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/processors/atleastonce"
)

// runAtLeastOnce is our runner without transactions.
func runAtLeastOnce(ctx context.Context, t task) error {
	r := atleastonce.New(t.group(), atleastonce.Config{Cluster: cluster.Config{Brokers: t.Brokers}, DataDir: t.Dir, Logger: warnings()})
	go sayWhenRecovered(ctx, r.Recovered)
	return r.Run(ctx)
}
