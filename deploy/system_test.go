package deploy

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/kafkatest"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestComposeWithoutContainers starts what docker-compose.yml starts, with the commands, settings
// and health checks that stand there, as processes of this machine: Apache Kafka, the registry, and
// foldlog as the Dockerfile builds it. Then it uses the system from outside.
func TestComposeWithoutContainers(t *testing.T) {
	kafkatest.Need(t)
	s := &system{compose: loadCompose(t), bin: buildImage(t)}
	s.network = newNetwork(t, s.compose)
	s.startKafka(t)
	s.startRegistry(t)
	t.Run("brokers have the settings", s.checkBrokers)
	t.Run("topics are created", s.createTopics)
	s.startRoles(t)
	t.Run("all are healthy", s.checkHealth)
	t.Run("a deposit is seen everywhere", s.useBank)
	t.Run("metrics can be read", s.checkMetrics)
	t.Run("the host's port leads to the brokers", s.verifyTopicsFromOutside)
	t.Run("SIGTERM ends all well", s.stopRoles)
}

// system is what the test has started.
type system struct {
	compose  *compose
	network  *network
	bin      string // stands for /usr/local/bin of the image
	kafka    *kafkatest.Kafka
	registry *kafkatest.Registry
	roles    map[string]*kafkatest.Process
}

var goBuild = regexp.MustCompile(`CGO_ENABLED=0 go (build .*) -o /out/ (.*)\n`)

// buildImage builds the programs as the Dockerfile does.
func buildImage(t *testing.T) string {
	t.Helper()
	match := goBuild.FindStringSubmatch(readDockerfile(t))
	if match == nil {
		t.Fatalf("Dockerfile: no line that fits %s", goBuild)
	}
	bin := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", slices.Concat(strings.Fields(match[1]), []string{"-o", bin + "/"}, strings.Fields(match[2]))...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, output)
	}
	return bin
}

func (s *system) startKafka(t *testing.T) {
	t.Helper()
	brokers := s.compose.brokers()
	outside, err := kafkatest.ReservePorts(len(brokers))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = outside.Close() })
	first := s.compose.Services[brokers[0]].Environment
	s.kafka = kafkatest.Start(t, kafkatest.KafkaConfig{
		Brokers: len(brokers), ClusterID: first["CLUSTER_ID"], HeapMB: heapOf(t, first["KAFKA_HEAP_OPTS"]),
		NodeProperties: func(n kafkatest.Node, all []kafkatest.Node) map[string]string {
			for i, other := range all {
				listeners := s.compose.Services[brokers[i]].Environment["KAFKA_LISTENERS"]
				s.network.listen(s.compose, brokers[i], listenerOf(t, listeners, "INTERNAL").port, other.Addr)
				s.network.listen(s.compose, brokers[i], listenerOf(t, listeners, "CONTROLLER").port, other.ControllerAddr)
				s.network.listen(s.compose, brokers[i], listenerOf(t, listeners, "HOST").port, outside.Addr(i))
			}
			name := brokers[n.ID-1]
			properties := brokerProperties(s.compose.Services[name].Environment)
			for property, value := range properties {
				properties[property] = s.network.translate(name, value)
			}
			return properties
		},
	})
}

func heapOf(t *testing.T, options string) (megabytes int) {
	t.Helper()
	match := regexp.MustCompile(`-Xmx(\d+m)\b`).FindStringSubmatch(options)
	if match == nil {
		t.Fatalf("no -Xmx...m in %q", options)
	}
	if _, err := fmt.Sscanf(match[1], "%dm", &megabytes); err != nil {
		t.Fatal(err)
	}
	return megabytes
}

func (s *system) startRegistry(t *testing.T) {
	t.Helper()
	registry, err := kafkatest.StartRegistry(t.Context(), kafkatest.RegistryConfig{Env: s.network.environment(s.compose, "registry")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
	})
	s.registry = registry
	s.network.listen(s.compose, "registry", "8080", strings.TrimSuffix(strings.TrimPrefix(registry.URL(), "http://"), "/apis/ccompat/v7"))
	s.network.listen(s.compose, "registry", "9000", strings.TrimPrefix(registry.ManagementURL(), "http://"))
}

// command returns what a service runs, for this machine.
func (s *system) command(service, program string, args []string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), s.network.translateAll(service, args)...)
	cmd.Dir = s.bin // there is no configuration file in it
	cmd.Env = s.network.environment(s.compose, service)
	return cmd
}

// checkBrokers compares what the brokers say of themselves with what docker-compose.yml says.
func (s *system) checkBrokers(t *testing.T) {
	admin := s.admin(t, s.kafka.Bootstrap())
	for i, name := range s.compose.brokers() {
		described, err := admin.DescribeBrokerConfigs(t.Context(), int32(i+1))
		if err != nil {
			t.Fatal(err)
		}
		have := map[string]string{}
		for _, config := range described[0].Configs {
			have[config.Key] = config.MaybeValue()
		}
		for property, value := range brokerProperties(s.compose.Services[name].Environment) {
			if want := s.network.translate(name, value); have[property] != want {
				t.Errorf("%s: %s is %q, want %q", name, property, have[property], want)
			}
		}
		s.checkPropertyList(t, slices.Sorted(maps.Keys(have)))
	}
	topics, err := admin.ListTopicsWithInternal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// the last one is the registry's
	for _, name := range []string{"__consumer_offsets", "__transaction_state", "kafkasql-journal"} {
		if !topics.Has(name) {
			t.Errorf("there is no topic %s", name)
		}
	}
	for name, topic := range topics {
		if topic.Partitions.NumReplicas() != 3 {
			t.Errorf("topic %s has %d replicas", name, topic.Partitions.NumReplicas())
		}
	}
}

// checkPropertyList keeps testdata, which the tests that need no Kafka go by, as Kafka has it.
func (s *system) checkPropertyList(t *testing.T, names []string) {
	t.Helper()
	file := "testdata/kafka-" + kafkatest.KafkaVersion + "-properties.txt"
	want := strings.Join(names, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(file); err != nil || string(have) != want {
		t.Errorf("%s is not what Kafka says (%v): run this test with -update", file, err)
	}
}

func (s *system) admin(t *testing.T, addresses []string) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addresses...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// createTopics runs the service as often as compose would, until it succeeds.
func (s *system) createTopics(t *testing.T) {
	// the image sets it, this command does not use it
	s.network.own["topics"][s.compose.Services["topics"].Environment["FOLDLOG_HTTP"]] = "127.0.0.1:0"
	var output []byte
	eventually(t, time.Minute, func(ctx context.Context) (err error) {
		output, err = s.command("topics", "foldlog", s.compose.Services["topics"].Command).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, output)
			t.Logf("to be restarted: %v", err)
		}
		return err
	})
	t.Logf("%s", output)
}

func (s *system) startRoles(t *testing.T) {
	t.Helper()
	s.roles = map[string]*kafkatest.Process{}
	roles := slices.Sorted(maps.Keys(s.compose.roles()))
	ports, err := kafkatest.ReservePorts(len(roles))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ports.Close() })
	for i, name := range roles {
		s.network.listen(s.compose, name, strings.TrimPrefix(s.compose.Services[name].Environment["FOLDLOG_HTTP"], ":"), ports.Addr(i))
		log := filepath.Join(t.TempDir(), name+".log")
		process := kafkatest.NewProcess(name, log, func() *exec.Cmd { return s.command(name, "foldlog", s.compose.Services[name].Command) })
		if err := process.Boot(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the end of the log of %s:\n%s", name, process.LogTail())
			}
			if err := errors.Join(process.Died(), process.Close()); err != nil {
				t.Error(err)
			}
		})
		s.roles[name] = process
	}
}

// stopRoles ends all roles at once, as compose does, each within its period of grace.
func (s *system) stopRoles(t *testing.T) {
	results := make(chan error)
	for name, process := range s.roles {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), s.compose.Services[name].StopGracePeriod)
			defer cancel()
			err := process.Stop(ctx)
			if err == nil && process.ExitCode() != 0 {
				err = fmt.Errorf("%s ended with exit code %d:\n%s", name, process.ExitCode(), process.LogTail())
			}
			results <- err
		}()
	}
	for range s.roles {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// eventually looks until there is no error any more.
func eventually(t *testing.T, limit time.Duration, look func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ticks := time.NewTicker(200 * time.Millisecond)
	defer ticks.Stop()
	for {
		err := look(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %s: %v", limit, err)
		case <-ticks.C:
		}
	}
}
