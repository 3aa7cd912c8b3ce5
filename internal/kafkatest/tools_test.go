package kafkatest

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestJavaVersion(t *testing.T) {
	for printed, want := range map[string]int{
		"openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment": 17,
		`openjdk version "25" 2025-09-16`:                                     25,
		`java version "1.8.0_402"`:                                            8,
	} {
		if got, err := javaVersion(printed); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", printed, got, err, want)
		}
	}
	if _, err := javaVersion("command not found"); err == nil {
		t.Error("found a version where there is none")
	}
}

func TestMissingJavaIsSaid(t *testing.T) {
	t.Setenv("JAVA_HOME", filepath.Join(t.TempDir(), "nothing"))
	err := Available(t.Context())
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "JAVA_HOME") {
		t.Errorf("got %v", err)
	}
}

func TestPortRangeAvoidsTheSystemsOwn(t *testing.T) {
	for ephemeral, want := range map[string][2]int{
		"32768\t60999\n": {10000, 32767},
		"20000\t60999\n": {10000, 19999},
		"10000\t20000\n": {20001, 65535},
		"1024\t65535\n":  {10000, 32767}, // nothing better
		"nonsense":       {10000, 32767},
	} {
		if lowest, highest := portRange([]byte(ephemeral), nil); [2]int{lowest, highest} != want {
			t.Errorf("%q: got %d to %d, want %v", ephemeral, lowest, highest, want)
		}
	}
	if lowest, highest := portRange(nil, os.ErrNotExist); lowest != 10000 || highest != 32767 {
		t.Errorf("without a range: got %d to %d", lowest, highest)
	}
}

func TestReservedPortsAreOnesOwn(t *testing.T) {
	t.Setenv("FOLDLOG_CACHE", t.TempDir())
	seen := map[string]bool{}
	for range 10 {
		p, err := ReservePorts(20)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close() }()
		for i := range 20 {
			if seen[p.Addr(i)] {
				t.Fatalf("%s was given out twice", p.Addr(i))
			}
			seen[p.Addr(i)] = true
			listener, err := net.Listen("tcp", p.Addr(i))
			if err != nil {
				t.Fatal(err)
			}
			_ = listener.Close()
		}
	}
}

func TestConfigIsCheckedBeforeAnythingStarts(t *testing.T) {
	used := t.TempDir()
	if err := os.WriteFile(filepath.Join(used, "data"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartKafka(t.Context(), KafkaConfig{Brokers: 12, HeapMB: 1, Dir: used})
	for _, want := range []string{"12 brokers", "1 MiB", "not empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := StartRegistry(t.Context(), RegistryConfig{Durable: true, Kafka: []string{"127.0.0.1:1"}}); err == nil {
		t.Error("started a registry that keeps schemas in two places")
	}
}
