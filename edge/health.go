package edge

import (
	"errors"
	"net/http"
)

// health says that the process answers.
func (s *Server) health(w http.ResponseWriter, _ *http.Request, _ params) error {
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, map[string]bool{"healthy": true})
}

// readiness is the body of /readyz.
type readiness struct {
	Ready bool `json:"ready"`
	// Waiting says for each part that is not ready what it waits for.
	Waiting map[string]string `json:"waiting,omitempty"`
}

// ready is 200 where requests can be answered from here, else 503 with what is waited for. The body
// is no problem document, since nothing went wrong.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request, _ params) error {
	waiting := map[string]string{}
	note := func(name string, err error) {
		if err != nil {
			waiting[name] = err.Error()
		}
	}
	note("views", s.config.Views.Ready())
	for name, check := range s.config.ReadyChecks {
		note(name, check())
	}
	if s.draining.Load() {
		note("edge", errors.New("draining: this process is about to stop"))
	}
	status := http.StatusOK
	if len(waiting) > 0 {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, status, "application/json", readiness{Ready: len(waiting) == 0, Waiting: waiting})
}
