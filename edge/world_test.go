package edge_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/edge"
	"github.com/foldlog/foldlog/gateway"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
	"github.com/foldlog/foldlog/views"
)

// world is the bank behind its HTTP interface, on a broker of its own. Who decides the commands is
// up to the test.
type world struct {
	dev      *devcluster.Cluster
	cluster  cluster.Config
	topology *topology.Topology
	settings topology.Settings
	codecs   *codecs.Codecs
	views    *views.Set
	url      string
	logger   *slog.Logger
	// until the test's end, which waits for it
	run func(name string, f func(context.Context) error)
}

func newWorld(t *testing.T, change func(*edge.Config)) *world {
	t.Helper()
	level := slog.LevelError + 1
	if os.Getenv("FOLDLOG_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	w := &world{topology: bank.Topology(), settings: topology.Settings{Partitions: 4, ReplicationFactor: 1},
		logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))}
	w.settings.EnsureDefaults()
	var err error
	dev := devcluster.Config{Dir: t.TempDir(), KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"}
	if w.dev, err = devcluster.Start(t.Context(), dev); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.dev.Close() })
	w.cluster = cluster.Config{Brokers: w.dev.Brokers()}
	if _, err := cluster.EnsureTopics(t.Context(), w.cluster, w.topology, w.settings); err != nil {
		t.Fatal(err)
	}
	set, err := schemas.Load(bankschemas.Files, w.topology)
	if err != nil {
		t.Fatal(err)
	}
	registry := schemas.New(schemas.Config{URL: w.dev.RegistryURL()}, w.logger)
	if w.codecs, err = codecs.New(t.Context(), w.topology, w.settings.Names(), set, registry, w.logger); err != nil {
		t.Fatal(err)
	}

	var all sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
	w.run = func(name string, f func(context.Context) error) {
		all.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	w.views = w.openViews(t)
	w.run("views", w.views.Run)
	w = w.behind(t, change)
	eventually(t, time.Minute, "ready", func() (bool, string) {
		got := w.get(t, "/readyz")
		return got.status == http.StatusOK, got.body
	})
	return w
}

func (w *world) openViews(t *testing.T) *views.Set {
	t.Helper()
	set, err := views.Open(views.Config{Topology: w.topology, Settings: w.settings, Codecs: w.codecs, Cluster: w.cluster,
		DataDir: t.TempDir(), Logger: w.logger})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// gateway returns one that lives until the test's end.
func (w *world) gateway(t *testing.T, patience time.Duration) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(gateway.Config{Topology: w.topology, Names: w.settings.Names(), Codecs: w.codecs, Cluster: w.cluster, Patience: patience,
		Expect: func(aggregate, id, commandID string) gateway.Expectation {
			return w.views.Outcomes(aggregate).Expect(id, commandID)
		}})
	if err != nil {
		t.Fatal(err)
	}
	w.run("gateway", func(ctx context.Context) error {
		<-ctx.Done()
		g.Close()
		return nil
	})
	return g
}

// behind returns the same world behind another edge.
func (w *world) behind(t *testing.T, change func(*edge.Config)) *world {
	t.Helper()
	config := edge.Config{Topology: w.topology, Names: w.settings.Names(), Views: w.views, Listen: "127.0.0.1:0", Logger: w.logger}
	if change != nil {
		change(&config)
	}
	if config.Gateway == nil {
		config.Gateway = w.gateway(t, 0)
	}
	server, err := edge.New(config)
	if err != nil {
		t.Fatal(err)
	}
	w.run("edge", server.Run)
	other := *w
	other.url = "http://" + server.Addr().String()
	return &other
}

// eventually polls a condition.
func eventually(t *testing.T, patience time.Duration, what string, check func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, last := check()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not %s within %s: %s", what, patience, last)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (w *world) call(t *testing.T, method, path, body string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

func (w *world) get(t *testing.T, path string, headers ...string) reply {
	t.Helper()
	return w.call(t, http.MethodGet, path, "", headers...)
}

// post sends a command with an id and perhaps more headers.
func (w *world) post(t *testing.T, path, body, id string, headers ...string) reply {
	t.Helper()
	headers = append(headers, "Content-Type", "application/json")
	if id != "" {
		headers = append(headers, "Idempotency-Key", id)
	}
	return w.call(t, http.MethodPost, path, body, headers...)
}

// is checks status and members of the body. A member that is wanted as nil must be absent.
func (r reply) is(t *testing.T, what string, status int, members map[string]any) map[string]any {
	t.Helper()
	var got map[string]any
	decoder := json.NewDecoder(strings.NewReader(r.body))
	decoder.UseNumber()
	if err := decoder.Decode(&got); err != nil && r.body != "" {
		t.Fatalf("%s: status %d with %q: %v", what, r.status, r.body, err)
	}
	if r.status != status {
		t.Errorf("%s: status %d, want %d: %s", what, r.status, status, r.body)
	}
	for name, want := range members {
		if n, ok := want.(int); ok {
			want = json.Number(jsonOf(t, n))
		}
		if have, there := got[name]; want == nil && there || want != nil && jsonOf(t, have) != jsonOf(t, want) {
			t.Errorf("%s: %s is %s, want %s: %s", what, name, jsonOf(t, have), jsonOf(t, want), r.body)
		}
	}
	wantType := "application/json"
	if status >= 400 {
		wantType = "application/problem+json"
		for _, member := range []string{"type", "title", "status", "code"} {
			if _, there := got[member]; !there {
				t.Errorf("%s: the problem has no %s: %s", what, member, r.body)
			}
		}
	}
	if status != http.StatusNotModified && r.header.Get("Content-Type") != wantType {
		t.Errorf("%s: content type %q", what, r.header.Get("Content-Type"))
	}
	return got
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
