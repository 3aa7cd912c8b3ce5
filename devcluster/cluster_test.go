package devcluster

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestStartTwiceIsRefused(t *testing.T) {
	dir := t.TempDir()
	c := started(t, dir)
	for what, again := range map[string]func() error{
		"start": func() error { _, err := Start(t.Context(), config(t, dir)); return err },
		"reset": func() error { return Reset(dir) },
	} {
		err := again()
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
			t.Errorf("%s while started: %v; want an ErrLocked with the directory and pid %d", what, err, os.Getpid())
		}
	}
	closed(t, c)
	closed(t, started(t, dir))
}

func TestDirectoryIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data")
	started(t, dir)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", info.Mode(), err)
	}
}

func TestPortInUseIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	dir := t.TempDir()
	for setting, change := range map[string]func(*Config){
		"KafkaListen":    func(c *Config) { c.KafkaListen = address },
		"RegistryListen": func(c *Config) { c.RegistryListen = address },
	} {
		config := config(t, dir)
		change(&config)
		_, err := Start(t.Context(), config)
		if err == nil || !strings.Contains(err.Error(), "port "+port+" is in use") || !strings.Contains(err.Error(), setting) {
			t.Errorf("%s: %v; want port %s and the setting named", setting, err, port)
		}
	}
	started(t, dir) // a failed start leaves no lock
}

func TestUnreadableDataIsNamed(t *testing.T) {
	dir := t.TempDir()
	closed(t, started(t, dir))
	meta := filepath.Join(dir, kafkaDir, "meta.json")
	whole, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	write(t, meta, "{")
	if _, err := Start(t.Context(), config(t, dir)); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "Reset") {
		t.Errorf("%v; want the directory and what to do", err)
	}
	write(t, meta, string(whole))
	started(t, dir)
}

func TestConfigIsChecked(t *testing.T) {
	for _, test := range []struct {
		config Config
		want   string
	}{
		{Config{}, "set Dir"},
		{Config{Dir: "d", KafkaListen: "9092"}, "KafkaListen"},
		{Config{Dir: "d", KafkaListen: "0.0.0.0:9092"}, "one that they can reach"},
		{Config{Dir: "d", RegistryListen: "[::]:8081"}, "RegistryListen"},
		{Config{Dir: "d", RegistryListen: "127.0.0.1:http"}, "not a number"},
		{Config{Dir: "d", MaxMessageBytes: 10}, "MaxMessageBytes 10"},
	} {
		if _, err := Start(t.Context(), test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v; want %q", test.config, err, test.want)
		}
	}
	if _, err := os.Stat("d"); err == nil {
		t.Error("a refused configuration left its directory")
	}
	var c Config
	c.EnsureDefaults()
	if c.KafkaListen != "127.0.0.1:9092" || c.RegistryListen != "127.0.0.1:8081" || c.MaxMessageBytes != 1048588 || c.Logger == nil {
		t.Errorf("defaults: %+v", c)
	}
}

func TestReset(t *testing.T) {
	dir := t.TempDir()
	c := started(t, dir)
	createTopic(t, c.Brokers(), "log", 1, nil)
	produceOnce(t, c.Brokers(), &kgo.Record{Topic: "log", Value: make([]byte, 100_000), Key: []byte("k")})
	register(t, c, "log-value", `"string"`)
	closed(t, c)

	kept := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(kept, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Reset(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("Reset removed a file that is not the cluster's: %v", err)
	}
	c = started(t, dir)
	topics, err := admin(t, c.Brokers()).ListTopics(soon(t))
	if err != nil || len(topics) != 0 {
		t.Errorf("topics after Reset: %v, %v", topics.Names(), err)
	}
	if status, body := ask(t, http.MethodGet, c.RegistryURL()+"/subjects", ""); status != 200 || strings.TrimSpace(body) != "[]" {
		t.Errorf("subjects after Reset: %d %s", status, body)
	}
	if err := Reset(filepath.Join(dir, "missing")); err != nil {
		t.Errorf("Reset of no directory: %v", err)
	}
}

// TestGarbageEndsItsOwnConnectionOnly: kfake alone takes a buffer of the size that the first bytes
// seem to be, and panics on an unknown API key.
func TestGarbageEndsItsOwnConnectionOnly(t *testing.T) {
	c := started(t, t.TempDir())
	for name, bytes := range map[string]string{
		"HTTP":             "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"TLS":              "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03random",
		"unknown API key":  "\x00\x00\x00\x0a\x7f\xff\x00\x00\x00\x00\x00\x01\x00\x00",
		"negative version": "\x00\x00\x00\x0a\x00\x12\xff\xff\x00\x00\x00\x01\x00\x00",
		"no room for head": "\x00\x00\x00\x01\x00\x12\x00\x00\x00\x00\x00\x01\x00\x00",
		"truncated body":   "\x00\x00\x00\x0e\x00\x20\x00\x04\x00\x00\x00\x01\xff\xff\x00\xff\xff\xff",
	} {
		conn, err := net.Dial("tcp", c.Brokers()[0])
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, bytes); err != nil {
			t.Fatal(err)
		}
		if b, err := bufio.NewReader(conn).ReadByte(); !closedByPeer(err) {
			t.Errorf("%s: answered with %v, %v; want the connection to end", name, b, err)
		}
		conn.Close()
	}
	createTopic(t, c.Brokers(), "alive", 1, nil)
}

func closedByPeer(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.As(err, &op) && !op.Timeout()
}

// TestManyRequestsOnOneConnection passes the point where control functions are replaced, with and
// without acknowledgements.
func TestManyRequestsOnOneConnection(t *testing.T) {
	c := started(t, t.TempDir())
	createTopic(t, c.Brokers(), "commands", 1, appendTime)
	begin := time.Now()
	const n = controlUses + 100
	for _, acks := range []kgo.Acks{kgo.NoAck(), kgo.AllISRAcks()} {
		producer := client(t, c.Brokers(), kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite(), kgo.ProducerLinger(0), kgo.MaxBufferedRecords(1))
		for i := range n {
			producer.Produce(soon(t), &kgo.Record{Topic: "commands", Value: fmt.Append(nil, i), Timestamp: longAgo}, nil)
		}
		if err := producer.Flush(soon(t)); err != nil {
			t.Fatal(err)
		}
		producer.Close()
	}
	wantBetween(t, read(t, c.Brokers(), "commands", 2*n), begin, time.Now())
}
