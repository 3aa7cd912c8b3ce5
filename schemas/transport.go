package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/foldlog/foldlog/internal/avro"
)

// roundTripper adds four things to the registry client: credentials without a password, subjects
// escaped for a path, a bound on answers, and errors that keep their HTTP status.
type roundTripper struct {
	next           http.RoundTripper
	user, password string
}

// maxAnswerBytes is the largest answer: a schema of the largest size, escaped in JSON.
const maxAnswerBytes = 4 * avro.MaxSchemaBytes

func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if t.user != "" {
		req.SetBasicAuth(t.user, t.password)
	}
	// The client escapes subjects as in a query, where a space becomes "+". In a path that is a
	// plus sign.
	if escaped := req.URL.EscapedPath(); strings.Contains(escaped, "+") {
		escaped = strings.ReplaceAll(escaped, "+", "%20")
		path, err := url.PathUnescape(escaped)
		if err != nil {
			return nil, fmt.Errorf("escape %s: %w", req.URL, err)
		}
		req.URL.Path, req.URL.RawPath = path, escaped
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		resp.Body = limited{io.LimitReader(resp.Body, maxAnswerBytes), resp.Body}
		return resp, nil
	}
	defer resp.Body.Close()
	// An answer that breaks off still has its status.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	return nil, newStatusError(resp.StatusCode, body)
}

type limited struct {
	io.Reader
	io.Closer
}

// statusError is an answer that is no success.
type statusError struct {
	status  int
	code    int // the registry's own error_code, or 0 if the answer is not the registry's
	message string
}

func newStatusError(status int, body []byte) *statusError {
	e := &statusError{status: status}
	var answer struct {
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &answer) == nil {
		e.code, e.message = answer.Code, answer.Message
	}
	if e.message == "" {
		e.message = http.StatusText(status)
	}
	return e
}

func (e *statusError) Error() string {
	if e.code != 0 {
		return fmt.Sprintf("the registry answered %d, code %d: %s", e.status, e.code, e.message)
	}
	return fmt.Sprintf("it answered %d: %s", e.status, e.message)
}

// Error codes of the registry's interface.
const (
	codeSubjectNotFound = 40401
	codeSchemaNotFound  = 40403
)

// classify adds the meaning to a client's error. Only the registry's own word makes an id unknown:
// a 404 of a proxy or of a wrong path says nothing about schemas.
func classify(err error) error {
	var answered *statusError
	if !errors.As(err, &answered) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	switch {
	case answered.status == http.StatusNotFound && (answered.code == codeSchemaNotFound || answered.code == codeSubjectNotFound):
		return fmt.Errorf("%w: %w", ErrUnknownID, answered)
	case answered.status == http.StatusNotFound:
		return fmt.Errorf("%w: %w; check the registry's URL", ErrUnavailable, answered)
	case answered.status == http.StatusConflict:
		return fmt.Errorf("%w: %w", ErrIncompatible, answered)
	case answered.status == http.StatusUnprocessableEntity, answered.status == http.StatusBadRequest:
		return fmt.Errorf("%w: %w", ErrInvalid, answered)
	case answered.status == http.StatusUnauthorized, answered.status == http.StatusForbidden:
		return fmt.Errorf("%w: %w; check the registry's user and password", ErrUnavailable, answered)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, answered)
}
