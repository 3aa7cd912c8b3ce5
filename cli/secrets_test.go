package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/foldlog/foldlog/cli"
)

// A password in the registry's URL reaches the registry and nobody else: it is in nothing that a
// process of any role says, whether the registry answers or not, nor in a dead letter that anybody
// can provoke.
func TestSecretsStaySecret(t *testing.T) {
	t.Chdir(t.TempDir())
	const user, password = "keeper", "hunter2"
	c := kafka(t, "cluster", "", "")
	registry, err := url.Parse(c.RegistryURL())
	if err != nil {
		t.Fatal(err)
	}
	var away, foreign atomic.Bool
	forward := httputil.NewSingleHostReverseProxy(registry)
	front := &http.Server{Addr: freeAddress(t), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			foreign.Store(true)
		}
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		forward.ServeHTTP(w, r)
	})}
	go func() { _ = front.ListenAndServe() }()
	t.Cleanup(func() { _ = front.Close() })
	t.Setenv("FOLDLOG_BROKERS", c.Brokers()[0])
	t.Setenv("FOLDLOG_REGISTRY", fmt.Sprintf("http://%s:%s@%s", user, password, front.Addr))
	t.Setenv("FOLDLOG_LOG_LEVEL", "debug")
	small := []string{"--partitions", "2", "--replication-factor", "1"}
	said := map[string]string{}
	for _, args := range [][]string{{"topics", "create"}, {"schemas", "publish"}, {"verify"}} {
		flags := small
		if args[0] == "schemas" {
			flags = nil
		}
		got := run(t, append(args, flags...)...)
		said[strings.Join(args, " ")] = got.Out + got.Err
		if got.Code != cli.ExitOK {
			t.Errorf("%v: %+v", args, got)
		}
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	unknown := &kgo.Record{Topic: "account.commands", Key: []byte("alice"), Value: []byte{0, 0, 15, 66, 63, 1}}
	if err := producer.ProduceSync(t.Context(), unknown).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"edge", "processor", "view"} {
		p := startRun(t, "--roles", role, "--data-dir", role)
		eventually(t, role+" is ready", p.isReady)
		if role == "processor" {
			eventually(t, "a dead letter", func() bool {
				got := run(t, "dead-letters", "list", "--json")
				said["dead letters"] = got.Out + got.Err
				return strings.Contains(got.Out, "schema id 999999")
			})
		}
		for _, path := range []string{"/readyz", "/healthz", "/metrics"} {
			_, body := p.get(path)
			said[role+path] = body
		}
		p.stop()
		said[role] = p.log.String()
	}
	away.Store(true)
	late := startRun(t, "--data-dir", "late")
	eventually(t, "it waits for the registry", func() bool {
		_, body := late.get("/readyz")
		said["/readyz without a registry"] = body
		return strings.Contains(body, front.Addr)
	})
	late.stop()
	said["without a registry"] = late.log.String()
	got := run(t, append([]string{"verify", "--registry", fmt.Sprintf("ftp://%s:%s@h", user, password)}, small...)...)
	said["a wrong address"] = got.Out + got.Err
	got = run(t, append([]string{"topics", "verify", "--brokers", fmt.Sprintf("%s:%s@h:9092", user, password)}, small...)...)
	said["a wrong broker"] = got.Out + got.Err
	for what, text := range said {
		if text == "" {
			t.Errorf("%s says nothing", what)
		}
		if at := strings.Index(text, password); at >= 0 {
			t.Errorf("%s says the password: ...%s...", what, text[max(at-100, 0):min(at+100, len(text))])
		}
	}
	if foreign.Load() {
		t.Error("a request did not have the user and the password")
	}
}
