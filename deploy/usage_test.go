package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// readyLimit bounds how long the roles may take to become ready, on a machine that also runs three
// brokers.
const readyLimit = 3 * time.Minute

// checkHealth runs the health checks of docker-compose.yml until they succeed.
func (s *system) checkHealth(t *testing.T) {
	for name, service := range s.compose.Services {
		test := service.Healthcheck.Test
		if len(test) == 0 || name == "prometheus" { // which is not started
			continue
		}
		if test[0] != "CMD" {
			t.Errorf("service %s: health check %v: only CMD is known here", name, test)
			continue
		}
		program, args := path.Base(test[1]), s.network.translateAll(name, test[2:])
		// bash writes addresses in its own way
		if len(s.compose.brokers()) > 0 && strings.HasPrefix(name, "kafka-") {
			host, port, _ := net.SplitHostPort(s.network.own[name][":9092"])
			args[len(args)-1] = strings.ReplaceAll(args[len(args)-1], "127.0.0.1/9092", host+"/"+port)
		}
		eventually(t, readyLimit, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, service.Healthcheck.Timeout)
			defer cancel()
			cmd := exec.CommandContext(ctx, program, args...)
			if path.IsAbs(test[1]) {
				cmd = exec.CommandContext(ctx, path.Join(s.bin, program), args...)
			}
			if output, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("service %s: %s: %w: %s", name, cmd, err, output)
			}
			return nil
		})
	}
}

// useBank sends commands to the edge and reads them back from it and from the view, through the
// ports that are published.
func (s *system) useBank(t *testing.T) {
	edge, view := "http://"+s.network.local["127.0.0.1:8080"], "http://"+s.network.local["127.0.0.1:8082"]
	opened := call(t, http.MethodPost, edge+"/v1/account/alice/open", `{"holder": "Alice", "currency": "EUR", "overdraft_limit": 0}`, "")
	if opened["accepted"] != true || opened["version"] != 1.0 {
		t.Fatalf("open: %v", opened)
	}
	deposited := call(t, http.MethodPost, edge+"/v1/account/alice/deposit", `{"amount": 10000, "currency": "EUR", "reference": "first money"}`, "")
	token, _ := deposited["token"].(string)
	if deposited["version"] != 2.0 || token == "" {
		t.Fatalf("deposit: %v", deposited)
	}
	state := call(t, http.MethodGet, edge+"/v1/account/alice", "", token)
	if fields, _ := state["state"].(map[string]any); state["version"] != 2.0 || fields["balance"] != 10000.0 {
		t.Errorf("state: %v", state)
	}
	row := call(t, http.MethodGet, view+"/v1/views/balances/alice", "", token)
	if fields, _ := row["row"].(map[string]any); fields["balance"] != 10000.0 || fields["holder_id"] != "Alice" {
		t.Errorf("row: %v", row)
	}
}

// call makes a request, which has to succeed, and returns the fields of the answer.
func call(t *testing.T, method, url, body, token string) map[string]any {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Foldlog-After", token)
	}
	answer := fetch(t, request)
	fields := map[string]any{}
	if err := json.Unmarshal(answer, &fields); err != nil {
		t.Fatalf("%s %s: %v in %s", method, url, err, answer)
	}
	return fields
}

func fetch(t *testing.T, request *http.Request) []byte {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s", request.Method, request.URL, response.Status, answer)
	}
	return answer
}

// checkMetrics reads what Prometheus would read, and parses it.
func (s *system) checkMetrics(t *testing.T) {
	for target, path := range scrapes(t) {
		here, started := s.network.local[target]
		if !started {
			if target != "localhost:9090" { // Prometheus itself
				t.Errorf("Prometheus reads %s, and nothing listens there", target)
			}
			continue
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+here+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		// the form that the parser reads; Prometheus takes others, too
		request.Header.Set("Accept", "text/plain;version=0.0.4")
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(fetch(t, request)))
		if err != nil {
			t.Errorf("%s: %v", target, err)
		}
		if name, _, _ := strings.Cut(target, ":"); s.roles[name] != nil && families["foldlog_info"] == nil {
			t.Errorf("%s has no foldlog_info among %d metrics", target, len(families))
		}
	}
}

// verifyTopicsFromOutside is what somebody on the host does, through the published ports of the
// brokers.
func (s *system) verifyTopicsFromOutside(t *testing.T) {
	for _, name := range s.compose.brokers() {
		published, _, _ := strings.Cut(strings.TrimPrefix(s.compose.Services[name].Ports[0], "127.0.0.1:"), ":")
		here := s.network.local["127.0.0.1:"+published]
		metadata, err := s.admin(t, []string{here}).BrokerMetadata(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(metadata.Brokers) != 3 {
			t.Errorf("%s knows of %d brokers", name, len(metadata.Brokers))
		}
		cmd := s.command("topics", "foldlog", []string{"topics", "verify"})
		cmd.Args = append(cmd.Args, "--brokers", here)
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", cmd, err, output)
		}
	}
}
