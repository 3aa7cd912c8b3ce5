package edge

import (
	"errors"
	"net/http"

	"github.com/foldlog/foldlog/api"
)

// health says that the process answers.
func (s *Server) health(w http.ResponseWriter, _ *http.Request, _ params) error {
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, map[string]bool{"healthy": true})
}

// ready answers 200 if requests can be answered here, else 503 with the reasons to wait. The body
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
	return writeJSON(w, status, api.ContentTypeJSON, api.Readiness{Ready: len(waiting) == 0, Waiting: waiting})
}
