package atleastonce

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/topology"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A store is used again only if it was closed in good order, belongs to the same topic and is young enough. Each reason for distrust
// is planted, and the row that was in the store must be gone.
func TestStoresThatCannotBeTrustedAreRebuilt(t *testing.T) {
	dev, err := devcluster.Start(t.Context(), devcluster.Config{Dir: t.TempDir(), KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0",
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close() // the test is over
	c := cluster.Config{Brokers: dev.Brokers()}
	opts, err := c.Franz()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	createTopic := func() {
		t.Helper()
		if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, "rows"); err != nil {
			t.Fatal(err)
		}
	}
	createTopic()

	receiptOf := func(dir string) string { return filepath.Join(dir, "rows.0.closed") }
	cases := []struct {
		name   string
		plant  func(t *testing.T, dir string)
		reason string // "" means that the store is trusted
	}{
		{"closed in good order", func(*testing.T, string) {}, ""},
		{"killed", func(t *testing.T, dir string) { remove(t, receiptOf(dir)) }, "not closed in good order"},
		{"absent for too long", func(t *testing.T, dir string) {
			data, err := os.ReadFile(receiptOf(dir))
			if err != nil {
				t.Fatal(err)
			}
			var r receipt
			if err := json.Unmarshal(data, &r); err != nil {
				t.Fatal(err)
			}
			r.ClosedAt = r.ClosedAt.Add(-longestAbsence - time.Minute)
			if data, err = json.Marshal(r); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(receiptOf(dir), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "away for too long"},
		{"damaged", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "rows.0", "CURRENT"), []byte("nonsense"), 0o600); err != nil {
				t.Fatal(err)
			}
			manifests, err := filepath.Glob(filepath.Join(dir, "rows.0", "MANIFEST-*"))
			if err != nil || len(manifests) == 0 {
				t.Fatal("no manifest to damage", err)
			}
			for _, m := range manifests {
				if err := os.Truncate(m, 3); err != nil {
					t.Fatal(err)
				}
			}
		}, "damaged"},
		{"topic created anew", func(t *testing.T, _ string) {
			if _, err := admin.DeleteTopic(t.Context(), "rows"); err != nil {
				t.Fatal(err)
			}
			createTopic()
		}, "created anew"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			dir := t.TempDir()
			build := storeBuilder(dir, c, slog.New(slog.NewTextHandler(&log, nil)))
			open := func() (get func(string) string, closeStore func()) {
				t.Helper()
				s, err := build("rows", 0)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Open(); err != nil {
					t.Fatal(err)
				}
				if err := restoreRow(nil, s, topology.ProgressPrefix+"x", []byte("y")); err != nil {
					t.Fatal(err)
				}
				get = func(key string) string {
					value, err := s.Get(key)
					if err != nil {
						t.Fatal(err)
					}
					return string(value)
				}
				if err := s.Set("__offset", []byte("row")); err != nil { // a view key may be Goka's own
					t.Fatal(err)
				}
				return get, func() {
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
				}
			}
			get, closeStore := open()
			if get(topology.ProgressPrefix+"x") != "" {
				t.Error("a progress record became a row")
			}
			closeStore()
			test.plant(t, dir)
			log.Reset()
			s, err := build("rows", 0)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close() // the test is over
			value, err := s.Get("__offset")
			if err != nil {
				t.Fatal(err)
			}
			if kept := string(value) == "row"; kept != (test.reason == "") {
				t.Errorf("row kept: %v; log: %s", kept, log.String())
			}
			if !strings.Contains(log.String(), test.reason) {
				t.Errorf("the log does not say %q: %s", test.reason, log.String())
			}
		})
	}
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}
