package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	firstDelay = 100 * time.Millisecond
	maxDelay   = 5 * time.Second
	// maxAnswer bounds the part of an answer that is read.
	maxAnswer = 64 << 20
)

// request is a call that can be made any number of times.
type request struct {
	method string
	path   string // encoded, with its query
	header http.Header
	body   []byte
}

// response is an answer of status 200.
type response struct {
	header http.Header
	body   []byte
}

// do calls until there is an answer that no retry would change.
func (c *Client) do(ctx context.Context, req request) (*response, error) {
	deadline := time.Now().Add(c.config.Patience)
	for delay := firstDelay; ; delay = min(2*delay, maxDelay) {
		resp, err := c.attempt(ctx, req)
		if err == nil || !passing(err) {
			return resp, err
		}
		// Full jitter: clients that were refused together do not come back together.
		wait := rand.N(delay) + delay/10
		var refused *refusal
		if errors.As(err, &refused) {
			wait = max(wait, refused.retryAfter)
		}
		if ctx.Err() != nil || time.Now().Add(wait).After(deadline) {
			return nil, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w (last attempt: %w)", context.Cause(ctx), err)
		}
	}
}

// attempt calls once. Its errors are a *refusal or say that there is no whole answer.
func (c *Client) attempt(ctx context.Context, req request) (*response, error) {
	r, err := http.NewRequestWithContext(ctx, req.method, c.base+req.path, bytes.NewReader(req.body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	for _, headers := range []http.Header{c.config.Header, req.header} {
		for name, values := range headers {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	resp, err := c.config.HTTPClient.Do(r)
	if err != nil {
		return nil, &brokenError{err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, &brokenError{fmt.Errorf("read the answer of %s %s: %w", req.method, req.path, err)}
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer of %s %s is larger than %d bytes", req.method, req.path, maxAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refusalOf(resp, body)
	}
	return &response{header: resp.Header, body: body}, nil
}

// brokenError says that no whole answer came: the server may have seen the request or not.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// passing reports whether the same request may succeed later.
func passing(err error) bool {
	var p *Problem
	if errors.As(err, &p) {
		switch p.Status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	var broken *brokenError
	return errors.As(err, &broken)
}
