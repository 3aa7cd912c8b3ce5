package interop

import (
	"os"
	"testing"

	"github.com/foldlog/foldlog/internal/kafkatest"
)

func TestOnApacheKafkaAndApicurio(t *testing.T) {
	kafkatest.Need(t)
	testEverybody(t, startOnKafka(t))
}

func TestOnTheEmbeddedBrokerAndRegistry(t *testing.T) {
	if os.Getenv(kafkatest.EnvTest) != "1" && os.Getenv(kafkatest.EnvRequire) != "1" {
		t.Skipf("set %s=1 to run this test: it installs packages of other languages from the network", kafkatest.EnvTest)
	}
	testEverybody(t, startEmbedded(t))
}

// testEverybody lets foreign producers write commands, gives the log the rest of what real logs
// have, and compares what foreign consumers make of it with the ledger.
func testEverybody(t *testing.T, s *system) {
	for _, l := range languages {
		for _, format := range []string{"json", "avro"} {
			t.Run("commands from "+l.name+" in "+format, func(t *testing.T) { s.testProducer(t, l, format) })
		}
	}
	if t.Failed() {
		return
	}
	s.trade(t)
	t.Run("archive in python", s.testArchive) // before there are events that this tree cannot know
	s.writeOtherVersions(t)
	s.abortTransaction(t)
	want := s.ledger(t)
	for _, l := range languages {
		t.Run("balances in "+l.name, func(t *testing.T) {
			compare(t, parse[ledger](t, s.run(t, l.open(t), nil, l.consumer)), want)
		})
	}
	t.Run("Parquet and DuckDB", func(t *testing.T) { s.testDuckDB(t, want) })
}
