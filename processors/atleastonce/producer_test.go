package atleastonce

import (
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/internal/record"
)

// An event's record has the time of its command, which may have waited in the log for days.
func TestOldRecordsAreWritten(t *testing.T) {
	dev, err := devcluster.Start(t.Context(), devcluster.Config{Dir: t.TempDir(), KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0",
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close() // the test is over
	p, err := newProducer(cluster.Config{Brokers: dev.Brokers()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close() // the test is over
	if _, err := kadm.NewClient(p.client).CreateTopic(t.Context(), 1, 1, nil, "events"); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	p.produce(&record.Record{Topic: "events", Key: []byte("k"), Value: []byte("v"), Timestamp: time.Now().Add(-72 * time.Hour)}, func(err error) { written <- err })
	select {
	case err := <-written:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("not acknowledged within 30 s")
	}
}
