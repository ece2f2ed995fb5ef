package web

import (
	"bytes"
	"net/http"
	"strconv"

	"gopush/internal/message"
	"gopush/internal/wire/http1"
)

// appendPushed appends what answers a push that was carried out, without the braces:
//
//	"id":"MS-SEQ","stored":true,"subscribers":N[,"duplicate":true]
//
// Subscribers are the connections that it was posted to; a duplicate is the first message with its idempotency key.
func appendPushed(dst []byte, r *message.Receipt) []byte {
	dst = append(dst, `"id":"`...)
	dst = message.AppendID(dst, r.Mid)
	dst = append(dst, `","stored":`...)
	dst = strconv.AppendBool(dst, r.Stored)
	dst = append(dst, `,"subscribers":`...)
	dst = strconv.AppendInt(dst, int64(r.Subscribers), 10)
	if r.Duplicate {
		dst = append(dst, `,"duplicate":true`...)
	}
	return dst
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
	idemKey, err := idemKeyOf(r)
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
	return []message.Push{{Key: key, Payload: body, Expire: expire, IdemKey: idemKey}}, nil
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
	idemKey, good := plainIdemKey(r)
	if !ok || !good || len(r.Body) > s.MaxMessageBytes {
		return nil
	}
	return []message.Push{{Key: key, Payload: bytes.Clone(r.Body), Expire: expire, IdemKey: idemKey}}
}

func (l *listener) answerOne(dst []byte, route string, _ []message.Push, receipts []message.Receipt) ([]byte, reply) {
	if err := receipts[0].Err; err != nil {
		return l.refusal(dst, route, err)
	}
	dst = appendPushed(append(dst, '{'), &receipts[0])
	head := reply{status: http.StatusOK, contentType: jsonV1}
	head.replay(&receipts[0])
	return append(dst, '}'), head
}
