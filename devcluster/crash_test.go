package devcluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// childDir names the directory on which this test binary, started again, runs a cluster instead of
// tests. It tells its addresses on one line, and ends with its standard input. childKafka is the
// broker's address.
const (
	childDir   = "FOLDLOG_TEST_DEVCLUSTER_DIR"
	childKafka = "FOLDLOG_TEST_DEVCLUSTER_KAFKA"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

func child(dir string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	c, err := Start(context.Background(), Config{Dir: dir, KafkaListen: os.Getenv(childKafka), RegistryListen: ":0", Logger: log})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(c.Brokers()[0], strings.TrimPrefix(c.RegistryURL(), "http://"))
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := c.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process is a cluster in a process of its own.
type process struct {
	cmd     *exec.Cmd
	brokers []string
	cluster *Cluster // only to say where it is
	stdin   io.Closer
}

func spawn(t *testing.T, dir string) *process { return spawnOn(t, dir, ":0") }

// spawnOn starts a process whose broker has a fixed address, so that clients outlive it.
func spawnOn(t *testing.T, dir, kafka string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childKafka+"="+kafka)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, stdin: stdin}
	t.Cleanup(p.kill)
	said, err := bufio.NewReader(stdout).ReadString('\n')
	address, registry, ok := strings.Cut(strings.TrimSpace(said), " ")
	if err != nil || !ok {
		t.Fatalf("the cluster's process said %q, %v", said, err)
	}
	p.brokers = []string{address}
	p.cluster = &Cluster{broker: &broker{address: address}, registry: &registryServer{address: registry}}
	return p
}

// kill ends the process at once, as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
}

// acknowledged collects what producers were told is written.
type acknowledged struct {
	mu     sync.Mutex
	values map[string]bool
	grown  sync.Cond
}

func newAcknowledged() *acknowledged {
	a := &acknowledged{values: make(map[string]bool)}
	a.grown.L = &a.mu
	return a
}

func (a *acknowledged) add(value string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.values[value] = true
	a.grown.Broadcast()
}

// wait waits for n more.
func (a *acknowledged) wait(t *testing.T, n int) {
	t.Helper()
	ctx := soon(t)
	stop := context.AfterFunc(ctx, a.grown.Broadcast)
	defer stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	for want := len(a.values) + n; len(a.values) < want; a.grown.Wait() {
		if ctx.Err() != nil {
			t.Fatalf("%d records are acknowledged, want %d", len(a.values), want)
		}
	}
}

// TestKill9LosesNothing kills the cluster in the middle of producing, twice, and looks for
// everything that it acknowledged.
func TestKill9LosesNothing(t *testing.T) {
	dir := t.TempDir()
	settings := map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "message.timestamp.type": "LogAppendTime",
		"max.message.bytes": "2097152", "min.insync.replicas": "1", "unclean.leader.election.enable": "false"}
	acks := newAcknowledged()
	schemas := make(map[string]int)
	var committed int64

	p := spawn(t, dir)
	if _, err := Start(t.Context(), config(t, dir)); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(p.cmd.Process.Pid)) {
		t.Errorf("start while process %d has the directory: %v", p.cmd.Process.Pid, err)
	}
	createTopic(t, p.brokers, "log", 4, settings)
	for round := range 2 {
		schema := record(fieldA, fmt.Sprintf(`{"name":"round%d","type":"int","default":0}`, round))
		schemas[schema] = register(t, p.cluster, "log-value", schema)
		stop := produceUntilStopped(p, round, acks)
		acks.wait(t, 5000)
		committed += 1000
		offsets := make(kadm.Offsets)
		offsets.AddOffset("log", 0, committed, -1)
		if err := admin(t, p.brokers).CommitAllOffsets(soon(t), "group", offsets); err != nil {
			t.Fatal(err)
		}
		p.kill()
		stop()

		p = spawn(t, dir)
		checkAcknowledged(t, p.brokers, acks)
		fetched, err := admin(t, p.brokers).FetchOffsets(soon(t), "group")
		if o, _ := fetched.Lookup("log", 0); err != nil || o.At != committed {
			t.Errorf("round %d: committed offset %d, %v; want %d", round, o.At, err, committed)
		}
		got := described(t, p.brokers, "log")
		maps.DeleteFunc(got, func(name, _ string) bool { _, set := settings[name]; return !set })
		if !maps.Equal(got, settings) {
			t.Errorf("round %d: settings %v, want %v", round, got, settings)
		}
		for schema, id := range schemas {
			if got := register(t, p.cluster, "log-value", schema); got != id {
				t.Errorf("round %d: schema id %d, want %d", round, got, id)
			}
		}
	}
}

// produceUntilStopped lets several producers write. The function that it returns stops them.
func produceUntilStopped(p *process, round int, acks *acknowledged) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for producer := range 3 {
		all.Go(func() {
			c, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...), kgo.ProducerLinger(0))
			if err != nil {
				return
			}
			defer c.Close()
			for i := 0; ctx.Err() == nil; i++ {
				value := fmt.Sprintf("%d/%d/%d", round, producer, i)
				r := &kgo.Record{Topic: "log", Key: fmt.Append(nil, i%100), Value: []byte(value)}
				c.Produce(ctx, r, func(_ *kgo.Record, err error) {
					if err == nil {
						acks.add(value)
					} else {
						cancel()
					}
				})
			}
			_ = c.Flush(ctx) // the cluster is gone
		})
	}
	return func() { cancel(); all.Wait() }
}

// checkAcknowledged reads the log and looks for everything that was acknowledged, once.
func checkAcknowledged(t *testing.T, brokers []string, acks *acknowledged) {
	t.Helper()
	ends, err := admin(t, brokers).ListEndOffsets(soon(t), "log")
	if err != nil {
		t.Fatal(err)
	}
	var n int
	ends.Each(func(o kadm.ListedOffset) { n += int(o.Offset) })
	seen := make(map[string]int)
	for _, r := range read(t, brokers, "log", n) {
		seen[string(r.Value)]++
		if r.Attrs.TimestampType() != 1 {
			t.Fatalf("offset %d of partition %d has its producer's time", r.Offset, r.Partition)
		}
	}
	var lost, twice int
	for value := range acks.values {
		if seen[value] == 0 {
			lost++
		} else if seen[value] > 1 {
			twice++
		}
	}
	t.Logf("%d records acknowledged, %d in the log", len(acks.values), n)
	if lost > 0 || twice > 0 {
		t.Errorf("of %d acknowledged records %d are lost and %d are there twice", len(acks.values), lost, twice)
	}
}

func TestLockOfADeadProcessDoesNotBlock(t *testing.T) {
	dir := t.TempDir()
	p := spawn(t, dir)
	p.kill()
	left, err := os.ReadFile(filepath.Join(dir, pidFile))
	if err != nil || strings.TrimSpace(string(left)) != strconv.Itoa(p.cmd.Process.Pid) {
		t.Fatalf("pid file %q, %v; want what process %d left", left, err, p.cmd.Process.Pid)
	}
	closed(t, started(t, dir))

	fresh := t.TempDir() // killed before there was anything else
	write(t, filepath.Join(fresh, pidFile), "1")
	createTopic(t, started(t, fresh).Brokers(), "log", 1, nil)
}
