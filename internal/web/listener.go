package web

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxSegments is more than any route has: what lies behind is not looked at.
const maxSegments = 8

// listener is the handler of one kind of listener.
type listener struct {
	cfg    Config
	trust  Trust
	routes []route
	none   http.Handler // for a path without a route

	pages chan struct{} // has one for each page of a history that is held now
}

// route is one path and who may ask for what on it.
type route struct {
	pattern string   // "/v1/keys/{key}/messages"; its name in metrics
	parts   []string // its segments; "{…}" stands for any one that is not empty
	guard   guard
	methods methods
	handler http.Handler // serve, measured
}

type methods map[string]http.Handler

func newListener(cfg Config, trust Trust) *listener {
	cfg.setDefaults()
	l := &listener{cfg: cfg, trust: trust, pages: make(chan struct{}, maxPages)}
	l.none = cfg.Metrics.measure("none", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.refuse(w, r, errNotFound)
	}))
	return l
}

// handle adds a route; of two that fit a path the first is taken.
func (l *listener) handle(pattern string, g guard, m methods) {
	rt := &route{pattern: pattern, parts: strings.Split(pattern[1:], "/"), guard: g, methods: m}
	rt.handler = l.cfg.Metrics.measure(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.serve(rt, w, r)
	}))
	l.routes = append(l.routes, *rt)
}

// ServeHTTP looks at the path as it was sent: nothing is cleaned and nobody redirected, so
// that "%2F", "." and ".." are keys like others.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segments := split(r.URL.EscapedPath())
	for i := range l.routes {
		if l.routes[i].match(r, segments) {
			l.routes[i].handler.ServeHTTP(w, r)
			return
		}
	}
	l.none.ServeHTTP(w, r)
}

// split returns the decoded segments of path, none if it is not one.
func split(path string) []string {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil
	}
	segments := strings.SplitN(rest, "/", maxSegments)
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return nil
		}
		segments[i] = decoded
	}
	return segments
}

// match tells whether rt is the route of segments; if so r knows that, and what {…} stands for.
func (rt *route) match(r *http.Request, segments []string) bool {
	if len(segments) != len(rt.parts) {
		return false
	}
	name, value := "", ""
	for i, part := range rt.parts {
		switch {
		case strings.HasPrefix(part, "{") && segments[i] != "":
			name, value = part[1:len(part)-1], segments[i]
		case part != segments[i]:
			return false
		}
	}
	if name != "" {
		r.SetPathValue(name, value)
	}
	r.Pattern = rt.pattern
	return true
}

// serve asks the guard and hands r to the handler of its method.
func (l *listener) serve(rt *route, w http.ResponseWriter, r *http.Request) {
	if err := l.admit(l.callerOf(r), rt.guard); err != nil {
		l.refuse(w, r, err)
	} else if h, ok := rt.methods[r.Method]; !ok {
		l.refuse(w, r, errMethod(rt.methods))
	} else {
		h.ServeHTTP(w, r)
	}
}

// bounded returns r with an end to its work. What changes something is carried out whether or
// not the caller still waits: a backend may close as soon as it has sent.
func bounded(r *http.Request) (*http.Request, context.CancelFunc) {
	ctx := r.Context()
	if r.Method != http.MethodGet {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, workTimeout)
	return r.WithContext(ctx), cancel
}

func errMethod(m methods) *problem {
	allow := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
	return &problem{
		Status: http.StatusMethodNotAllowed, Code: "method", Message: "this path takes " + allow,
		header: map[string]string{"Allow": allow},
	}
}
