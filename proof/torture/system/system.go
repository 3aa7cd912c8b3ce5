package system

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/internal/kafkatest"
)

// Config says what system to start.
type Config struct {
	// Dir takes data and logs of everything.
	Dir string
	// Brokers is 1 or 3 of Apache Kafka, or 0: then one instance is `foldlog dev`, whose broker and
	// registry are everyone's.
	Brokers int
	// Partitions of every topic.
	Partitions int
	Binaries   Binaries
	// Planted is the bug that every instance has, "" for none.
	Planted string
	// Proxied puts a proxy between each instance and each broker; see [System.Links].
	Proxied bool
	// Properties are broker settings on top of the usual ones.
	Properties map[string]string
	Logger     *slog.Logger
}

// System is what runs.
type System struct {
	config Config

	// Kafka and Registry are nil if the broker is embedded, and Dev is nil if it is not.
	Kafka    *kafkatest.Kafka
	Registry *kafkatest.Registry
	Dev      *Instance

	ports *kafkatest.Ports // of the embedded broker
	links *links

	mu        sync.Mutex
	instances []*Instance
}

// Start starts brokers and registry and creates the topics. Instances are added afterwards.
func Start(ctx context.Context, config Config) (_ *System, err error) {
	s := &System{config: config}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := os.MkdirAll(filepath.Join(config.Dir, "logs"), 0o755); err != nil {
		return nil, err
	}
	if config.Brokers == 0 {
		return s, s.startDev(ctx)
	}
	if config.Proxied {
		if s.links, err = openLinks(config.Brokers); err != nil {
			return nil, err
		}
	}
	properties := map[string]string{}
	if config.Brokers > 1 {
		properties = kafkatest.FastDetection()
	}
	maps.Copy(properties, config.Properties)
	// One after the other: on a busy machine their starts would only delay each other. Of several
	// brokers one is started anew every minute, and what its compiler takes the others lack.
	s.Kafka, err = kafkatest.StartKafka(ctx, kafkatest.KafkaConfig{
		Brokers: config.Brokers, Dir: filepath.Join(config.Dir, "kafka"), Keep: true, Properties: properties, LongRun: config.Brokers == 1,
		NodeProperties: s.nodeProperties, Logger: config.Logger,
	})
	if err != nil {
		return nil, err
	}
	s.Registry, err = kafkatest.StartRegistry(ctx, kafkatest.RegistryConfig{
		Durable: true, Dir: filepath.Join(config.Dir, "registry"), Keep: true, Logger: config.Logger,
	})
	if err != nil {
		return nil, err
	}
	return s, s.CreateTopics(ctx)
}

func (s *System) startDev(ctx context.Context) (err error) {
	if s.ports, err = kafkatest.ReservePorts(2); err != nil {
		return err
	}
	if s.Dev, err = s.newInstance("dev", []string{Edge, View, Processor}, func(i *Instance) []string {
		return []string{"dev", "--kafka", s.ports.Addr(0), "--registry-listen", s.ports.Addr(1), "--http", i.Addr, "--data-dir", i.Dir,
			"--instance", i.Name, "--partitions", strconv.Itoa(s.config.Partitions), "--log-level", "info"}
	}); err != nil {
		return err
	}
	if err := s.Dev.Boot(); err != nil {
		return err
	}
	return s.Dev.AwaitReady(ctx)
}

// Brokers returns the addresses that clients of the driver use.
func (s *System) Brokers() []string {
	if s.Kafka == nil {
		return []string{s.ports.Addr(0)}
	}
	return s.Kafka.Bootstrap()
}

// RegistryURL returns where the schema registry is.
func (s *System) RegistryURL() string {
	if s.Registry == nil {
		return "http://" + s.ports.Addr(1)
	}
	return s.Registry.URL()
}

// Client returns a new client of the brokers, with the driver's own, undisturbed connections.
func (s *System) Client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.Brokers()...), kgo.ClientID("torture"), kgo.ProducerBatchMaxBytes(2 << 20)}, opts...)...)
}

// Replicas is the replication factor of every topic.
func (s *System) Replicas() int { return max(1, s.config.Brokers) }

// Partitions is the partition count of every topic.
func (s *System) Partitions() int { return s.config.Partitions }

// topicFlags are what every command that cares for topics is given.
func (s *System) topicFlags() []string {
	return []string{"--partitions", strconv.Itoa(s.config.Partitions), "--replication-factor", strconv.Itoa(s.Replicas())}
}

// Command returns a command of foldlog on this system's brokers and registry.
func (s *System) Command(ctx context.Context, args ...string) *exec.Cmd {
	return s.command(ctx, s.running(), append(slices.Clone(args), "--registry", s.RegistryURL())...)
}

// running is the release that runs.
func (s *System) running() string {
	if s.config.Binaries.Next != "" {
		return s.config.Binaries.Next
	}
	return s.config.Binaries.Product
}

func (s *System) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	args = append(append(args, "--brokers", strings.Join(s.Brokers(), ",")), s.topicFlags()...)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.config.Dir // no configuration file from elsewhere
	return cmd
}

// CreateTopics runs `foldlog topics create`, of the later release after the shipped one.
func (s *System) CreateTopics(ctx context.Context) error {
	for _, program := range slices.Compact([]string{s.config.Binaries.Product, s.running()}) {
		cmd := s.command(ctx, program, "topics", "create")
		if printed, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("foldlog topics create: %w\n%s", err, printed)
		}
	}
	return nil
}

// Add makes an instance with roles. It is booted by the caller.
func (s *System) Add(name string, roles ...string) (*Instance, error) {
	return s.newInstance(name, roles, func(i *Instance) []string {
		args := []string{"run", "--roles", strings.Join(roles, ","), "--brokers", strings.Join(s.brokersOf(i.Name), ","), "--registry", s.RegistryURL(),
			"--http", i.Addr, "--data-dir", i.Dir, "--instance", i.Name}
		return append(args, s.topicFlags()...)
	})
}

func (s *System) newInstance(name string, roles []string, args func(*Instance) []string) (*Instance, error) {
	ports, err := kafkatest.ReservePorts(1)
	if err != nil {
		return nil, err
	}
	i := &Instance{Name: name, Roles: roles, Addr: ports.Addr(0), Dir: filepath.Join(s.config.Dir, "data", name), system: s, ports: ports}
	if i.client, err = newAsker(i.URL()); err != nil {
		return nil, errors.Join(err, ports.Close())
	}
	if err := os.MkdirAll(i.Dir, 0o700); err != nil {
		return nil, errors.Join(err, ports.Close())
	}
	if s.config.Planted != "" {
		i.planted = true
	}
	i.args = args(i)
	i.Process = kafkatest.NewProcess(name, s.LogFile(name), i.command)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instances = append(s.instances, i)
	return i, nil
}

// LogFile is where an instance's log goes.
func (s *System) LogFile(name string) string { return filepath.Join(s.config.Dir, "logs", name+".log") }

// Instances returns all that were added, the running and the others.
func (s *System) Instances() []*Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Instance(nil), s.instances...)
}

// Close ends every process. Data and logs stay.
func (s *System) Close() error {
	var all []error
	for _, i := range s.Instances() {
		all = append(all, i.Close(), i.ports.Close())
	}
	if s.Kafka != nil {
		all = append(all, s.Kafka.Close())
	}
	if s.Registry != nil {
		all = append(all, s.Registry.Close())
	}
	if s.ports != nil {
		all = append(all, s.ports.Close())
	}
	if s.links != nil {
		all = append(all, s.links.close())
	}
	return errors.Join(all...)
}
