package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
	"github.com/foldlog/foldlog/gateway"
	"github.com/foldlog/foldlog/views"
)

// statusClientGone stands in logs and metrics for a request whose client went away before the
// answer. It is never sent.
const statusClientGone = 499

// statusOf is the one place in which codes become statuses. Codes that it does not know are the
// domain's.
func statusOf(code string) int {
	switch code {
	case foldlog.CodeMalformed, foldlog.CodeInvalidField:
		return http.StatusBadRequest
	case foldlog.CodeNotFound:
		return http.StatusNotFound
	case api.CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case api.CodeTimeout:
		return http.StatusRequestTimeout
	case foldlog.CodeVersionConflict:
		return http.StatusPreconditionFailed
	case foldlog.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case api.CodeUnsupportedMediaType:
		return http.StatusUnsupportedMediaType
	case api.CodeTooManyRequests:
		return http.StatusTooManyRequests
	case foldlog.CodeInternal:
		return http.StatusInternalServerError
	case api.CodeUnavailable:
		return http.StatusServiceUnavailable
	case foldlog.CodeOutcomeUnknown, foldlog.CodeNotYetVisible:
		return http.StatusGatewayTimeout
	}
	return http.StatusUnprocessableEntity
}

// failure is an error with its answer for the client.
type failure struct {
	code   string
	detail string // for people, in the answer
	field  string
	// commandID is set if the request was a command.
	commandID string
	// recorded says that the code is the command's outcome in the log: such a refusal is never a
	// 400 or 413, which promise that nothing reached the log.
	recorded bool
	repeat   bool
	// allow lists the methods that the path has.
	allow string
	// cause is for the log alone.
	cause error
}

func (f *failure) Error() string {
	if f.cause != nil {
		return fmt.Sprintf("%s: %s: %v", f.code, f.detail, f.cause)
	}
	return f.code + ": " + f.detail
}

func (f *failure) Unwrap() error { return f.cause }

func (f *failure) status() int {
	status := statusOf(f.code)
	if f.recorded && (status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge) {
		return http.StatusUnprocessableEntity
	}
	return status
}

func fail(code, format string, args ...any) *failure {
	return &failure{code: code, detail: fmt.Sprintf(format, args...)}
}

func (f *failure) because(cause error) *failure {
	f.cause = cause
	return f
}

func notFound(format string, args ...any) *failure {
	return fail(foldlog.CodeNotFound, format, args...)
}

func invalid(field, format string, args ...any) *failure {
	f := fail(foldlog.CodeInvalidField, format, args...)
	f.field = field
	return f
}

// refused returns the answer for a rejection. One that is internal is a defect, which the log is to
// have: of a command's own check, or of its decider.
func refused(r *foldlog.Rejection) *failure {
	f := &failure{code: r.Code, detail: r.Message, field: r.Field}
	if r.Code == foldlog.CodeInternal {
		f.cause = r
	}
	return f
}

// failureOf returns the answer for any error. For a client that went away it is nil.
func failureOf(ctx context.Context, err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	if rejection, ok := foldlog.AsRejection(err); ok {
		return refused(rejection)
	}
	if errors.Is(err, views.ErrNotYetVisible) {
		return fail(foldlog.CodeNotYetVisible, "what Foldlog-After names is not visible here yet; ask again").because(err)
	}
	if errors.Is(err, gateway.ErrNothingWritten) {
		return fail(api.CodeUnavailable, "the log cannot be reached; nothing was written").because(err)
	}
	mayBeWritten, noOutcome := errors.Is(err, gateway.ErrMayBeWritten), errors.Is(err, gateway.ErrNoOutcome)
	switch {
	case ctx.Err() != nil && (mayBeWritten || noOutcome || errors.Is(err, ctx.Err())):
		return nil
	case mayBeWritten:
		return fail(foldlog.CodeOutcomeUnknown, "the log did not confirm the command in time, so it may be executed or not; "+
			"send the same Idempotency-Key again").because(err)
	case noOutcome:
		return fail(foldlog.CodeOutcomeUnknown, "the command is in the log, but its outcome did not come in time; "+
			"ask for it or send the same Idempotency-Key again").because(err)
	}
	return fail(foldlog.CodeInternal, "internal error").because(err)
}

// outside returns the part of a detail that a client may see.
func outside(code, detail string) string {
	if code == foldlog.CodeInternal {
		return "internal error"
	}
	return detail
}

// writeProblem answers with the problem document of RFC 9457.
func writeProblem(w http.ResponseWriter, f *failure, requestID string) {
	status := f.status()
	p := api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: outside(f.code, f.detail), Code: f.code,
		Field: f.field, CommandID: f.commandID, Repeat: f.repeat}
	if status >= http.StatusInternalServerError {
		p.Instance = "urn:uuid:" + requestID
	}
	h := w.Header()
	h.Del("ETag")
	h.Set("Cache-Control", "no-store")
	if f.allow != "" {
		h.Set("Allow", f.allow)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	}
	// A problem document has strings and numbers only, so it can always be written.
	_ = writeJSON(w, status, api.ContentTypeProblem, p)
}

// retryAfter is the time that refused clients are asked to wait.
const retryAfter = time.Second
