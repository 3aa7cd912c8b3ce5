package exactlyonce

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/processors/step"
)

// Config holds the connections, directories and patience of a group. The zero value of a field
// means its default, if one is given.
type Config struct {
	Cluster cluster.Config
	// DataDir holds a folder for each group.
	DataDir string
	// Instance names this process among those that share the work. It must be unique at any time
	// and the same after a restart. The group keeps the partitions of an instance for it, and the
	// instance takes over its own open transactions.
	Instance string
	// QuickRestart keeps the membership when Run ends in good order, for a process that is back
	// within SessionTimeout.
	QuickRestart bool
	// TransactionalIDPrefix is the prefix of the transactional ids, and of the topics.
	TransactionalIDPrefix string
	Logger                *slog.Logger
	// Metrics are called when something happens.
	Metrics Metrics

	// SessionTimeout is the time that the group waits for a silent member; default 10 s, at least 6
	// s.
	SessionTimeout time.Duration
	// HeartbeatInterval is the interval at which a member asks whether the group still stands, and
	// so the time until it notices a rebalance; default 300 ms.
	HeartbeatInterval time.Duration
	// RebalanceTimeout is the time that members have to finish their work in a rebalance; default 2
	// min.
	RebalanceTimeout time.Duration
	// TransactionTimeout is the time after which the brokers abort a transaction whose owner is
	// silent; default 30 s. A successor need not wait for it, since it fences the dead owner's
	// transaction.
	TransactionTimeout time.Duration
	// TransactionsV1 keeps to the first version of Kafka's transactions even if the brokers offer
	// the second (KIP-890).
	TransactionsV1 bool
	// Patience is the time for which the brokers may not answer, or a restore may not move, before
	// the attempt stops. It must outlast TransactionTimeout by 10 s, the interval at which brokers
	// look for expired transactions; default TransactionTimeout + 15 s.
	Patience time.Duration
	// FlushInterval is the interval at which committed rows go to the local store; default 1 s.
	FlushInterval time.Duration
	// CacheBytes bounds the committed rows in memory for the whole group; default 256 MiB.
	CacheBytes int64
	// RestoreBytes bounds the memory of all restores of the group; default 192 MiB.
	RestoreBytes int64
	// InputBytes bounds the inputs of the group that are fetched and not handled; default 32 MiB.
	// One batch more may be there, of at most [cluster.MaxDecompressed].
	InputBytes int64
	// BatchBytes bounds the batches of the whole group that wait for a transaction; default 32 MiB.
	BatchBytes int64

	// point is called at the places of points.go. Only tests of this package set it.
	point func(name string)
}

// EnsureDefaults sets each zero field to its default.
func (c *Config) EnsureDefaults() {
	c.Cluster.EnsureDefaults()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	def(&c.SessionTimeout, 10*time.Second)
	def(&c.HeartbeatInterval, 300*time.Millisecond)
	def(&c.RebalanceTimeout, 2*time.Minute)
	def(&c.TransactionTimeout, 30*time.Second)
	def(&c.Patience, c.TransactionTimeout+15*time.Second)
	def(&c.FlushInterval, time.Second)
	def(&c.CacheBytes, 256<<20)
	def(&c.RestoreBytes, 192<<20)
	def(&c.InputBytes, 32<<20)
	def(&c.BatchBytes, 32<<20)
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// instanceName is the form that Kafka accepts as a group.instance.id.
var instanceName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,100}$`)

// Validate returns all that is wrong with the configuration, after EnsureDefaults.
func (c Config) Validate() error {
	var all []error
	if err := c.Cluster.Validate(); err != nil {
		all = append(all, err)
	}
	if c.DataDir == "" {
		all = append(all, errors.New("no data directory: set --data-dir"))
	}
	if !instanceName.MatchString(c.Instance) {
		all = append(all, fmt.Errorf("instance %q: use 1 to 100 ASCII letters, digits, '.', '_' and '-', unique to this process and the same after a restart", c.Instance))
	}
	if c.SessionTimeout < 6*time.Second {
		all = append(all, fmt.Errorf("session timeout %s: use at least 6s; with less, members that are merely slow leave and join all the time", c.SessionTimeout))
	}
	if c.HeartbeatInterval <= 0 || 3*c.HeartbeatInterval > c.SessionTimeout {
		all = append(all, fmt.Errorf("heartbeat interval %s: use at most a third of the session timeout, %s", c.HeartbeatInterval, c.SessionTimeout))
	}
	if c.RebalanceTimeout < c.SessionTimeout {
		all = append(all, fmt.Errorf("rebalance timeout %s: use at least the session timeout, %s", c.RebalanceTimeout, c.SessionTimeout))
	}
	if c.TransactionTimeout < 5*time.Second {
		all = append(all, fmt.Errorf("transaction timeout %s: use at least 5s; a slow broker must not abort transactions", c.TransactionTimeout))
	}
	if c.Patience < c.TransactionTimeout+10*time.Second {
		all = append(all, fmt.Errorf("patience %s: use at least the transaction timeout and 10s, %s; brokers abort expired transactions only every 10s",
			c.Patience, c.TransactionTimeout+10*time.Second))
	}
	if c.FlushInterval < 10*time.Millisecond || c.CacheBytes < 1<<20 || c.RestoreBytes < 1<<20 || c.InputBytes < 1<<20 || c.BatchBytes < 1<<20 {
		all = append(all, errors.New("flush interval, cache, restore, input and batch size: use at least 10ms and 1 MiB each"))
	}
	return errors.Join(all...)
}

func validateGroup(g step.Group) error {
	var all []error
	if g.Name == "" || g.Input == "" || g.Partitions < 1 || g.Handle == nil {
		all = append(all, errors.New("a group has a name, an input, partitions and a handler"))
	}
	if g.Table != nil && (g.Table.Topic == "" || g.Table.Decode == nil) {
		all = append(all, errors.New("a table has a topic and a decoder"))
	}
	if g.Index != nil && (g.Index.Topic == "" || g.Index.Read == nil || g.Index.Retain == nil) {
		all = append(all, errors.New("an index has a topic, a reader and a rule of what to retain"))
	}
	return errors.Join(all...)
}

// instanceID is the group.instance.id.
func instanceID(group, instance string) string { return instance + "." + group }
