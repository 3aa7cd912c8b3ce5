package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
	"github.com/foldlog/foldlog/views"
)

func TestCodesBecomeStatuses(t *testing.T) {
	for code, want := range map[string]int{
		"malformed": 400, "invalid_field": 400, "not_found": 404, "method_not_allowed": 405, "request_timeout": 408, "version_conflict": 412,
		"too_large": 413, "unsupported_media_type": 415, "insufficient_funds": 422, "unknown_aggregate": 422, "command_id_reused": 422, "key_mismatch": 422,
		"too_many_requests": 429, "internal_error": 500, "unavailable": 503, "outcome_unknown": 504, "not_yet_visible": 504,
	} {
		if got := fail(code, "").status(); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
	for code, want := range map[string]int{"invalid_field": 422, "malformed": 422, "version_conflict": 412, "internal_error": 500, "wrong_state": 422} {
		if got := (&failure{code: code, recorded: true}).status(); got != want {
			t.Errorf("%s as an outcome: %d, want %d", code, got, want)
		}
	}
}

func TestProblemDocuments(t *testing.T) {
	secret := errors.New("password=hunter2")
	for _, tc := range []struct {
		err  error
		want string
	}{
		{foldlog.InvalidField("amount", "is %s", "missing"),
			`{"type":"about:blank","title":"Bad Request","status":400,"detail":"is missing","code":"invalid_field","field":"amount"}`},
		{&failure{code: "insufficient_funds", detail: "no <money>", commandID: "k", recorded: true, repeat: true},
			`{"type":"about:blank","title":"Unprocessable Entity","status":422,"detail":"no <money>",` +
				`"code":"insufficient_funds","command_id":"k","repeat":true}`},
		{secret,
			`{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"internal error","code":"internal_error","instance":"urn:uuid:ID"}`},
		{foldlog.Reject(foldlog.CodeInternal, "password=hunter2"),
			`{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"internal error","code":"internal_error","instance":"urn:uuid:ID"}`},
		{fmt.Errorf("get: %w: waiting", views.ErrNotYetVisible),
			`{"type":"about:blank","title":"Gateway Timeout","status":504,` +
				`"detail":"what Foldlog-After names is not visible here yet; ask again","code":"not_yet_visible","instance":"urn:uuid:ID"}`},
		{fail(api.CodeUnavailable, "the log cannot be reached").because(secret),
			`{"type":"about:blank","title":"Service Unavailable","status":503,` +
				`"detail":"the log cannot be reached","code":"unavailable","instance":"urn:uuid:ID"}`},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("ETag", `"7"`)
		f := failureOf(t.Context(), tc.err)
		writeProblem(w, f, "ID")
		if got := strings.TrimSpace(w.Body.String()); got != tc.want {
			t.Errorf("%v:\n got %s\nwant %s", tc.err, got, tc.want)
		}
		if w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("ETag") != "" || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%v: headers %v", tc.err, w.Header())
		}
		if wants := f.status() == 429 || f.status() == 503; (w.Header().Get("Retry-After") != "") != wants {
			t.Errorf("%v: Retry-After is %q", tc.err, w.Header().Get("Retry-After"))
		}
	}
}

func TestNobodyIsToldWhereTheClientIsGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f := failureOf(ctx, fmt.Errorf("read: %w", ctx.Err())); f != nil {
		t.Errorf("told %v", f)
	}
	if f := failureOf(ctx, errors.New("defect")); f == nil || f.code != foldlog.CodeInternal {
		t.Errorf("told %v", f)
	}
}
