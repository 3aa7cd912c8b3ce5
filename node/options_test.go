package node_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/node"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// kindOf returns the kind and the text of an error of Run.
func kindOf(t *testing.T, err error) (node.Kind, string) {
	t.Helper()
	var failed *node.Error
	if !errors.As(err, &failed) {
		t.Fatalf("error %v has no kind", err)
	}
	return failed.Kind, err.Error()
}

func TestDefaults(t *testing.T) {
	alone := node.Options{}
	alone.EnsureDefaults()
	if err := alone.Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	if s := alone.Settings; s.Partitions != 12 || s.ReplicationFactor != 3 || alone.CreateTopics || len(alone.Roles) != 3 {
		t.Errorf("against a cluster: %+v", alone)
	}
	embedded := node.Options{Embedded: &devcluster.Config{}}
	embedded.EnsureDefaults()
	if s := embedded.Settings; s.Partitions != 4 || s.ReplicationFactor != 1 || s.MinISR != 1 || !embedded.CreateTopics {
		t.Errorf("embedded: %+v", embedded)
	}
}

func TestAllWrongOptionsAreNamed(t *testing.T) {
	kind, text := kindOf(t, node.Run(t.Context(), bank.Topology(), node.Options{
		Schemas: bankschemas.Files, DataDir: t.TempDir(), HTTP: "8080", Roles: []string{"worker"}, Reset: true,
	}))
	if kind != node.Usage {
		t.Errorf("kind %d", kind)
	}
	for _, want := range []string{`--http "8080": use host:port`, `no role "worker"; use edge, processor, view`, "--reset"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
}

func TestErrorsSayWhoHasToAct(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	options := func() node.Options { return node.Options{Schemas: bankschemas.Files, DataDir: t.TempDir()} }

	o := options()
	o.HTTP = taken.Addr().String()
	if kind, text := kindOf(t, node.Run(t.Context(), bank.Topology(), o)); kind != node.Infrastructure || !strings.Contains(text, "is in use") {
		t.Errorf("a taken port: %d, %s", kind, text)
	}
	o = options()
	o.Schemas = nil
	if kind, text := kindOf(t, node.Run(t.Context(), bank.Topology(), o)); kind != node.Finding || !strings.Contains(text, "has no schema files") {
		t.Errorf("no schemas: %d, %s", kind, text)
	}
	if kind, text := kindOf(t, node.Run(t.Context(), topology.New("empty"), options())); kind != node.Finding || !strings.Contains(text, "finding") {
		t.Errorf("a topology with findings: %d, %s", kind, text)
	}
}

func TestMetricsOfTheProgram(t *testing.T) {
	registry := prometheus.NewRegistry()
	seen := false
	options := node.Options{
		Schemas: bankschemas.Files, DataDir: t.TempDir(), HTTP: "127.0.0.1:0", Metrics: registry,
		Embedded: &devcluster.Config{KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"},
		Ready: func(node.Running) error {
			families, err := registry.Gather()
			for _, f := range families {
				seen = seen || f.GetName() == "foldlog_info"
			}
			return errors.Join(errSeen, err)
		},
	}
	if err := node.Run(t.Context(), bank.Topology(), options); !errors.Is(err, errSeen) || !seen {
		t.Errorf("error %v, metric seen: %t", err, seen)
	}
	if kind, text := kindOf(t, node.Run(t.Context(), bank.Topology(), options)); kind != node.Usage || !strings.Contains(text, "one node, once") {
		t.Errorf("a registry that is taken: %d, %s", kind, text)
	}
}

var errSeen = errors.New("seen enough")
