package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Environment variables that decide about tests.
//
// NB: must not change. Makefiles and CI carry them.
const (
	// EnvTest is 1 where tests that need Apache Kafka are to run. Without it they are skipped,
	// because `make test` needs only Go.
	EnvTest = "FOLDLOG_TEST_KAFKA"
	// EnvRequire is 1 if they must run: they fail on a machine without JDK or Maven, instead of
	// being skipped. It implies EnvTest.
	EnvRequire = "FOLDLOG_REQUIRE_KAFKA"
)

// sharedLimit bounds the start of what tests share, which may have to be fetched first.
const sharedLimit = 10 * time.Minute

// T is what is needed of a *testing.T; an interface, so that programs that are no tests do not link
// the testing package.
type T interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
}

// Need skips the test unless Apache Kafka is wanted and can be started here.
func Need(t T) {
	t.Helper()
	required := os.Getenv(EnvRequire) == "1"
	if !required && os.Getenv(EnvTest) != "1" {
		t.Skipf("needs Apache Kafka: set %s=1 (and have a JDK from %d on, and Maven)", EnvTest, registryJava)
	}
	switch err := Available(t.Context()); {
	case err == nil:
	case required:
		t.Fatalf("needs Apache Kafka, and %s is 1: %v", EnvRequire, err)
	default:
		t.Skipf("needs Apache Kafka: %v", err)
	}
}

// Start starts a cluster for one test, which is skipped as [Need] says, and closes it after the
// test.
func Start(t T, config KafkaConfig) *Kafka {
	t.Helper()
	Need(t)
	k, err := StartKafka(t.Context(), config)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(k.Died(), k.Close()); err != nil {
			t.Errorf("%v", err)
		}
	})
	return k
}

// shared is what the tests of a process share.
var shared struct {
	mu       sync.Mutex
	kafka    *Kafka
	registry *Registry
	// of the first start that failed; it is not tried again, since each attempt takes minutes
	err error
}

// Shared returns the one-broker cluster of this test process and starts it for the first test that
// asks. The test is skipped as [Need] says. Tests that share it use topics and groups of their own
// and break nothing. The package's TestMain closes it, see [Main].
func Shared(t T) *Kafka {
	t.Helper()
	Need(t)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.kafka == nil && shared.err == nil {
		ctx, cancel := within(context.Background(), sharedLimit) // it outlives the test
		defer cancel()
		shared.kafka, shared.err = StartKafka(ctx, KafkaConfig{})
	}
	if shared.err != nil {
		t.Fatalf("%v", shared.err)
	}
	if err := shared.kafka.Died(); err != nil {
		t.Fatalf("the cluster that tests share: %v", err)
	}
	return shared.kafka
}

// SharedRegistry returns the registry of this test process, as [Shared] does the cluster. It is
// empty at first and its subjects are those that tests put there.
func SharedRegistry(t T) *Registry {
	t.Helper()
	Need(t)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.registry == nil && shared.err == nil {
		ctx, cancel := within(context.Background(), sharedLimit)
		defer cancel()
		shared.registry, shared.err = StartRegistry(ctx, RegistryConfig{})
	}
	if shared.err != nil {
		t.Fatalf("%v", shared.err)
	}
	return shared.registry
}

// Main runs the tests of a package, closes what they shared, and returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(kafkatest.Main(m)) }
func Main(m interface{ Run() int }) int {
	code := m.Run()
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, "close what the tests shared:", err)
		return max(code, 1)
	}
	return code
}

func closeShared() error {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	var all []error
	if shared.registry != nil {
		all = append(all, shared.registry.Close())
	}
	if shared.kafka != nil {
		all = append(all, shared.kafka.Close())
	}
	shared.kafka, shared.registry = nil, nil
	return errors.Join(all...)
}
