package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Problem is an answer other than success (RFC 9457).
type Problem struct {
	// Status is the HTTP status.
	Status int `json:"status"`
	// Code is meant for programs, such as "version_conflict" or "insufficient_funds". It is empty
	// where the answer did not come from a Foldlog server.
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	// Field names what was wrong in the request, for "invalid_field".
	Field string `json:"field"`
	// CommandID is the command's id, where the request was a command.
	CommandID string `json:"command_id"`
	// Repeat says that the command had been refused before, under the same id.
	Repeat bool `json:"repeat"`
	// Instance identifies the request in the server's log.
	Instance string `json:"instance"`

	retryAfter time.Duration
	body       []byte
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

// CodeOf returns the code of the problem that err is or wraps, or "".
func CodeOf(err error) string {
	var p *Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

// maxForeign is how much of an answer that is no problem document is shown.
const maxForeign = 200

func problemOf(resp *http.Response, body []byte) *Problem {
	p := &Problem{}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != "application/problem+json" || json.Unmarshal(body, p) != nil {
		text := strings.TrimSpace(string(body))
		if len(text) > maxForeign {
			text = text[:maxForeign] + "..."
		}
		p = &Problem{Title: http.StatusText(resp.StatusCode), Detail: text}
	}
	p.Status, p.body = resp.StatusCode, body
	p.retryAfter = retryAfterOf(resp.Header.Get("Retry-After"), time.Now())
	return p
}

// retryAfterOf reads seconds or a date (RFC 9110, section 10.2.3). What cannot be read is 0.
func retryAfterOf(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
