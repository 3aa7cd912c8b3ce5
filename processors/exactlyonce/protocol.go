package exactlyonce

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// protocol is a version of Kafka's transactions.
type protocol int8

const (
	// transactionsV1: partitions and offsets are added to a transaction by requests of their own,
	// and the epoch stays for a producer's life.
	transactionsV1 protocol = 1
	// transactionsV2 (KIP-890, Apache Kafka from 4.0 on): a partition joins when it is written to,
	// which saves two requests, and the end of each transaction raises the epoch. So brokers can
	// tell a late record of one transaction from the next one's.
	transactionsV2 protocol = 2
)

// transactionFeature is what brokers call their version of transactions, in
// [kmsg.ApiVersionsResponse].
const transactionFeature = "transaction.version"

// most returns the highest versions of the requests in which the protocols differ. Produce stays
// below the version that names topics by id.
func (p protocol) most() map[kmsg.Key]int16 {
	if p == transactionsV2 {
		return map[kmsg.Key]int16{kmsg.Produce: 12, kmsg.EndTxn: 5, kmsg.TxnOffsetCommit: 5}
	}
	return map[kmsg.Key]int16{kmsg.Produce: 11, kmsg.EndTxn: 4, kmsg.TxnOffsetCommit: 4}
}

// versions are the request versions that a client may use. Fetch stays below the version that names
// topics by id. franz-go chooses the second protocol if its versions are allowed and the brokers
// have finalised it.
func (p protocol) versions() *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(int16(kmsg.Fetch), 12)
	v.SetMaxKeyVersion(int16(kmsg.OffsetCommit), 8)
	v.SetMaxKeyVersion(int16(kmsg.AddOffsetsToTxn), 3)
	for key, most := range p.most() {
		v.SetMaxKeyVersion(int16(key), most)
	}
	return v
}

// finalized returns the protocol that a broker's cluster has finalised.
func finalized(versions *kmsg.ApiVersionsResponse) protocol {
	for _, f := range versions.FinalizedFeatures {
		if f.Name == transactionFeature && f.MaxVersionLevel >= int16(transactionsV2) {
			return transactionsV2
		}
	}
	return transactionsV1
}

func (p protocol) String() string { return fmt.Sprintf("transactions V%d", int8(p)) }
