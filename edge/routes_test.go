package edge

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
)

func TestRoutes(t *testing.T) {
	s := &Server{config: Config{Topology: bank.Topology()}}
	s.config.EnsureDefaults()
	s.routes = s.router()
	for _, tc := range []struct {
		method, target string
		pattern        string
		status         int // of the refusal; 0 if it is found
		allow          string
		params         params
	}{
		{"GET", "/v1/account/a", "/v1/{aggregate}/{id}", 0, "", params{"aggregate": "account", "id": "a"}},
		{"HEAD", "/v1/account/a", "/v1/{aggregate}/{id}", 0, "", nil},
		{"GET", "/v1/account/a%2Fb", "/v1/{aggregate}/{id}", 0, "", params{"aggregate": "account", "id": "a/b"}},
		{"GET", "/v1/account/%2e%2e", "/v1/{aggregate}/{id}", 0, "", params{"aggregate": "account", "id": ".."}},
		// nothing is cleaned: the id is ".."
		{"GET", "/v1/account/../x", "/v1/{aggregate}/{id}/{command}", http.StatusNotFound, "", nil},
		{"GET", "/v1/account/", "/v1/{aggregate}/{id}", 0, "", params{"aggregate": "account", "id": ""}},
		{"POST", "/v1/account/a/deposit", "/v1/{aggregate}/{id}/{command}", 0, "", params{"aggregate": "account", "id": "a", "command": "deposit"}},
		// only policies send it
		{"POST", "/v1/account/a/debit", "/v1/{aggregate}/{id}/{command}", http.StatusNotFound, "", nil},
		{"POST", "/v1/account/a/nonsense", "/v1/{aggregate}/{id}/{command}", http.StatusNotFound, "", nil},
		{"POST", "/v1/nobody/a/deposit", "/v1/{aggregate}/{id}/{command}", http.StatusNotFound, "", nil},
		{"POST", "/v1/account/a/deposit/", "none", http.StatusNotFound, "", nil},
		{"GET", "/v1/account/a/deposit", "/v1/{aggregate}/{id}/{command}", http.StatusMethodNotAllowed, "POST", nil},
		{"GET", "/v1/account/a%2Fb/events", "/v1/{aggregate}/{id}/events", 0, "", params{"aggregate": "account", "id": "a/b"}},
		{"POST", "/v1/account/a/events", "/v1/{aggregate}/{id}/events", http.StatusMethodNotAllowed, "GET, HEAD", nil},
		{"GET", "/v1/nobody/a/events", "/v1/{aggregate}/{id}/events", http.StatusNotFound, "", nil},
		{"GET", "/v1/traces/k%2F1", "/v1/traces/{id}", 0, "", params{"id": "k/1"}},
		{"POST", "/v1/traces/a", "/v1/traces/{id}", http.StatusMethodNotAllowed, "GET, HEAD", nil},
		{"GET", "/v1/account/a/commands/k%2F1", "/v1/{aggregate}/{id}/commands/{command_id}", 0, "",
			params{"aggregate": "account", "id": "a", "command_id": "k/1"}},
		{"DELETE", "/v1/account/a", "/v1/{aggregate}/{id}", http.StatusMethodNotAllowed, "GET, HEAD", nil},
		{"GET", "/v1/views/balances", "/v1/views/{view}", 0, "", params{"view": "balances"}},
		{"GET", "/v1/views/balances/a%2Fb%20%C3%BC", "/v1/views/{view}/{key}", 0, "", params{"view": "balances", "key": "a/b ü"}},
		{"GET", "/v1/views/nobody", "/v1/views/{view}", http.StatusNotFound, "", nil},
		{"POST", "/v1/views/balances/a", "/v1/views/{view}/{key}", http.StatusMethodNotAllowed, "GET, HEAD", nil},
		{"POST", "/v1/cloudevents", "none", http.StatusNotFound, "", nil},
		{"GET", "/", "none", http.StatusNotFound, "", nil},
		{"GET", "//v1/account/a", "none", http.StatusNotFound, "", nil},
		{"GET", "/v1/../../etc/passwd", "none", http.StatusNotFound, "", nil},
		{"GET", "/v1/views/balances/%2e%2e%2f%2e%2e%2fetc", "/v1/views/{view}/{key}", 0, "", params{"view": "balances", "key": "../../etc"}},
		{"GET", "/healthz", "/healthz", 0, "", nil},
		{"POST", "/readyz", "/readyz", http.StatusMethodNotAllowed, "GET, HEAD", nil},
	} {
		u, err := url.Parse(tc.target)
		if err != nil {
			t.Fatal(err)
		}
		rt, _, p, err := s.routes.find(tc.method, u.EscapedPath())
		if rt.pattern != tc.pattern {
			t.Errorf("%s %s: route %s, want %s", tc.method, tc.target, rt.pattern, tc.pattern)
		}
		if tc.status == 0 {
			if err != nil {
				t.Errorf("%s %s: %v", tc.method, tc.target, err)
			}
			for name, want := range tc.params {
				if p[name] != want {
					t.Errorf("%s %s: %s is %q, want %q", tc.method, tc.target, name, p[name], want)
				}
			}
			continue
		}
		f := failureOf(t.Context(), err)
		if f == nil || f.status() != tc.status || f.allow != tc.allow {
			t.Errorf("%s %s: refused with %+v, want %d, allow %q", tc.method, tc.target, f, tc.status, tc.allow)
		}
	}
	if _, _, _, err := s.routes.find("GET", "/v1/account/%zz"); failureOf(t.Context(), err).code != foldlog.CodeMalformed {
		t.Errorf("a wrong percent-encoding: %v", err)
	}
}
