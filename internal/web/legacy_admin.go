package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gopush/internal/message"
	"gopush/internal/wire/http1"
)

// handleLegacy adds the paths by which backends of gopush-cluster push.
func (h *AdminHandler) handleLegacy() {
	b := legacy{h.listener, edition{key: "key"}}
	for _, pattern := range []string{"/1/admin/push/private", "/admin/push"} {
		one := &pushPath{pattern: pattern, guard: trusted, read: b.readOne, plain: b.plainOne, answer: b.answerOne, fail: b.failPush}
		h.handlePush(one, h.publishing(one))
	}
	many := &pushPath{pattern: "/1/admin/push/mprivate", guard: trusted, plain: b.plainMany, answer: b.answerMany}
	h.handlePush(many, b.handler(b.pushMany))
	h.handle("/1/admin/msg/del", trusted, b.post(b.clean))
	h.handle("/admin/msg/clean", trusted, b.post(b.clean))
}

// readOne pushes the body, which must be one JSON value, to one key.
func (l *legacy) readOne(w http.ResponseWriter, r *http.Request) ([]message.Push, error) {
	key, err := l.keyOf(r.URL.Query().Get(l.key))
	if err != nil {
		return nil, err
	}
	expire, err := parseExpire(r.URL.Query().Get("expire"))
	if err != nil {
		return nil, err
	}
	idemKey, err := idemKeyOf(r)
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
	return []message.Push{{Key: key, Payload: body, Expire: expire, IdemKey: idemKey}}, nil
}

// plainOne takes key and expire, each once and nothing else.
func (l *legacy) plainOne(_ []byte, r *http1.Request) []message.Push {
	q, ok := plainQuery(r.Query, l.key, "expire")
	if !ok || len(r.Body) > l.cfg.Settings().MaxMessageBytes || !json.Valid(r.Body) {
		return nil
	}
	key, keyErr := l.keyOf(q[0])
	expire, err := parseExpire(q[1])
	idemKey, ok := plainIdemKey(r)
	if keyErr != nil || err != nil || !ok {
		return nil
	}
	return []message.Push{{Key: key, Payload: bytes.Clone(r.Body), Expire: expire, IdemKey: idemKey}}
}

func (l *legacy) answerOne(dst []byte, route string, _ []message.Push, receipts []message.Receipt) ([]byte, reply) {
	if err := receipts[0].Err; err != nil {
		return l.failPush(dst, route, err)
	}
	a := answer{status: http.StatusOK}
	head := reply{status: a.status, contentType: jsonType}
	head.replay(&receipts[0])
	return a.append(dst), head
}

func (l *legacy) failPush(dst []byte, route string, err error) ([]byte, reply) {
	a := answer{status: http.StatusOK}
	a.fail(err, l.note(route, err))
	return a.append(dst), reply{status: a.status, contentType: jsonType}
}

// pushMany pushes one message to many keys, some at a time, and answers the keys that failed.
func (l *legacy) pushMany(w http.ResponseWriter, r *http.Request) (data, error) {
	expire, err := parseExpire(r.URL.Query().Get("expire"))
	if err != nil {
		return nil, err
	}
	idemKey, err := idemKeyOf(r)
	if err != nil {
		return nil, err
	}
	body, err := readBody(w, r, "the most of one call", l.cfg.Settings().batchBytes())
	if err != nil {
		return nil, err
	}
	payload, keys, err := l.parseMany(body)
	if err != nil {
		return nil, err
	}
	var failed []string
	for some := range slices.Chunk(keys, MaxBatchItems) {
		pushes := pushesTo(some, message.Push{Payload: payload, Expire: expire, IdemKey: idemKey})
		failed = append(failed, l.failedOf(r.Pattern, pushes, l.cfg.Keys.Publish(r.Context(), pushes))...)
	}
	return failedKeys(failed), nil
}

// plainMany takes expire alone, and no more keys than are pushed to at a time.
func (l *legacy) plainMany(_ []byte, r *http1.Request) []message.Push {
	q, ok := plainQuery(r.Query, "expire")
	expire, err := parseExpire(q[0])
	if !ok || err != nil {
		return nil
	}
	payload, keys, err := l.parseMany(r.Body)
	idemKey, ok := plainIdemKey(r)
	if err != nil || !ok || len(keys) > MaxBatchItems {
		return nil
	}
	return pushesTo(keys, message.Push{Payload: payload, Expire: expire, IdemKey: idemKey})
}

func (l *legacy) answerMany(dst []byte, route string, pushes []message.Push, receipts []message.Receipt) ([]byte, reply) {
	a := answer{status: http.StatusOK, data: failedKeys(l.failedOf(route, pushes, receipts))}
	return a.append(dst), reply{status: a.status, contentType: jsonType}
}

// failedOf returns the keys of those pushes that failed.
func (l *legacy) failedOf(route string, pushes []message.Push, receipts []message.Receipt) (failed []string) {
	for i := range receipts {
		if err := receipts[i].Err; err != nil {
			l.note(route, err)
			failed = append(failed, pushes[i].Key)
		}
	}
	return failed
}

// failedKeys answers the keys that failed; nil: none did.
func failedKeys(failed []string) data {
	if failed == nil {
		return nil
	}
	return literal(encode(map[string][]string{"fk": failed}, ""))
}

// pushesTo returns p for each of keys.
func pushesTo(keys []string, p message.Push) []message.Push {
	pushes := make([]message.Push, len(keys))
	for i, key := range keys {
		pushes[i] = p
		pushes[i].Key = key
	}
	return pushes
}

// parseMany reads {"m":"JSON text","k":"k1,k2,…"}, and keeps nothing of it. A key that is given twice is
// returned once.
func (l *legacy) parseMany(body []byte) (payload []byte, keys []string, err error) {
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
	if most := l.cfg.Settings().MaxMessageBytes; len(payload) > most {
		return nil, nil, fmt.Errorf("%w: %d bytes, max_message_bytes is %d", message.ErrTooLarge, len(payload), most)
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
