package web

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gopush/internal/message"
	"gopush/internal/wire/http1"
)

// pushPath is a path that pushes. Who reads a request, net/http or an event loop, makes no
// difference for what its receipts are answered with.
//
//	net/http ─> read ──┬─> pushes ─> receipts ─> answer
//	loop ─────> plain ─┘
type pushPath struct {
	pattern string
	guard   guard

	// read makes the pushes of a request, or an error for fail. nil: the path has a handler of its own.
	read func(w http.ResponseWriter, r *http.Request) ([]message.Push, error)
	// plain makes the same pushes of a request whose key stands in its path, nil: in none of it;
	// nil, if there is anything about it that only read knows how to take or to refuse.
	plain func(key []byte, r *http1.Request) []message.Push
	// answer appends the body of the answer to dst. route is the pattern.
	answer func(dst []byte, route string, pushes []message.Push, receipts []message.Receipt) ([]byte, reply)
	// fail appends the body of the answer to a request that read makes no pushes of to dst.
	fail func(dst []byte, route string, err error) ([]byte, reply)

	direct direct // set by handlePush
}

// publishing returns the handler of p.
func (l *listener) publishing(p *pushPath) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, cancel := bounded(r)
		defer cancel()
		pushes, err := p.read(w, r)
		if err != nil {
			body, head := p.fail(nil, p.pattern, err)
			head.send(w, body)
			return
		}
		body, head := p.answer(nil, p.pattern, pushes, l.cfg.Keys.Publish(r.Context(), pushes))
		head.send(w, body)
	})
}

// match tells whether path is one of p's, and returns the key in it as it was sent.
func (p *pushPath) match(path []byte) (key []byte, ok bool) {
	prefix, keyed := strings.CutSuffix(p.pattern, "{key}")
	if !keyed {
		return nil, string(path) == prefix
	}
	if len(path) <= len(prefix) || string(path[:len(prefix)]) != prefix {
		return nil, false
	}
	key = path[len(prefix):]
	return key, bytes.IndexByte(key, '/') < 0
}

// AdminHandler serves an admin listener: every request over net/http, and those that plainly push
// also for an event loop that has read them.
type AdminHandler struct {
	*listener
	paths []*pushPath
	dates dates
	host  atomic.Pointer[string] // the last Host, which the next request has, too
}

// handlePush adds a path that pushes; over net/http handler serves it.
func (h *AdminHandler) handlePush(p *pushPath, handler http.Handler) {
	p.direct = h.cfg.Metrics.direct(p.pattern)
	h.paths = append(h.paths, p)
	h.handle(p.pattern, p.guard, methods{http.MethodPost: handler})
}

// Pushes returns what the request r of peer, "IP:PORT", pushes, and how the receipts are answered:
// answer appends to dst what net/http would send; last: before it closes. No pushes: the request
// is not plainly one that is carried out, and net/http is to have it. Nothing of r is kept.
func (h *AdminHandler) Pushes(peer string, r *http1.Request) ([]message.Push, func(dst []byte, receipts []message.Receipt, last bool) []byte) {
	began := time.Now()
	p, key := h.find(r.Path)
	if p == nil || h.admit(h.callerOfPlain(peer, r), p.guard) != nil {
		return nil, nil
	}
	pushes := p.plain(key, r)
	if pushes == nil {
		return nil, nil
	}
	return pushes, func(dst []byte, receipts []message.Receipt, last bool) []byte {
		start, now := len(dst), time.Now()
		dst, head := p.answer(dst, p.pattern, pushes, receipts)
		p.direct.answered(head.status, now.Sub(began))
		return head.insert(dst, start, h.dates.at(now), last)
	}
}

func (h *AdminHandler) find(path []byte) (p *pushPath, key []byte) {
	for _, p := range h.paths {
		if key, ok := p.match(path); ok {
			return p, key
		}
	}
	return nil, nil
}

// callerOfPlain returns who sent a strict request, which no web page can cause. Who stands behind a proxy is for net/http to find
// out; an API key is good whoever it is.
func (h *AdminHandler) callerOfPlain(peer string, r *http1.Request) caller {
	host := h.host.Load()
	if host == nil || *host != string(r.Host) {
		sent := string(r.Host)
		host = &sent
		h.host.Store(host)
	}
	return caller{host: *host, peer: peer, proxied: r.Forwarded, authorization: string(r.Authorization), apiKey: string(r.APIKey)}
}

// plainKey returns the key that stands percent-encoded in a path.
func (l *listener) plainKey(encoded []byte) (key string, ok bool) {
	key, err := url.PathUnescape(string(encoded))
	if err != nil {
		return "", false
	}
	_, err = l.keyOf(key)
	return key, err == nil
}

// plainQuery returns the values of the parameters that are named, if query has each of them once at most, and
// nothing else. "": absent.
func plainQuery(query []byte, names ...string) (values [2]string, ok bool) {
	if bytes.IndexByte(query, ';') >= 0 {
		return values, false
	}
	var seen [2]bool
	for pair := range bytes.SplitSeq(query, []byte{'&'}) {
		name, value, _ := bytes.Cut(pair, []byte{'='})
		i := slices.Index(names, string(name))
		if i < 0 || seen[i] {
			return values, false
		}
		text, err := url.QueryUnescape(string(value))
		if err != nil {
			return values, false
		}
		values[i], seen[i] = text, true
	}
	return values, true
}
