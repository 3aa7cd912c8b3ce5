package devcluster

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// keepToFirstTransactions takes back the second version of transactions (KIP-890), as an operator of Apache Kafka can. With it kfake answers who asks again
// for the end of a transaction with how the id's last one ended, which may be that of another holder since.
func (b *broker) keepToFirstTransactions() error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.address))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	const safeDowngrade = 2 // KIP-584
	update := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	update.Feature, update.MaxVersionLevel, update.UpgradeType, update.AllowDowngrade = "transaction.version", 1, safeDowngrade, true
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.FeatureUpdates = append(req.FeatureUpdates, update)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("keep to transactions V1: %w", err)
	}
	codes := []int16{resp.ErrorCode}
	for _, result := range resp.Results {
		codes = append(codes, result.ErrorCode)
	}
	for _, code := range codes {
		if err := kerr.ErrorForCode(code); err != nil {
			return fmt.Errorf("keep to transactions V1: %w", err)
		}
	}
	return nil
}
