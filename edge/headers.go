package edge

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
)

// once returns the header's only value, and whether there is one.
func once(h http.Header, name string) (string, bool, error) {
	switch values := h.Values(name); len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	default:
		return "", false, invalid(name, "is there %d times; send it once", len(values))
	}
}

// commandIDOf returns the client's id for the command, or a new one.
func commandIDOf(h http.Header) (string, error) {
	id, given, err := idHeader(h, api.HeaderIdempotencyKey)
	if err == nil && !given {
		id = uuid.NewString()
	}
	return id, err
}

// idHeader returns a header that is made as a command id is.
func idHeader(h http.Header, name string) (id string, given bool, err error) {
	id, given, err = once(h, name)
	if err != nil || !given {
		return "", false, err
	}
	if rejection, bad := foldlog.AsRejection(foldlog.CheckCommandID(id)); bad {
		return "", false, invalid(name, "%s", rejection.Message)
	}
	return id, true, nil
}

// strongETag is the form of a version in If-Match, If-None-Match and ETag.
var strongETag = regexp.MustCompile(`^"(0|[1-9][0-9]{0,18})"$`)

// expectedVersionOf returns the version in If-Match, or nil.
func expectedVersionOf(h http.Header) (*int64, error) {
	text, given, err := once(h, "If-Match")
	if err != nil || !given {
		return nil, err
	}
	match := strongETag.FindStringSubmatch(text)
	if match == nil {
		return nil, invalid("If-Match", `is not one version in quotes, such as "7" ("0": must not exist yet)`)
	}
	version, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		return nil, invalid("If-Match", "is larger than any version")
	}
	return &version, nil
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// unchanged reports whether If-None-Match names the ETag. The comparison is weak, as RFC 9110 has
// it.
func unchanged(h http.Header, tag string) bool {
	for _, value := range h.Values("If-None-Match") {
		for candidate := range strings.SplitSeq(value, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
				return true
			}
		}
	}
	return false
}

// afterOf returns the token that a read must cover. Several tokens are merged, so that clients need
// not understand them.
func (s *Server) afterOf(h http.Header) (foldlog.Token, error) {
	var all foldlog.Token
	for _, value := range h.Values(api.HeaderAfter) {
		for text := range strings.SplitSeq(value, ",") {
			token, err := foldlog.ParseToken(strings.TrimSpace(text))
			if err != nil {
				return nil, invalid(api.HeaderAfter, "%v", err)
			}
			for _, p := range token {
				if s.config.Topology.Aggregate(p.Aggregate) == nil {
					return nil, invalid(api.HeaderAfter, "%q is the token of another system", text)
				}
				all = all.With(p)
			}
		}
	}
	return all, nil
}

// queryOf returns the query's parameters, each at most once, and refuses those that are not
// allowed: a parameter that is silently ignored gives a wrong answer.
func queryOf(u *url.URL, allowed ...string) (map[string]string, error) {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, fail(foldlog.CodeMalformed, "the query cannot be read: %v", err)
	}
	query := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) { // sorted: the same answer every time
		switch {
		case !slices.Contains(allowed, name):
			return nil, invalid(name, "is not a parameter of this path")
		case len(values[name]) > 1:
			return nil, invalid(name, "is there %d times; send it once", len(values[name]))
		}
		query[name] = values[name][0]
	}
	return query, nil
}
