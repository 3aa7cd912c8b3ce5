package kafkatest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Java starts without an archive that it cannot use, and says nothing: a broker would only start
// more slowly.
func TestBrokersMapTheirClasses(t *testing.T) {
	loaded := filepath.Join(t.TempDir(), "loaded")
	Start(t, KafkaConfig{Logger: testLogger(t), JVM: []string{"-Xlog:class+load:file=" + loaded}})
	log, err := os.ReadFile(loaded)
	if err != nil {
		t.Fatal(err)
	}
	mapped, kafkas := 0, 0
	for line := range strings.Lines(string(log)) {
		if !strings.Contains(line, " kafka.") && !strings.Contains(line, " org.apache.kafka.") {
			continue
		}
		kafkas++
		if strings.Contains(line, "source: shared objects file") {
			mapped++
		}
	}
	// Some are made while Java runs, as lambdas are, and cannot be in an archive.
	t.Logf("%d of %d classes of Kafka were mapped", mapped, kafkas)
	if mapped < kafkas*3/4 || kafkas == 0 {
		t.Errorf("only %d of %d classes of Kafka were mapped", mapped, kafkas)
	}
}
