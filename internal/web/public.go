package web

import (
	"fmt"
	"net/http"
	"strconv"

	"gopush/internal/message"
)

// Public returns the handler of a public listener: what devices and browsers ask for.
func Public(cfg Config) http.Handler {
	l := newListener(cfg, Trust{})
	v1 := legacy{l, edition{key: "k", proto: "p", mid: "m", callback: "cb"}}
	old := legacy{l, edition{key: "key", proto: "proto", mid: "mid", callback: "callback", old: true}}
	l.handle("/1/server/get", open, v1.get(v1.server))
	l.handle("/2/server/get", open, v1.get(v1.servers))
	l.handle("/1/msg/get", open, v1.get(v1.stored))
	l.handle("/1/time/get", open, v1.get(v1.time))
	l.handle("/server/get", open, old.get(old.server))
	l.handle("/msg/get", open, old.get(old.stored))
	l.handle("/time/get", open, old.get(old.time))
	l.handle("/sub", open, methods{http.MethodGet: l.cfg.Subscribe})
	return l
}

// server answers one address that a client of the protocol asked for connects to.
func (l *legacy) server(_ http.ResponseWriter, r *http.Request) (data, error) {
	addrs, err := l.addresses(r)
	if err != nil {
		return nil, err
	}
	return literal(encode(map[string]string{"server": addrs[0]}, "")), nil
}

// servers answers all of them.
func (l *legacy) servers(_ http.ResponseWriter, r *http.Request) (data, error) {
	addrs, err := l.addresses(r)
	if err != nil {
		return nil, err
	}
	return literal(encode(map[string][]string{"server": addrs}, "")), nil
}

func (l *legacy) addresses(r *http.Request) ([]string, error) {
	key, err := l.keyOf(r.URL.Query().Get(l.key))
	if err != nil {
		return nil, err
	}
	var addrs []string
	switch p := r.URL.Query().Get(l.proto); p {
	case "1":
		addrs = l.cfg.Addresses(key, WebSocket)
	case "2":
		addrs = l.cfg.Addresses(key, TCP)
	default:
		return nil, errParameter("%s is 1 for WebSocket or 2 for TCP", l.proto)
	}
	if len(addrs) == 0 {
		return nil, errNoNode
	}
	return addrs, nil
}

// keyOf returns key if it is one.
func (l *listener) keyOf(key string) (string, error) {
	return key, message.CheckKey(key, l.cfg.Settings().MaxKeyBytes)
}

// time answers this moment as a mid, so that a device may resume from it.
func (l *legacy) time(http.ResponseWriter, *http.Request) (data, error) {
	return literal(fmt.Appendf(nil, `{"timeid":%d}`, l.cfg.Keys.Position())), nil
}

// stored answers the messages that are kept for a device that was away.
func (l *legacy) stored(_ http.ResponseWriter, r *http.Request) (data, error) {
	q := r.URL.Query()
	key, err := l.keyOf(q.Get(l.key))
	if err != nil {
		return nil, err
	}
	mid, err := strconv.ParseInt(q.Get(l.mid), 10, 64)
	if err != nil {
		return nil, errParameter("%s is the mid of the last message seen", l.mid)
	}
	if l.cfg.Tokens != nil && !l.cfg.Settings().OpenHistory {
		if _, err := l.cfg.Tokens.Check(r.Context(), key, q.Get("token")); err != nil {
			return nil, err
		}
	}
	h, err := readHistory(r.Context(), l.listener, key, mid, l.old)
	if h == nil || err != nil {
		return nil, err // without messages there is no data
	}
	return h, nil
}
