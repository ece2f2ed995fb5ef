package web

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"gopush/internal/message"
)

// listed is a stored message in a list: a payload that is JSON stands as such, fields as an object.
type listed struct {
	ID      string          `json:"id"`
	Payload json.RawMessage `json:"payload,omitempty"`
	Base64  *[]byte         `json:"base64,omitempty"`
	Expires *time.Time      `json:"expires,omitempty"` // absent: kept until it is trimmed
}

func newListed(m *message.Message) listed {
	v := listed{ID: message.FormatID(m.Mid)}
	payload := m.Payload
	if m.Form == message.Fields {
		payload = m.AppendPayload(nil)
	}
	if json.Valid(payload) && utf8.Valid(payload) {
		v.Payload = payload
	} else {
		bytes := append([]byte{}, payload...) // not null where there are none
		v.Base64 = &bytes
	}
	if m.Expires.Before(message.Never) {
		expires := m.Expires.UTC()
		v.Expires = &expires
	}
	return v
}

// page is a piece of a list. Next, if there is more, is after for the next call, or before if
// the list is reversed.
type page struct {
	Messages []listed `json:"messages"`
	Next     string   `json:"next,omitempty"`
}

// span is what a list is asked for.
type span struct {
	from, to int64
	reverse  bool
	limit    int
}

func parseSpan(q url.Values) (span, error) {
	s := span{to: math.MaxInt64, limit: 100}
	if q.Has("after") {
		after, err := parseID("after", q.Get("after"))
		if err != nil {
			return s, err
		}
		s.from = after + 1
	}
	if q.Has("before") {
		before, err := parseID("before", q.Get("before"))
		if err != nil {
			return s, err
		}
		s.to = before - 1
	}
	var err error
	if q.Has("reverse") {
		if s.reverse, err = strconv.ParseBool(q.Get("reverse")); err != nil {
			return s, errParameter("reverse is 1 or 0")
		}
	}
	if q.Has("limit") {
		if s.limit, err = strconv.Atoi(q.Get("limit")); err != nil || s.limit < 1 || s.limit > MaxPageItems {
			return s, errParameter("limit is a number from 1 to %d", MaxPageItems)
		}
	}
	return s, nil
}

// parseID leaves room for one more.
func parseID(name, s string) (int64, error) {
	mid, err := message.ParseID(s)
	if err != nil || mid == math.MaxInt64 {
		return 0, errParameter("%s is an id, MS-SEQ, not %q", name, s)
	}
	return mid, nil
}

// list answers a page of the stored messages of a key.
func (l *listener) list(_ http.ResponseWriter, r *http.Request) (any, error) {
	q, err := query(r, "after", "before", "limit", "reverse")
	if err != nil {
		return nil, err
	}
	s, err := parseSpan(q)
	if err != nil {
		return nil, err
	}
	key := r.PathValue("key")
	found, err := l.cfg.Keys.Range(r.Context(), key, s.from, s.to, s.reverse, s.limit, pageBytes)
	if err != nil {
		return nil, err
	}
	p := page{Messages: make([]listed, len(found))}
	for i := range found {
		p.Messages[i] = newListed(&found[i])
	}
	if len(found) > 0 {
		p.Next, err = l.next(r.Context(), key, s, found[len(found)-1].Mid)
	}
	return p, err
}

// next returns the id of last if s has more messages behind it.
func (l *listener) next(ctx context.Context, key string, s span, last int64) (string, error) {
	if s.reverse {
		s.to = last - 1
	} else {
		s.from = last + 1
	}
	more, err := l.cfg.Keys.Range(ctx, key, s.from, s.to, s.reverse, 1, 1)
	if len(more) == 0 || err != nil {
		return "", err
	}
	return message.FormatID(last), nil
}

// remove forgets stored messages, those of the ids given or all.
func (l *listener) remove(_ http.ResponseWriter, r *http.Request) (any, error) {
	q, err := query(r, "id*")
	if err != nil {
		return nil, err
	}
	var mids []int64
	for _, id := range q["id"] {
		mid, err := parseID("id", id)
		if err != nil {
			return nil, err
		}
		mids = append(mids, mid)
	}
	n, err := l.cfg.Keys.Delete(r.Context(), r.PathValue("key"), mids...)
	return map[string]int{"deleted": n}, err
}
