package exactlyonce

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/internal/kafkatest"
)

// The suite runs on the embedded broker, or on Apache Kafka where FOLDLOG_TEST_KAFKA is 1.
var onKafka = os.Getenv("FOLDLOG_TEST_KAFKA") == "1"

var shared struct {
	once    sync.Once
	brokers []string
	err     error
	close   func()
}

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child()
		return
	}
	code := kafkatest.Main(m)
	if shared.close != nil {
		shared.close()
	}
	os.Exit(code)
}

// brokers returns the addresses of the cluster that all tests of this process share.
func brokers(t testing.TB) []string {
	t.Helper()
	shared.once.Do(func() { shared.err = startCluster() })
	if shared.err != nil {
		t.Fatalf("start the brokers: %v", shared.err)
	}
	return shared.brokers
}

func startCluster() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if onKafka {
		k, err := kafkatest.StartKafka(ctx, kafkatest.KafkaConfig{Brokers: 1})
		if err != nil {
			return err
		}
		shared.brokers, shared.close = k.Bootstrap(), func() { _ = k.Close() }
		return nil
	}
	dir, err := os.MkdirTemp("", "exactlyonce")
	if err != nil {
		return err
	}
	c, err := devcluster.Start(ctx, devcluster.Config{Dir: dir, KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"})
	if err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	shared.brokers, shared.close = c.Brokers(), func() { _ = c.Close(); _ = os.RemoveAll(dir) }
	return nil
}
