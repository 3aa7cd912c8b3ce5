package node

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/internal/address"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// Roles of a node.
//
// NB: must not change. Deployments carry the names.
const (
	// RoleEdge takes commands over HTTP and answers reads of states.
	RoleEdge = "edge"
	// RoleProcessor runs aggregates, policies and projections.
	RoleProcessor = "processor"
	// RoleView answers reads of views over HTTP.
	RoleView = "view"
)

// Roles returns every role.
func Roles() []string { return []string{RoleEdge, RoleProcessor, RoleView} }

// Defaults of [Options].
const (
	DefaultHTTP     = "127.0.0.1:8080"
	DefaultDataDir  = "./.foldlog"
	DefaultBroker   = devcluster.DefaultKafkaListen
	DefaultRegistry = "http://" + devcluster.DefaultRegistryListen
	// DefaultEmbeddedPartitions is the partition count on an embedded cluster.
	DefaultEmbeddedPartitions = 4
)

// Kafka says how to reach a Kafka cluster. TLS and SASL are parts of it.
type (
	Kafka = cluster.Config
	TLS   = cluster.TLS
	SASL  = cluster.SASL
)

// Options say what a node runs and on what. The zero value of each field but Schemas means its
// default. Errors call an option by its flag: --data-dir is DataDir.
type Options struct {
	// Schemas has the schema files of the system, as the schemas package expects them; required.
	Schemas fs.FS
	// Roles are what the node does; default all of [Roles].
	Roles []string
	// Settings are the settings of the topics, the same for every node of a system.
	Settings topology.Settings
	// Kafka is the cluster; default [DefaultBroker] without TLS and login.
	Kafka Kafka
	// Registry is the schema registry; default [DefaultRegistry].
	Registry schemas.Config
	// Embedded, if not nil, runs a broker and a schema registry in this process and takes the place
	// of Kafka and Registry. Their data is in the data directory. Topics are created, with one
	// replica and by default [DefaultEmbeddedPartitions] partitions.
	Embedded *devcluster.Config
	// Reset deletes the data of earlier runs first. It needs Embedded.
	Reset bool
	// CreateTopics creates topics that are missing; default is to refuse the start.
	CreateTopics bool
	// HTTP is the address to serve on, host:port; default [DefaultHTTP]. Port 0 takes a free one.
	HTTP string
	// DataDir is the directory with the local state, which one process owns; default
	// [DefaultDataDir]. It must survive restarts, but can be rebuilt from Kafka.
	DataDir string
	// Instance is the node's name among those of the system; default the host's name and an id that
	// is kept in the data directory.
	Instance string
	// QuickRestart keeps the node a member of its consumer groups when it stops. A restart within
	// the session timeout (10 s) moves no partition, and no other node takes over before.
	QuickRestart bool
	// TransactionsV1 keeps to the first version of Kafka's transactions if the brokers have the
	// second (Apache Kafka from 4.0 on, KIP-890).
	TransactionsV1 bool
	// Memory is the memory that the process is given, in bytes: that of its container, say. What
	// the node keeps in memory follows from it, and so does the limit of Go's runtime, unless it
	// has one already. Default is the limit of the process's control group, if it has one. Without
	// either, what is kept is bounded, and the runtime has no limit.
	Memory int64
	// Version is the program's version, which the metric foldlog_info shows.
	Version string
	// Logger receives what the node has to say; default none.
	Logger *slog.Logger
	// Metrics takes the metrics of one node, once, and is served at /metrics; default a registry of
	// its own that also has the metrics of the Go runtime and of the process.
	Metrics *prometheus.Registry
	// Ready, if not nil, is called once every part is ready. The node stops if it returns an error.
	Ready func(Running) error
}

// Running says where a node is.
type Running struct {
	// HTTP is the address that is served, host:port, with the real port.
	HTTP string
	// Brokers and Registry are the cluster and the URL of the schema registry.
	Brokers  []string
	Registry string
	DataDir  string
	Instance string
}

// EnsureDefaults fills in what is zero.
func (o *Options) EnsureDefaults() {
	if o.Embedded != nil {
		o.CreateTopics = true
		def(&o.Settings.Partitions, DefaultEmbeddedPartitions)
		o.Settings.ReplicationFactor, o.Settings.MinISR = 1, 1
	}
	o.Settings.EnsureDefaults()
	if len(o.Kafka.Brokers) == 0 {
		o.Kafka.Brokers = []string{DefaultBroker}
	}
	o.Kafka.EnsureDefaults()
	def(&o.Registry.URL, DefaultRegistry)
	o.Registry.EnsureDefaults()
	def(&o.HTTP, DefaultHTTP)
	def(&o.DataDir, DefaultDataDir)
	if len(o.Roles) == 0 {
		o.Roles = Roles()
	}
	def(&o.Logger, slog.New(slog.DiscardHandler))
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate returns all that is wrong with the options, after EnsureDefaults. The schema files are
// checked together with the topology: see [Lint].
func (o Options) Validate() error {
	all := []error{o.Settings.Validate(), o.Kafka.Validate(), address.CheckHostPort("http", o.HTTP), address.CheckURL("registry", o.Registry.URL)}
	for _, role := range o.Roles {
		if !slices.Contains(Roles(), role) {
			all = append(all, fmt.Errorf("--roles: no role %q; use %s", role, strings.Join(Roles(), ", ")))
		}
	}
	if o.Reset && o.Embedded == nil {
		all = append(all, errors.New("--reset is for an embedded cluster only"))
	}
	return errors.Join(all...)
}
