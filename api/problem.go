package api

import (
	"fmt"
	"strings"
)

// Codes that only the HTTP interface gives, beside those of the root package.
//
// NB: must not change. Clients compare them.
const (
	// CodeMethodNotAllowed: the path exists, the method does not (405).
	CodeMethodNotAllowed = "method_not_allowed"
	// CodeTimeout: the request's body came too slowly (408).
	CodeTimeout = "request_timeout"
	// CodeUnsupportedMediaType: the body is not plain application/json (415).
	CodeUnsupportedMediaType = "unsupported_media_type"
	// CodeTooManyRequests: as many requests are under way as are allowed (429).
	CodeTooManyRequests = "too_many_requests"
	// CodeUnavailable: the log cannot be reached and nothing was written, or a view is not
	// recovered yet (503).
	CodeUnavailable = "unavailable"
)

// Problem is an answer other than success (RFC 9457).
type Problem struct {
	// Type is "about:blank": the code says more than the status.
	Type  string `json:"type"`
	Title string `json:"title"`
	// Status is the HTTP status.
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Code is meant for programs, such as "version_conflict" or "insufficient_funds". It is empty
	// if the answer did not come from a Foldlog server.
	Code string `json:"code"`
	// Field names the wrong part of the request, for "invalid_field".
	Field string `json:"field,omitempty"`
	// CommandID is the command's id, if the request was a command.
	CommandID string `json:"command_id,omitempty"`
	// Repeat says that the command had been refused before, under the same id.
	Repeat bool `json:"repeat,omitempty"`
	// Instance identifies the request in the server's log.
	Instance string `json:"instance,omitempty"`
}

// Error returns status, code, field and detail.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", p.Status)
	for _, part := range []string{p.Code, p.Field, p.Detail} {
		if part != "" {
			b.WriteString(" " + part)
			if part != p.Detail {
				b.WriteString(":")
			}
		}
	}
	if p.Instance != "" {
		fmt.Fprintf(&b, " (%s)", p.Instance)
	}
	return strings.TrimSuffix(b.String(), ":")
}

// Readiness is the answer of /readyz, with status 200 or 503.
type Readiness struct {
	Ready bool `json:"ready"`
	// Waiting has, for each part that is not ready, the reason.
	Waiting map[string]string `json:"waiting,omitempty"`
}
