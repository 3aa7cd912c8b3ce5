package edge

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
)

// serve surrounds every request: its id, its place among those under way, its route, the answer to
// its error, its panic, its metrics and its line in the log.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	id := uuid.NewString()
	rec := &recorder{ResponseWriter: w}
	rec.Header().Set(api.HeaderRequestID, id)
	rec.Header().Set("X-Content-Type-Options", "nosniff")

	rt, handle, p, err := s.routes.find(r.Method, r.URL.EscapedPath())
	if err == nil {
		err = s.handle(rec, r, rt, handle, p)
	}
	status := s.finish(rec, r, id, err)
	took := time.Since(start)
	s.metrics.observe(rt, r.Method, status, took)
	s.config.Logger.Debug("request", "id", id, "method", r.Method, "path", r.URL.EscapedPath(), "status", status, "took", took, "peer", r.RemoteAddr)
	if rec.broken {
		// cuts the connection, so that half an answer is not taken for one
		panic(http.ErrAbortHandler)
	}
}

// handle runs the route's handler if there is room for it. A panic becomes an error.
func (s *Server) handle(w http.ResponseWriter, r *http.Request, rt *route, handle handler, p params) (err error) {
	if rt.limited {
		select {
		case s.places <- struct{}{}:
			defer func() { <-s.places }()
		default:
			return fail(api.CodeTooManyRequests, "%d requests are under way; try again", s.config.MaxInFlight)
		}
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return handle(w, r, p)
}

// finish answers an error that is not answered yet, and returns the request's status.
func (s *Server) finish(rec *recorder, r *http.Request, id string, err error) int {
	if err == nil {
		return rec.statusOr(http.StatusOK)
	}
	f := failureOf(r.Context(), err)
	if f == nil {
		rec.broken = true // a caller that still reads must not take silence for an empty 200
		return statusClientGone
	}
	s.logFailure(r, id, f)
	if rec.status != 0 {
		rec.broken = true
		return rec.status
	}
	writeProblem(rec, f, id)
	return rec.status
}

// logFailure logs failures that are not the client's fault.
func (s *Server) logFailure(r *http.Request, id string, f *failure) {
	if status := f.status(); status >= http.StatusInternalServerError && f.cause != nil {
		log := s.config.Logger.Warn
		if f.code == foldlog.CodeInternal {
			log = s.config.Logger.Error
		}
		log("request failed", "id", id, "method", r.Method, "path", r.URL.EscapedPath(), "status", status, "code", f.code,
			"command_id", f.commandID, "err", f.cause)
	}
}

// recorder remembers the status that was sent.
type recorder struct {
	http.ResponseWriter
	status int
	// broken says that an answer was begun and cannot be finished.
	broken bool
}

func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 && status >= http.StatusOK { // 1xx are not the answer
		rec.status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

func (rec *recorder) Write(b []byte) (int, error) {
	rec.status = rec.statusOr(http.StatusOK)
	return rec.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

func (rec *recorder) statusOr(status int) int {
	if rec.status != 0 {
		return rec.status
	}
	return status
}
