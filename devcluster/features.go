package devcluster

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// keepToFirstTransactions takes back the second version of transactions (KIP-890), as an operator
// of Apache Kafka can. With the second version, kfake answers a repeated request to end a
// transaction with the end of the id's last transaction, which may be another holder's.
func (b *broker) keepToFirstTransactions() error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.address))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	const safeDowngrade = 2 // KIP-584
	updated, err := kadm.NewClient(client).UpdateFeatures(ctx, false,
		kadm.FeatureUpdate{Feature: "transaction.version", MaxVersionLevel: 1, UpgradeType: safeDowngrade})
	if err == nil {
		err = updated.Error()
	}
	if err != nil {
		return fmt.Errorf("keep to transactions V1: %w", err)
	}
	return nil
}
