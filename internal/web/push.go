package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"gopush/internal/message"
)

// pushed answers one push.
type pushed struct {
	ID          string `json:"id"`
	Stored      bool   `json:"stored"`
	Subscribers int    `json:"subscribers"` // connections that it was posted to
}

func newPushed(r message.Receipt) *pushed {
	return &pushed{ID: message.FormatID(r.Mid), Stored: r.Stored, Subscribers: r.Subscribers}
}

// pushOne pushes the body, any bytes and also none, to the key of the path.
func (l *listener) pushOne(w http.ResponseWriter, r *http.Request) (any, error) {
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
	receipt := l.cfg.Keys.Publish(r.Context(), []message.Push{{Key: r.PathValue("key"), Payload: body, Expire: expire}})[0]
	if receipt.Err != nil {
		return nil, receipt.Err
	}
	return newPushed(receipt), nil
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

// pushBatch answers a result for each message and key, in order. What is wrong with the call
// itself is refused before anything is pushed.
func (l *listener) pushBatch(w http.ResponseWriter, r *http.Request) (any, error) {
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
	var b batch
	if err := parseJSON(body, &b); err != nil {
		return nil, err
	}
	pushes, err := b.pushes(s.DefaultExpire)
	if err != nil {
		return nil, err
	}
	results := make([]batchResult, len(pushes))
	for i, receipt := range l.cfg.Keys.Publish(r.Context(), pushes) {
		results[i] = l.resultOf(r, pushes[i].Key, receipt)
	}
	return map[string][]batchResult{"results": results}, nil
}

func (l *listener) resultOf(r *http.Request, key string, receipt message.Receipt) batchResult {
	if receipt.Err != nil {
		return batchResult{Key: key, Error: l.note(r, receipt.Err)}
	}
	return batchResult{Key: key, pushed: newPushed(receipt)}
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
