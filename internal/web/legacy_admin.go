package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gopush/internal/message"
)

// handleLegacy adds the paths by which backends of gopush-cluster push.
func (l *listener) handleLegacy() {
	b := legacy{l, edition{key: "key"}}
	l.handle("/1/admin/push/private", trusted, b.post(b.push))
	l.handle("/admin/push", trusted, b.post(b.push))
	l.handle("/1/admin/push/mprivate", trusted, b.post(b.pushMany))
	l.handle("/1/admin/msg/del", trusted, b.post(b.clean))
	l.handle("/admin/msg/clean", trusted, b.post(b.clean))
}

// push pushes the body, which must be one JSON value, to one key.
func (l *legacy) push(w http.ResponseWriter, r *http.Request) (data, error) {
	key, err := l.keyOf(r.URL.Query().Get(l.key))
	if err != nil {
		return nil, err
	}
	expire, err := parseExpire(r.URL.Query().Get("expire"))
	if err != nil {
		return nil, err
	}
	body, err := readBody(w, r, "max_message_bytes", l.cfg.Settings().MaxMessageBytes)
	if err != nil {
		return nil, err
	}
	if !json.Valid(body) {
		return nil, errBody("the body is not exactly one JSON value")
	}
	pushes := []message.Push{{Key: key, Payload: body, Expire: expire}}
	return nil, l.cfg.Keys.Publish(r.Context(), pushes)[0].Err
}

// pushMany pushes one message to many keys, and answers the keys that failed.
func (l *legacy) pushMany(w http.ResponseWriter, r *http.Request) (data, error) {
	expire, err := parseExpire(r.URL.Query().Get("expire"))
	if err != nil {
		return nil, err
	}
	s := l.cfg.Settings()
	body, err := readBody(w, r, "the most of one call", s.batchBytes())
	if err != nil {
		return nil, err
	}
	payload, keys, err := parseMany(body)
	if err != nil {
		return nil, err
	}
	if len(payload) > s.MaxMessageBytes {
		return nil, fmt.Errorf("%w: %d bytes, max_message_bytes is %d", message.ErrTooLarge, len(payload), s.MaxMessageBytes)
	}
	var failed []string
	for some := range slices.Chunk(keys, MaxBatchItems) {
		failed = append(failed, l.pushTo(r, some, payload, expire)...)
	}
	if failed == nil {
		return nil, nil
	}
	return literal(encode(map[string][]string{"fk": failed}, "")), nil
}

// pushTo returns those of keys that failed.
func (l *legacy) pushTo(r *http.Request, keys []string, payload []byte, expire time.Duration) (failed []string) {
	pushes := make([]message.Push, len(keys))
	for i, key := range keys {
		pushes[i] = message.Push{Key: key, Payload: payload, Expire: expire}
	}
	for i, receipt := range l.cfg.Keys.Publish(r.Context(), pushes) {
		if receipt.Err != nil {
			l.note(r, receipt.Err)
			failed = append(failed, keys[i])
		}
	}
	return failed
}

// parseMany reads {"m":"JSON text","k":"k1,k2,…"}. A key that is given twice is returned once.
func parseMany(body []byte) (payload []byte, keys []string, err error) {
	var members map[string]string
	if json.Unmarshal(body, &members) != nil {
		return nil, nil, errBody("the body is not an object of strings")
	}
	if payload = []byte(members["m"]); !json.Valid(payload) {
		return nil, nil, errBody("m is not exactly one JSON value, as text")
	}
	seen := make(map[string]bool)
	for key := range strings.SplitSeq(members["k"], ",") {
		if key != "" && !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	if keys == nil {
		return nil, nil, errBody("k names no key")
	}
	return payload, keys, nil
}

// clean removes what is stored for one key; its connections stay.
func (l *legacy) clean(w http.ResponseWriter, r *http.Request) (data, error) {
	body, err := readBody(w, r, "max_message_bytes", l.cfg.Settings().MaxMessageBytes)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errBody("the body is not a form")
	}
	key, err := l.keyOf(form.Get(l.key))
	if err != nil {
		return nil, err
	}
	_, err = l.cfg.Keys.Delete(r.Context(), key)
	return nil, err
}
