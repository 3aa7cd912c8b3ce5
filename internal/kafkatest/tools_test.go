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
		if got, err := versionIn(printed); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", printed, got, err, want)
		}
	}
	if _, err := versionIn("command not found"); err == nil {
		t.Error("found a version where there is none")
	}
}

func TestJavaThatIsNewEnoughIsChosen(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"16", "17", "22"} {
		home := filepath.Join(dir, version, "bin")
		if err := os.MkdirAll(home, 0o700); err != nil {
			t.Fatal(err)
		}
		script := "#!/bin/sh\necho 'openjdk version \"" + version + ".0.1\"'\n"
		if err := os.WriteFile(filepath.Join(home, "java"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("JAVA_HOME", filepath.Join(dir, "16"))
	t.Setenv("PATH", filepath.Join(dir, "22", "bin")+":"+os.Getenv("PATH"))
	if got, err := findJava(t.Context(), "", 21); err != nil || got != filepath.Join(dir, "22", "bin", "java") {
		t.Errorf("got %s, %v", got, err)
	}
	t.Setenv("JAVA_HOME", filepath.Join(dir, "17"))
	if got, err := findJava(t.Context(), "", 17); err != nil || got != filepath.Join(dir, "17", "bin", "java") {
		t.Errorf("got %s, %v, not that of JAVA_HOME", got, err)
	}
	_, err := findJava(t.Context(), "", 99)
	for _, want := range []string{"JDK from 99 on", "is Java 17", "is Java 22"} {
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := findJava(t.Context(), filepath.Join(dir, "16", "bin", "java"), 17); !errors.Is(err, ErrUnavailable) {
		t.Errorf("took the Java that was given although it is too old: %v", err)
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
