package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gopush/internal/message"
	"gopush/internal/wire/http1"
)

// batch is many keys or many messages in one call.
type batch struct {
	Messages []batchItem `json:"messages"`
}

type batchItem struct {
	Key     string          `json:"key"`  // this and Keys: one of both
	Keys    []string        `json:"keys"` //
	Payload json.RawMessage `json:"payload"`
	Base64  *string         `json:"base64"`
	Expire  *uint32         `json:"expire"`          // seconds; absent: default_expire
	IdemKey *string         `json:"idempotency_key"` // absent: that of the call, if it has one
}

// readBatch returns a push for each message and key, in order. What is wrong with the call itself is
// refused before anything is pushed.
func (l *listener) readBatch(w http.ResponseWriter, r *http.Request) ([]message.Push, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	if err := plain(r); err != nil {
		return nil, err
	}
	idemKey, err := idemKeyOf(r)
	if err != nil {
		return nil, err
	}
	s := l.cfg.Settings()
	body, err := readBody(w, r, "the most of one call", s.batchBytes())
	if err != nil {
		return nil, err
	}
	return parseBatch(body, s.DefaultExpire, idemKey)
}

func (l *listener) plainBatch(_ []byte, r *http1.Request) []message.Push {
	idemKey, ok := plainIdemKey(r)
	if len(r.Query) > 0 || !ok {
		return nil
	}
	pushes, err := parseBatch(r.Body, l.cfg.Settings().DefaultExpire, idemKey)
	if err != nil {
		return nil // read finds it again, and says so
	}
	return pushes
}

// parseBatch keeps nothing of body. idemKey is that of the call, nil: none.
func parseBatch(body []byte, defaultExpire time.Duration, idemKey []byte) ([]message.Push, error) {
	var b batch
	if err := parseJSON(body, &b); err != nil {
		return nil, err
	}
	return b.pushes(defaultExpire, idemKey)
}

// answerBatch answers a result for each push, in order: {"results":[{"key":K,…},…]}.
func (l *listener) answerBatch(dst []byte, route string, pushes []message.Push, receipts []message.Receipt) ([]byte, reply) {
	dst = append(dst, `{"results":[`...)
	for i := range receipts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = l.appendResult(dst, route, pushes[i].Key, &receipts[i])
	}
	return append(dst, "]}"...), reply{status: http.StatusOK, contentType: jsonV1}
}

// appendResult appends the push of one message to one key, or why it failed.
func (l *listener) appendResult(dst []byte, route, key string, r *message.Receipt) []byte {
	dst = append(dst, `{"key":`...)
	dst = append(appendText(dst, key), ',')
	if r.Err == nil {
		dst = appendPushed(dst, r)
	} else {
		dst = append(dst, `"error":`...)
		dst = append(dst, encode(l.note(route, r.Err), "")...)
	}
	return append(dst, '}')
}

// appendText appends s as a JSON string, as encode does.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return append(dst, encode(s, "")...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// pushes returns a push for each message and key, in order.
func (b *batch) pushes(defaultExpire time.Duration, idemKey []byte) ([]message.Push, error) {
	var pushes []message.Push
	for i := range b.Messages {
		item := &b.Messages[i]
		payload, err := item.payload()
		if err != nil {
			return nil, errBody("messages[%d]: %v", i, err)
		}
		keys, err := item.keys()
		if err != nil {
			return nil, errBody("messages[%d]: %v", i, err)
		}
		if len(pushes)+len(keys) > MaxBatchItems {
			return nil, errBody("more than %d messages times keys; send several calls", MaxBatchItems)
		}
		own, err := item.idemKey(idemKey, i)
		if err != nil {
			return nil, fmt.Errorf("messages[%d]: %w", i, err)
		}
		for _, key := range keys {
			pushes = append(pushes, message.Push{Key: key, Payload: payload, Expire: item.expire(defaultExpire), IdemKey: own})
		}
	}
	if pushes == nil {
		return nil, errBody("messages is empty or missing")
	}
	return pushes, nil
}

func (m *batchItem) payload() ([]byte, error) {
	switch {
	case (m.Payload == nil) == (m.Base64 == nil):
		return nil, errors.New("give exactly one of payload and base64")
	case m.Payload != nil:
		return m.Payload, nil
	}
	payload, err := base64.StdEncoding.Strict().DecodeString(*m.Base64)
	if err != nil {
		return nil, errors.New("base64 is not standard base64 with padding")
	}
	return payload, nil
}

func (m *batchItem) keys() ([]string, error) {
	switch {
	case (m.Key == "") == (len(m.Keys) == 0):
		return nil, errors.New("give exactly one of key and keys")
	case m.Key != "":
		return []string{m.Key}, nil
	}
	return m.Keys, nil
}

// idemKey returns the item's idempotency key; nil: none. It is the nth of a call that has one as a whole, or has not.
func (m *batchItem) idemKey(call []byte, n int) ([]byte, error) {
	if m.IdemKey == nil {
		return idemKeyAt(call, n)
	}
	return checkIdemKey(*m.IdemKey)
}

func (m *batchItem) expire(absent time.Duration) time.Duration {
	if m.Expire == nil {
		return absent
	}
	return time.Duration(*m.Expire) * time.Second
}
