package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"gopush/internal/message"
	"gopush/internal/wire/http1"
)

// pushed answers one push.
type pushed struct {
	ID          string `json:"id"`
	Stored      bool   `json:"stored"`
	Subscribers int    `json:"subscribers"` // connections that it was posted to
}

// appendPushed appends the answer to one push that was carried out: a pushed as JSON.
func appendPushed(dst []byte, r *message.Receipt) []byte {
	dst = append(dst, `{"id":"`...)
	dst = message.AppendID(dst, r.Mid)
	dst = append(dst, `","stored":`...)
	dst = strconv.AppendBool(dst, r.Stored)
	dst = append(dst, `,"subscribers":`...)
	dst = strconv.AppendInt(dst, int64(r.Subscribers), 10)
	return append(dst, '}')
}

// readOne pushes the body, any bytes and also none, to the key of the path.
func (l *listener) readOne(w http.ResponseWriter, r *http.Request) ([]message.Push, error) {
	key, err := l.keyOf(r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	q, err := query(r, "expire")
	if err != nil {
		return nil, err
	}
	s := l.cfg.Settings()
	expire := s.DefaultExpire
	if q.Has("expire") {
		if expire, err = parseExpire(q.Get("expire")); err != nil {
			return nil, err
		}
	}
	if err := plain(r); err != nil {
		return nil, err
	}
	body, err := readBody(w, r, "max_message_bytes", s.MaxMessageBytes)
	if err != nil {
		return nil, err
	}
	return []message.Push{{Key: key, Payload: body, Expire: expire}}, nil
}

// plainOne takes no query, or expire alone.
func (l *listener) plainOne(encoded []byte, r *http1.Request) []message.Push {
	s := l.cfg.Settings()
	expire := s.DefaultExpire
	if len(r.Query) > 0 {
		seconds, found := bytes.CutPrefix(r.Query, []byte("expire="))
		asked, err := parseExpire(string(seconds))
		if !found || err != nil {
			return nil
		}
		expire = asked
	}
	key, ok := l.plainKey(encoded)
	if !ok || len(r.Body) > s.MaxMessageBytes {
		return nil
	}
	return []message.Push{{Key: key, Payload: bytes.Clone(r.Body), Expire: expire}}
}

func (l *listener) answerOne(dst []byte, route string, _ []message.Push, receipts []message.Receipt) ([]byte, reply) {
	if err := receipts[0].Err; err != nil {
		return l.refusal(dst, route, err)
	}
	return appendPushed(dst, &receipts[0]), reply{status: http.StatusOK, contentType: jsonV1}
}

// batch is many keys or many messages in one call.
type batch struct {
	Messages []batchItem `json:"messages"`
}

type batchItem struct {
	Key     string          `json:"key"`  // this and Keys: one of both
	Keys    []string        `json:"keys"` //
	Payload json.RawMessage `json:"payload"`
	Base64  *string         `json:"base64"`
	Expire  *uint32         `json:"expire"` // seconds; absent: default_expire
}

// batchResult answers one message for one key: the push, or why it failed.
type batchResult struct {
	Key string `json:"key"`
	*pushed
	Error *problem `json:"error,omitempty"`
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
	s := l.cfg.Settings()
	body, err := readBody(w, r, "the most of one call", s.batchBytes())
	if err != nil {
		return nil, err
	}
	return parseBatch(body, s.DefaultExpire)
}

func (l *listener) plainBatch(_ []byte, r *http1.Request) []message.Push {
	if len(r.Query) > 0 {
		return nil
	}
	pushes, err := parseBatch(r.Body, l.cfg.Settings().DefaultExpire)
	if err != nil {
		return nil // read finds it again, and says so
	}
	return pushes
}

// parseBatch keeps nothing of body.
func parseBatch(body []byte, defaultExpire time.Duration) ([]message.Push, error) {
	var b batch
	if err := parseJSON(body, &b); err != nil {
		return nil, err
	}
	return b.pushes(defaultExpire)
}

// answerBatch answers a result for each push, in order.
func (l *listener) answerBatch(dst []byte, route string, pushes []message.Push, receipts []message.Receipt) ([]byte, reply) {
	results := make([]batchResult, len(pushes))
	for i, receipt := range receipts {
		results[i] = l.resultOf(route, pushes[i].Key, receipt)
	}
	body := encode(map[string][]batchResult{"results": results}, "")
	return append(dst, body...), reply{status: http.StatusOK, contentType: jsonV1}
}

func (l *listener) resultOf(route, key string, receipt message.Receipt) batchResult {
	if receipt.Err != nil {
		return batchResult{Key: key, Error: l.note(route, receipt.Err)}
	}
	return batchResult{Key: key, pushed: &pushed{ID: message.FormatID(receipt.Mid), Stored: receipt.Stored, Subscribers: receipt.Subscribers}}
}

// pushes returns a push for each message and key, in order.
func (b *batch) pushes(defaultExpire time.Duration) ([]message.Push, error) {
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
		for _, key := range keys {
			pushes = append(pushes, message.Push{Key: key, Payload: payload, Expire: item.expire(defaultExpire)})
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

func (m *batchItem) expire(absent time.Duration) time.Duration {
	if m.Expire == nil {
		return absent
	}
	return time.Duration(*m.Expire) * time.Second
}
