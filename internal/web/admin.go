package web

import (
	"net/http"

	"gopush/internal/message"
)

// Admin returns the handler of an admin listener: what backends ask for.
func Admin(cfg Config, trust Trust) *AdminHandler {
	l := newListener(cfg, trust)
	h := &AdminHandler{listener: l}
	h.handleLegacy()
	batch := &pushPath{pattern: "/v1/push", guard: keyed, read: l.readBatch, plain: l.plainBatch, answer: l.answerBatch, fail: l.refusal}
	h.handlePush(batch, l.publishing(batch))
	one := &pushPath{pattern: "/v1/push/{key}", guard: keyed, read: l.readOne, plain: l.plainOne, answer: l.answerOne, fail: l.refusal}
	h.handlePush(one, l.publishing(one))
	l.handle("/v1/keys/{key}", keyed, methods{http.MethodGet: l.v1(l.info)})
	l.handle("/v1/keys/{key}/messages", keyed, methods{
		http.MethodGet:    l.v1(l.list),
		http.MethodDelete: l.v1(l.remove),
	})
	l.handle("/v1/keys/{key}/connections", keyed, methods{http.MethodDelete: l.v1(l.kick)})
	l.handle("/v1/keys/{key}/tokens", keyed, methods{
		http.MethodPost:   l.v1(l.register),
		http.MethodDelete: l.v1(l.revoke),
	})
	if cfg.Drain != nil {
		l.handle("/v1/drain", keyed, methods{
			http.MethodGet:    l.v1(l.viewDrain),
			http.MethodPost:   l.v1(l.beginDrain),
			http.MethodDelete: l.v1(l.undoDrain),
		})
	}
	l.handle("/v1/cluster", keyed, methods{http.MethodGet: l.v1(l.cluster)})
	l.handle("/v1/cluster/owner", keyed, methods{http.MethodGet: l.v1(l.owner)})
	return h
}

// v1 answers as JSON what do returns, or why it failed. The key of the path has been checked.
func (l *listener) v1(do func(w http.ResponseWriter, r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, cancel := bounded(r)
		defer cancel()
		if key := r.PathValue("key"); key != "" {
			if _, err := l.keyOf(key); err != nil {
				l.refuse(w, r, err)
				return
			}
		}
		found, err := do(w, r)
		if err != nil {
			l.refuse(w, r, err)
			return
		}
		sendJSON(w, http.StatusOK, found)
	})
}

// keyInfo answers GET of a key.
type keyInfo struct {
	Key         string `json:"key"`
	Subscribers int    `json:"subscribers"`
	Last        string `json:"last,omitempty"` // id of the last stored message, also when it is gone
	Stored      int    `json:"stored"`
}

func (l *listener) info(_ http.ResponseWriter, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	key := r.PathValue("key")
	found, err := l.cfg.Keys.Info(r.Context(), key)
	if err != nil {
		return nil, err
	}
	info := keyInfo{Key: key, Subscribers: found.Subscribers, Stored: found.Stored}
	if found.Last != 0 {
		info.Last = message.FormatID(found.Last)
	}
	return info, nil
}

// kick closes the connections of a key. Clients that reconnect by themselves come back.
func (l *listener) kick(_ http.ResponseWriter, r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	n, err := l.cfg.Keys.Kick(r.Context(), r.PathValue("key"))
	return map[string]int{"closed": n}, err
}
