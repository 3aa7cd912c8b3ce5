package exactlyonce

import (
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/foldlog/foldlog/topology"
)

// producerOptions are the options of a transactional producer.
func producerOptions(c Config, id string, p protocol) ([]kgo.Opt, error) {
	opts, err := c.Cluster.Franz()
	if err != nil {
		return nil, err
	}
	return append(opts,
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(c.TransactionTimeout),
		kgo.MaxVersions(p.versions()),
		kgo.ConcurrentTransactionsBackoff(2*time.Millisecond),
		kgo.RetryTimeout(c.Patience),
		kgo.MaxBufferedRecords(1<<20),
		kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int { return partitionOf })),
	), nil
}

// partitionOf is the chosen partition of a record, or that of its key.
func partitionOf(r *kgo.Record, partitions int) int {
	if r.Partition >= 0 {
		return int(r.Partition)
	}
	return int(topology.PartitionOf(r.Key, partitions))
}

// fetchOptions are the options of the client that reads inputs.
func fetchOptions(c Config, topic string, starts map[int32]kgo.Offset) ([]kgo.Opt, error) {
	opts, err := c.Cluster.Franz()
	if err != nil {
		return nil, err
	}
	return append(opts,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // so that the place in the log passes the markers of transactions
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(500*time.Millisecond),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxPartitionBytes(1<<20),
		kgo.FetchMaxBytes(16<<20),
	), nil
}

// adminOptions are the options of the client for everything else: restores, offsets, membership.
func adminOptions(c Config) ([]kgo.Opt, error) {
	opts, err := c.Cluster.Franz()
	if err != nil {
		return nil, err
	}
	return append(opts, kgo.MaxVersions(transactionsV1.versions()), kgo.RetryTimeout(c.Patience)), nil
}

// joinRetry is the pause between tries to join the group, and between those to read its offsets.
const joinRetry = 100 * time.Millisecond

// saramaConfig is the configuration of the membership.
func saramaConfig(c Config, group string, balance sarama.BalanceStrategy) (*sarama.Config, error) {
	s, err := c.Cluster.Sarama()
	if err != nil {
		return nil, err
	}
	tries := int(c.Patience / joinRetry)
	s.Consumer.Offsets.AutoCommit.Enable = false
	s.Consumer.Group.InstanceId = instanceID(group, c.Instance)
	s.Consumer.Group.Session.Timeout = c.SessionTimeout
	s.Consumer.Group.Heartbeat.Interval = c.HeartbeatInterval
	s.Consumer.Group.Rebalance.Timeout = c.RebalanceTimeout
	s.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{balance}
	s.Consumer.Group.Rebalance.Retry.Backoff = joinRetry
	s.Consumer.Group.Rebalance.Retry.Max = tries
	// This is also the time for which sarama tries to read offsets while a transaction that holds
	// them is open.
	s.Metadata.Retry.Max = tries
	s.Metadata.Retry.Backoff = joinRetry
	// Claims are paused before they fetch; should one be faster, it fetches little.
	s.Consumer.Fetch.Default = 1
	s.Consumer.Fetch.Min = 1
	s.ChannelBufferSize = 16
	return s, errors.Join(s.Validate(), assertSarama(s, c))
}

// assertSarama returns all wrong settings that nobody would notice otherwise.
func assertSarama(s *sarama.Config, c Config) error {
	var all []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Errorf("sarama configuration: "+format, args...))
		}
	}
	wrong(!s.Version.IsAtLeast(sarama.V2_5_0_0), "Version %s: below 2.5 offsets carry no generation and are not read stably; fencing would be off", s.Version)
	wrong(s.Consumer.IsolationLevel != sarama.ReadCommitted, "IsolationLevel must be ReadCommitted: otherwise offsets of open transactions are taken for committed")
	wrong(s.Consumer.Offsets.Initial != sarama.OffsetOldest, "Offsets.Initial must be OffsetOldest: otherwise inputs from before the first start are skipped")
	wrong(s.Consumer.Offsets.AutoCommit.Enable, "Offsets.AutoCommit must be off: offsets belong to transactions")
	wrong(s.Consumer.Group.ResetInvalidOffsets, "ResetInvalidOffsets must be off: it would skip inputs without a word")
	wrong(s.Consumer.Group.InstanceId == "", "InstanceId must be set: a restart must not look like a new member")
	wrong(s.Consumer.Group.Session.Timeout < 6*time.Second, "Session.Timeout %s: at least 6s, or members leave and join all the time", s.Consumer.Group.Session.Timeout)
	wrong(time.Duration(s.Metadata.Retry.Max)*s.Metadata.Retry.Backoff < c.TransactionTimeout+10*time.Second,
		"Metadata.Retry of %d times %s gives up before the brokers abort an expired transaction", s.Metadata.Retry.Max, s.Metadata.Retry.Backoff)
	wrong(s.Net.ReadTimeout >= 30*time.Second, "Net.ReadTimeout %s: a frozen broker would be noticed too late; use less than 30s", s.Net.ReadTimeout)
	wrong(s.Metadata.AllowAutoTopicCreation, "AllowAutoTopicCreation must be off: topics are created from the topology alone")
	wrong(len(s.Consumer.Group.Rebalance.GroupStrategies) != 1, "exactly one balance strategy: members must agree on who owns what")
	return errors.Join(all...)
}

// assertProducer returns all wrong settings of a transactional producer that nobody would notice
// otherwise.
func assertProducer(client *kgo.Client, p protocol) error {
	var all []error
	if acks, _ := client.OptValue(kgo.RequiredAcks).(kgo.Acks); acks != kgo.AllISRAcks() {
		all = append(all, errors.New("kafka producer: acks must be all"))
	}
	if off, _ := client.OptValue(kgo.DisableIdempotentWrite).(bool); off {
		all = append(all, errors.New("kafka producer: idempotent writing must be on"))
	}
	if bound, _ := client.OptValue(kgo.RecordDeliveryTimeout).(time.Duration); bound != 0 {
		all = append(all, errors.New("kafka producer: no delivery timeout, since it counts from a record's timestamp, and an event's is as old as its command"))
	}
	v, _ := client.OptValue(kgo.MaxVersions).(*kversion.Versions)
	if v == nil {
		return errors.Join(append(all, errors.New("kafka producer: request versions must be capped"))...)
	}
	for key, most := range p.most() {
		if have, ok := v.LookupMaxKeyVersion(int16(key)); !ok || have != most {
			all = append(all, fmt.Errorf("kafka producer: %s is capped at version %d, %s need %d", key.Name(), have, p, most))
		}
	}
	return errors.Join(all...)
}

// assertFetch returns all wrong settings of the client that reads inputs that nobody would notice
// otherwise.
func assertFetch(client *kgo.Client) error {
	var all []error
	if level, _ := client.OptValue(kgo.FetchIsolationLevel).(int8); level != readCommitted {
		all = append(all, errors.New("kafka consumer: the isolation level must be read_committed: records of aborted transactions would be handled"))
	}
	if reset, _ := client.OptValue(kgo.ConsumeResetOffset).(kgo.Offset); reset != kgo.NoResetOffset() {
		all = append(all, errors.New("kafka consumer: an offset out of range must be an error, or inputs would be skipped without a word"))
	}
	return errors.Join(all...)
}
