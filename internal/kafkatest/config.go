package kafkatest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/google/uuid"
)

// KafkaConfig says what cluster to start. The zero value is one broker with the settings of
// [StartKafka].
type KafkaConfig struct {
	// Brokers is how many nodes there are, each a broker and a controller; default 1. With 3 or
	// more, topics have three replicas and a write needs two, and so have the brokers' own topics.
	Brokers int
	// ClusterID is 16 bytes in base64url, as Kafka writes them, without a dash in front; default
	// random ones.
	ClusterID string
	// Dir takes properties, logs and data of all nodes, node I in "node-I". It must be empty or not
	// exist. Default a temporary directory.
	Dir string
	// Keep leaves the directory when the cluster is closed.
	Keep bool
	// Java is the program to run, from version 17 on; default the first that is found of JAVA_HOME,
	// the path and the system's folders.
	Java string
	// HeapMB bounds each node's heap, in MiB; default 512.
	HeapMB int
	// LongRun makes Java optimise for throughput, as in production: for benchmarks and for load
	// over minutes. The default starts a broker with half the CPU time, which is most of what a
	// short test costs.
	LongRun bool
	// JVM has more arguments for each node's Java.
	JVM []string
	// Properties are broker settings on top of the defaults, for all nodes; see [FastDetection].
	Properties map[string]string
	// NodeProperties returns settings for one node, on top of all others. It is given all nodes, in
	// the order of their ids. Addr must stay an address where the broker listens without encryption
	// or login, and ControllerAddr one where the controller does.
	NodeProperties func(n Node, all []Node) map[string]string
	// Logger is told what the cluster does and what is done to it; default nobody. The brokers' own
	// logs are files in Dir.
	Logger *slog.Logger
}

// Node is a place in a cluster.
type Node struct {
	// ID is 1, 2, ...: what Kafka calls node.id.
	ID int
	// Addr is where clients reach the broker, and ControllerAddr where nodes reach the controller;
	// host:port.
	Addr, ControllerAddr string
}

// FastDetection are properties with which a cluster notices a dead or frozen broker after 3 s
// instead of 9 s, and with which brokers wait 5 s instead of 30 s for each other's answers: a
// coordinator that had sent a transaction's markers to a broker when it froze refuses the
// transactional id for so long. We recommend them to operators too.
func FastDetection() map[string]string {
	return map[string]string{
		"broker.session.timeout.ms":    "3000",
		"broker.heartbeat.interval.ms": "500",
		"request.timeout.ms":           "5000",
	}
}

// EnsureDefaults fills in what is zero, but for Dir and Java, which are looked for at the start.
func (c *KafkaConfig) EnsureDefaults() {
	if c.Brokers == 0 {
		c.Brokers = 1
	}
	if c.ClusterID == "" {
		c.ClusterID = newClusterID(uuid.New)
	}
	if c.HeapMB == 0 {
		c.HeapMB = 512
	}
	if c.NodeProperties == nil {
		c.NodeProperties = func(Node, []Node) map[string]string { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// newClusterID returns the next id whose text does not start with a dash: Kafka's tools would take
// it for an option, and Kafka itself throws such ids away
// (org.apache.kafka.common.Uuid.randomUuid).
func newClusterID(next func() uuid.UUID) string {
	for {
		id := next()
		if text := base64.RawURLEncoding.EncodeToString(id[:]); text[0] != '-' {
			return text
		}
	}
}

// Validate returns all that is wrong with the configuration, after EnsureDefaults.
func (c KafkaConfig) Validate() error {
	var all []error
	if c.Brokers < 1 || c.Brokers > 9 {
		all = append(all, fmt.Errorf("%d brokers: 1 to 9 can be started", c.Brokers))
	}
	if strings.HasPrefix(c.ClusterID, "-") {
		all = append(all, fmt.Errorf("the cluster id %s starts with a dash: Kafka's tools take that for an option", c.ClusterID))
	}
	if c.HeapMB < 128 {
		all = append(all, fmt.Errorf("%d MiB of heap: a broker needs 128", c.HeapMB))
	}
	return errors.Join(append(all, checkEmpty(c.Dir))...)
}
