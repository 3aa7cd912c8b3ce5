package kafkatest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// startLimit bounds how long a new cluster may take to become ready, once its program is on the
// machine. Three brokers take less than ten seconds on two idle cores; a busy machine takes a
// multiple.
const startLimit = 3 * time.Minute

//go:embed log4j2.properties
var log4jProperties []byte

// Kafka is a running cluster of Apache Kafka. Its methods may be called by several goroutines at
// once.
type Kafka struct {
	config KafkaConfig
	dir    string
	java   string
	jars   string
	// classes is the archive of the brokers' classes, "" while it is made.
	classes string
	ports   *Ports
	nodes   []*node
	closed  sync.Once
}

// node is one process, a broker and a controller.
type node struct {
	Node
	dir     string
	process *Process
	// client and controller ask this node alone.
	client, controller *kgo.Client
}

// StartKafka starts a cluster and returns once it is ready. Its program is fetched first if it is
// not on the machine, which takes as long as ctx allows.
//
// Topics are not created automatically, so produce to one after creating it and waiting until
// metadata have it.
func StartKafka(ctx context.Context, config KafkaConfig) (_ *Kafka, err error) {
	config.EnsureDefaults()
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	k := &Kafka{config: config}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start Kafka: %w", err), k.Close())
		}
	}()
	if k.java, err = findJava(ctx, config.Java, kafkaJava); err != nil {
		return nil, err
	}
	if k.jars, err = kafkaDistribution.fetch(ctx, config.Logger); err != nil {
		return nil, err
	}
	if k.classes, err = brokerClasses(ctx, k.java, k.jars, config.Logger); err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := k.start(ctx); err != nil {
		return nil, err
	}
	config.Logger.Info("Kafka is ready", "version", KafkaVersion, "bootstrap", k.Bootstrap(), "took", time.Since(begin).Round(time.Millisecond))
	return k, nil
}

// start boots the nodes for the first time and returns once they are ready.
func (k *Kafka) start(ctx context.Context) error {
	ctx, cancel := within(ctx, startLimit)
	defer cancel()
	if err := k.prepare(ctx); err != nil {
		return err
	}
	for _, n := range k.nodes {
		if err := n.process.Boot(); err != nil {
			return err
		}
	}
	return k.AwaitReady(ctx)
}

// prepare makes everything that a boot needs.
func (k *Kafka) prepare(ctx context.Context) (err error) {
	if k.dir, err = ownDir(k.config.Dir, "foldlog-kafka-"); err != nil {
		return err
	}
	if k.ports, err = ReservePorts(2 * k.config.Brokers); err != nil {
		return err
	}
	for i := range k.config.Brokers {
		n := &node{
			Node: Node{ID: i + 1, Addr: k.ports.Addr(2 * i), ControllerAddr: k.ports.Addr(2*i + 1)},
			dir:  filepath.Join(k.dir, fmt.Sprintf("node-%d", i+1)),
		}
		n.process = NewProcess(fmt.Sprintf("broker %d", n.ID), filepath.Join(n.dir, "log"), func() *exec.Cmd { return k.broker(n) })
		k.nodes = append(k.nodes, n)
		if n.client, err = newAsker(n.Addr); err != nil {
			return err
		}
		if n.controller, err = newAsker(n.ControllerAddr); err != nil {
			return err
		}
	}
	for _, n := range k.nodes { // properties name all nodes
		if err := os.MkdirAll(n.dir, 0o700); err != nil {
			return err
		}
		if err := writeProperties(n.propertiesFile(), k.properties(n)); err != nil {
			return err
		}
	}
	if err := os.WriteFile(k.log4jFile(), log4jProperties, 0o600); err != nil {
		return err
	}
	return k.format(ctx)
}

func (n *node) propertiesFile() string { return filepath.Join(n.dir, "server.properties") }
func (k *Kafka) log4jFile() string     { return filepath.Join(k.dir, "log4j2.properties") }

// format makes the nodes' data directories those of one new cluster.
func (k *Kafka) format(ctx context.Context) error {
	results := make(chan error)
	for _, n := range k.nodes {
		go func() {
			cmd := exec.CommandContext(ctx, k.java, "-Xmx128m", "-XX:+UseSerialGC", quickStart, "-cp", filepath.Join(k.jars, "*"),
				"-Dlog4j2.configurationFile="+k.log4jFile(), "kafka.tools.StorageTool", "format", "--cluster-id", k.config.ClusterID, "--config", n.propertiesFile())
			cmd.Env = javaEnvironment(k.java, nil)
			printed, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("format the storage of node %d: %w\n%s", n.ID, err, tail(string(printed)))
			}
			results <- err
		}()
	}
	var all []error
	for range k.nodes {
		all = append(all, <-results)
	}
	return errors.Join(all...)
}

// broker returns the command that runs a node.
func (k *Kafka) broker(n *node) *exec.Cmd {
	args := []string{
		fmt.Sprintf("-Xmx%dm", k.config.HeapMB), "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true",
		"-Dlog4j2.configurationFile=" + k.log4jFile(), "-cp", filepath.Join(k.jars, "*"),
	}
	if !k.config.LongRun {
		args = append(args, quickStart)
	}
	if k.classes != "" {
		args = append(args, "-XX:SharedArchiveFile="+k.classes)
	}
	args = append(args, k.config.JVM...)
	cmd := exec.Command(k.java, append(args, "kafka.Kafka", n.propertiesFile())...)
	cmd.Dir = n.dir // crash reports of Java go to the working directory
	cmd.Env = javaEnvironment(k.java, nil)
	return cmd
}

// Bootstrap returns the addresses of all brokers, host:port, in the order of their ids.
func (k *Kafka) Bootstrap() []string {
	var all []string
	for _, n := range k.nodes {
		all = append(all, n.Addr)
	}
	return all
}

// Nodes returns the places of all brokers, in the order of their ids.
func (k *Kafka) Nodes() []Node {
	var all []Node
	for _, n := range k.nodes {
		all = append(all, n.Node)
	}
	return all
}

// Dir is where properties, logs and data are.
func (k *Kafka) Dir() string { return k.dir }

// Usage returns what a running broker uses.
func (k *Kafka) Usage(id int) (Usage, error) {
	n, err := k.node(id)
	if err != nil {
		return Usage{}, err
	}
	return n.process.Usage()
}

// Died returns an error with the end of the log for every broker that ended although nobody killed
// or stopped it.
func (k *Kafka) Died() error {
	var all []error
	for _, n := range k.nodes {
		all = append(all, n.process.Died())
	}
	return errors.Join(all...)
}

// Close kills all brokers, frozen ones too, and removes their data unless they are to be kept. Only
// the first call has an effect.
func (k *Kafka) Close() (err error) {
	k.closed.Do(func() {
		var all []error
		for _, n := range k.nodes {
			for _, client := range []*kgo.Client{n.client, n.controller} {
				if client != nil {
					client.Close()
				}
			}
			all = append(all, n.process.Close())
		}
		if k.ports != nil {
			all = append(all, k.ports.Close())
		}
		if k.dir != "" && !k.config.Keep {
			all = append(all, os.RemoveAll(k.dir))
		}
		err = errors.Join(all...)
	})
	return err
}

func (k *Kafka) node(id int) (*node, error) {
	if id < 1 || id > len(k.nodes) {
		return nil, fmt.Errorf("there is no node %d: nodes are 1 to %d", id, len(k.nodes))
	}
	return k.nodes[id-1], nil
}
