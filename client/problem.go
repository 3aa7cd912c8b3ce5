package client

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/foldlog/foldlog/api"
)

// Problem is an answer other than success.
type Problem = api.Problem

// refusal is a problem with the rest of its answer.
type refusal struct {
	problem    *Problem
	retryAfter time.Duration
	body       []byte
}

func (r *refusal) Error() string { return r.problem.Error() }
func (r *refusal) Unwrap() error { return r.problem }

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

func refusalOf(resp *http.Response, body []byte) *refusal {
	p := &Problem{}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != api.ContentTypeProblem || json.Unmarshal(body, p) != nil {
		text := strings.TrimSpace(string(body))
		if len(text) > maxForeign {
			text = text[:maxForeign] + "..."
		}
		p = &Problem{Title: http.StatusText(resp.StatusCode), Detail: text}
	}
	p.Status = resp.StatusCode
	return &refusal{p, retryAfterOf(resp.Header.Get("Retry-After"), time.Now()), body}
}

// retryAfterOf reads seconds or a date (RFC 9110, section 10.2.3). It returns 0 for any other text.
func retryAfterOf(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
