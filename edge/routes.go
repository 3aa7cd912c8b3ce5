package edge

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/api"
)

// handler answers a request or returns an error that has not been answered yet.
type handler func(http.ResponseWriter, *http.Request, params) error

// params are the decoded parts of the path by their names.
type params map[string]string

// route is a path with the handlers of its methods. Paths are matched part by part after splitting
// the still encoded path, so that a "%2F" in a key is part of the key. http.ServeMux is not used:
// it redirects paths with ".." or "//" and answers 404 and 405 in plain text.
type route struct {
	// pattern is the path with {names}, such as "/v1/{aggregate}/{id}". It labels metrics.
	pattern string
	methods map[string]handler
	// limited counts the request against Config.MaxInFlight.
	limited bool
	// check returns a 404 if the names in the path are not declared, for any method. Nil accepts
	// all.
	check func(params) error
}

// router finds routes. The first that fits stands.
type router []*route

var noRoute = &route{pattern: "none"}

// find returns the route of a request. If there is none, it returns noRoute with the answer as an
// error.
func (rt router) find(method, escapedPath string) (*route, handler, params, error) {
	parts := strings.Split(escapedPath, "/")
	for i, part := range parts {
		decoded, err := url.PathUnescape(part)
		if err != nil {
			return noRoute, nil, nil, fail(foldlog.CodeMalformed, "the path has a wrong percent-encoding: %q", part)
		}
		parts[i] = decoded
	}
	for _, r := range rt {
		p, fits := r.match(parts)
		if !fits {
			continue
		}
		if r.check != nil {
			if err := r.check(p); err != nil {
				return r, nil, nil, err
			}
		}
		h, ok := r.methods[method]
		if !ok && method == http.MethodHead {
			h, ok = r.methods[http.MethodGet] // net/http leaves the body out
		}
		if !ok {
			f := fail(api.CodeMethodNotAllowed, "this path has no method %s", method)
			f.allow = r.allow()
			return r, nil, nil, f
		}
		return r, h, p, nil
	}
	return noRoute, nil, nil, notFound("there is nothing at this path")
}

func (r *route) match(parts []string) (params, bool) {
	pattern := strings.Split(r.pattern, "/")
	if len(pattern) != len(parts) {
		return nil, false
	}
	var p params
	for i, want := range pattern {
		if name, ok := strings.CutPrefix(want, "{"); ok {
			if p == nil {
				p = params{}
			}
			p[strings.TrimSuffix(name, "}")] = parts[i]
		} else if want != parts[i] {
			return nil, false
		}
	}
	return p, true
}

func (r *route) allow() string {
	var methods []string
	for m := range r.methods {
		methods = append(methods, m)
		if m == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}
