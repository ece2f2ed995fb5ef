package web

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/pprof"
)

const (
	textType = "text/plain; charset=utf-8"

	maxLevelBody = 64 // bytes
)

// Check is one condition of being ready.
type Check struct {
	Name string
	Err  func() error // nil if it holds, else why not
}

// Ops returns the handler of an ops listener: what operators and their monitoring ask for.
func Ops(cfg Config, trust Trust) http.Handler {
	l := newListener(cfg, trust)
	get := func(pattern string, g guard, h http.Handler) {
		l.handle(pattern, g, methods{http.MethodGet: h})
	}
	get("/livez", open, http.HandlerFunc(live))
	get("/readyz", open, http.HandlerFunc(l.ready))
	get("/metrics", keyed, l.cfg.Exposition)
	get("/stat", keyed, http.HandlerFunc(l.stat))
	l.handle("/loglevel", keyed, methods{
		http.MethodGet: l.v1(l.level),
		http.MethodPut: l.v1(l.setLevel),
	})
	get("/debug/pprof/profile", keyed, http.HandlerFunc(pprof.Profile))
	get("/debug/pprof/trace", keyed, http.HandlerFunc(pprof.Trace))
	l.handle("/debug/pprof/symbol", keyed, methods{
		http.MethodGet:  http.HandlerFunc(pprof.Symbol),
		http.MethodPost: http.HandlerFunc(pprof.Symbol),
	})
	get("/debug/pprof/", keyed, http.HandlerFunc(pprof.Index)) // no cmdline: it may hold secrets
	get("/debug/pprof/{profile}", keyed, http.HandlerFunc(pprof.Index))
	return l
}

// live answers as long as the process can answer at all.
func live(w http.ResponseWriter, _ *http.Request) {
	send(w, http.StatusOK, textType, []byte("ok\n"))
}

// ready answers whether this node should get work, with a line for each reason why not.
func (l *listener) ready(w http.ResponseWriter, _ *http.Request) {
	var reasons []byte
	for _, c := range l.cfg.Ready {
		if err := c.Err(); err != nil {
			reasons = fmt.Appendf(reasons, "%s: %v\n", c.Name, err)
		}
	}
	if reasons != nil {
		send(w, http.StatusServiceUnavailable, textType, reasons)
		return
	}
	send(w, http.StatusOK, textType, []byte("ok\n"))
}

func (l *listener) level(http.ResponseWriter, *http.Request) (any, error) {
	return map[string]string{"level": l.cfg.Level.Level().String()}, nil
}

// setLevel takes the level from the body, as text, until the process ends or is reloaded.
func (l *listener) setLevel(w http.ResponseWriter, r *http.Request) (any, error) {
	body, err := readBody(w, r, "the most of this path", maxLevelBody)
	if err != nil {
		return nil, err
	}
	if l.cfg.Level.UnmarshalText(bytes.TrimSpace(body)) != nil {
		return nil, errBody("the body is a level as text: debug, info, warn or error")
	}
	l.cfg.Log.Info("log level set", "level", l.cfg.Level.Level())
	return l.level(w, r)
}
