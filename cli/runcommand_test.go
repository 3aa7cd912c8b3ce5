package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/topology"
)

// kafka starts a broker and a registry, without any topic, on the addresses given; "" takes free
// ports.
func kafka(t *testing.T, dir, broker, registry string) *devcluster.Cluster {
	t.Helper()
	if broker == "" {
		broker, registry = "127.0.0.1:0", "127.0.0.1:0"
	}
	c, err := devcluster.Start(t.Context(), devcluster.Config{Dir: dir, KafkaListen: broker, RegistryListen: registry})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// process is a run command under way.
type process struct {
	http   string
	cancel context.CancelFunc
	code   chan int
	once   sync.Once
	exit   int
	log    *bytes.Buffer // to be read after stop
}

func startRun(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{http: freeAddress(t), cancel: cancel, code: make(chan int, 1), log: &bytes.Buffer{}}
	line := append([]string{"run", "--http", p.http, "--partitions", "2", "--replication-factor", "1"}, args...)
	go func() { p.code <- cli.Run(ctx, testApp(), line, strings.NewReader(""), p.log, p.log) }()
	t.Cleanup(func() { p.stop() })
	return p
}

// wait returns the exit code once the process has ended by itself.
func (p *process) wait() int {
	p.once.Do(func() { p.exit = <-p.code })
	return p.exit
}

func (p *process) stop() int {
	p.cancel()
	return p.wait()
}

// get returns status and body of a path; 0 if nobody answers.
func (p *process) get(path string) (int, string) {
	resp, err := http.Get("http://" + p.http + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	_, _ = body.ReadFrom(resp.Body)
	return resp.StatusCode, body.String()
}

func (p *process) isReady() bool { status, _ := p.get("/readyz"); return status == http.StatusOK }

func TestTopicsAndRoles(t *testing.T) {
	t.Chdir(t.TempDir())
	c := kafka(t, "cluster", "", "")
	t.Setenv("FOLDLOG_BROKERS", c.Brokers()[0])
	t.Setenv("FOLDLOG_REGISTRY", c.RegistryURL())
	t.Setenv("FOLDLOG_LOG_LEVEL", "warn")
	asDeclared := fmt.Sprintf("%d topics as declared\n", len(testApp().Topology.Topics(topology.Settings{})))
	small := []string{"--partitions", "2", "--replication-factor", "1"}

	refused := startRun(t, "--data-dir", "early")
	absent := "topic account.commands does not exist: run 'foldlog topics create'"
	if code := refused.wait(); code != cli.ExitFinding || !contains(refused.log.String(), absent) {
		t.Fatalf("run without topics: exit %d\n%s", code, refused.log)
	}

	missing := run(t, append([]string{"topics", "verify"}, small...)...)
	if missing.Code != cli.ExitFinding || !strings.Contains(missing.Out, "account.events does not exist") {
		t.Fatalf("topics verify: %+v", missing)
	}
	created := run(t, append([]string{"topics", "create"}, small...)...)
	if created.Code != cli.ExitOK || !contains(created.Out, "created topic account.events\n", "\n"+asDeclared) {
		t.Fatalf("topics create: %+v", created)
	}
	for _, args := range [][]string{{"topics", "create"}, {"topics", "verify"}} {
		if again := run(t, append(args, small...)...); again != (clitest.Result{Out: asDeclared}) {
			t.Errorf("%v again: %+v", args, again)
		}
	}
	wider := run(t, "topics", "verify", "--partitions", "3", "--replication-factor", "1", "--json")
	mismatches := decode[[]struct{ Topic, Setting, Want, Have string }](t, wider.Out)
	if wider.Code != cli.ExitFinding || mismatches[0].Setting != "partitions" {
		t.Errorf("another partition count: %+v", wider)
	}
	stubborn := startRun(t, "--data-dir", "early", "--horizon", "3d")
	differs := "account.outcomes has retention.ms=691200000, the topology asks for 345600000"
	if code := stubborn.wait(); code != cli.ExitFinding || !contains(stubborn.log.String(), differs) {
		t.Errorf("run with another horizon: exit %d\n%s", code, stubborn.log)
	}

	// The roles as processes of their own.
	processor := startRun(t, "--data-dir", "processor", "--roles", "processor")
	edge := startRun(t, "--data-dir", "edge", "--roles", "edge,view", "--instance", "edge-1")
	eventually(t, "both are ready", func() bool { return processor.isReady() && edge.isReady() })
	sent := run(t, "send", "account", "alice", "open", testApp().Examples[0].Body, "--url", "http://"+edge.http)
	if sent.Code != cli.ExitOK {
		t.Errorf("send: %+v", sent)
	}
	if status, body := processor.get("/v1/account/alice"); status != http.StatusServiceUnavailable || !contains(body, "not served by this process") {
		t.Errorf("a processor asked for a state: %d %s", status, body)
	}
	if status, body := processor.get("/metrics"); status != http.StatusOK || !strings.Contains(body, `roles="processor"`) {
		t.Errorf("metrics of the processor: %d %s", status, body)
	}
	if _, body := edge.get("/metrics"); !strings.Contains(body, `instance_name="edge-1"`) || !strings.Contains(body, "foldlog_http_requests_total") {
		t.Errorf("metrics of the edge: %s", body)
	}
	for name, p := range map[string]*process{"edge": edge, "processor": processor} {
		if code := p.stop(); code != cli.ExitOK {
			t.Errorf("%s: exit %d\n%s", name, code, p.log)
		}
	}
	// The default name of a process stays the same from start to start.
	id, err := os.ReadFile("processor/id")
	if err != nil || len(strings.TrimSpace(string(id))) != 8 {
		t.Errorf("data directory id %q, %v", id, err)
	}
}

func TestRunWaitsForKafkaAndRegistry(t *testing.T) {
	t.Chdir(t.TempDir())
	broker, registry, elsewhere := freeAddress(t), freeAddress(t), freeAddress(t)
	p := startRun(t, "--data-dir", "data", "--brokers", broker, "--registry", "http://"+elsewhere, "--create-topics", "--log-format", "json")
	eventually(t, "it says that it waits for Kafka", func() bool {
		status, body := p.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "waiting for Kafka at "+broker)
	})
	if status, body := p.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz while waiting: %d %s", status, body)
	}
	resp, err := http.Post("http://"+p.http+"/v1/account/alice/open", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	var problem struct {
		Status int
		Code   string
	}
	err = json.NewDecoder(resp.Body).Decode(&problem)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || problem.Code != "unavailable" || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a command while waiting: %d, %+v, %v", resp.StatusCode, problem, err)
	}

	kafka(t, "cluster", broker, registry)
	eventually(t, "it waits for the registry, since it has found Kafka", func() bool {
		status, body := p.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "waiting for the schema registry at http://"+elsewhere)
	})
	proxy := &http.Server{Addr: elsewhere, Handler: forwardTo(registry), ReadHeaderTimeout: time.Minute}
	t.Cleanup(func() { _ = proxy.Close() })
	go func() { _ = proxy.ListenAndServe() }()
	eventually(t, "it is ready", p.isReady)
	if code := p.stop(); code != cli.ExitOK {
		t.Errorf("exit %d\n%s", code, p.log)
	}
	if line, _, _ := strings.Cut(p.log.String(), "\n"); !json.Valid([]byte(line)) {
		t.Errorf("the log is not JSON: %s", line)
	}
}

func TestRunStopsWhileItWaits(t *testing.T) {
	t.Chdir(t.TempDir())
	p := startRun(t, "--data-dir", "data", "--brokers", freeAddress(t))
	eventually(t, "it answers", func() bool { status, _ := p.get("/healthz"); return status == http.StatusOK })
	if code := p.stop(); code != cli.ExitOK {
		t.Errorf("exit %d\n%s", code, p.log)
	}
}

func TestRunRefusesWrongRoles(t *testing.T) {
	t.Chdir(t.TempDir())
	for roles, want := range map[string]string{"edge,worker": `no role "worker"; use edge, processor, view`, "": "--roles is empty"} {
		if got := run(t, "run", "--roles", roles); got.Code != cli.ExitUsage || !strings.Contains(got.Err, want) {
			t.Errorf("%q: %+v", roles, got)
		}
	}
}

// forwardTo passes requests on to another address.
func forwardTo(address string) http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: address}) }}
}
