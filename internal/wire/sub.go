package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gopush/internal/message"
)

// Sub asks to subscribe to a key.
type Sub struct {
	Key       string
	Token     string // "": none
	Heartbeat time.Duration
	Old       bool  // no VERSION was given: messages are to have the old form
	Resume    bool  // Mid was given: messages are to have prev
	Mid       int64 // resume after it
}

// Variant returns the bits that s decides: Old and Prev.
func (s *Sub) Variant() (v Variant) {
	if s.Old {
		v |= Old
	}
	if s.Resume {
		v |= Prev
	}
	return v
}

// Limits bound what a Sub may ask for. Both must be set: zero allows no key.
type Limits struct {
	MaxKeyBytes  int           // at most message.MaxKeyBytes
	MinHeartbeat time.Duration // the shortest; the longest is a day
}

const maxHeartbeat = 24 * time.Hour

// IsSub tells whether args are a sub command, in any case, good or bad.
func IsSub(args [][]byte) bool {
	return len(args) > 0 && len(args[0]) == len("sub") && bytes.EqualFold(args[0], []byte("sub"))
}

// ParseSub reads the command sub KEY HEARTBEAT [TOKEN] [VERSION] [MID]; an optional argument
// that is empty is as good as none. The Sub shares nothing with args. Whatever the error is,
// it is answered with TextParam.
func ParseSub(args [][]byte, lim Limits) (Sub, error) {
	if !IsSub(args) {
		return Sub{}, errors.New("not a sub command")
	}
	if len(args) < 3 || len(args) > 6 {
		return Sub{}, fmt.Errorf("%d arguments, want sub KEY HEARTBEAT [TOKEN] [VERSION] [MID]", len(args))
	}
	var text [5]string
	for i, arg := range args[1:] {
		text[i] = string(arg)
	}
	return newSub(text[0], text[1], text[2], text[3], text[4], lim)
}

// ParseSubQuery reads the query of /sub?key=K&heartbeat=S[&token=T][&ver=V][&mid=M], with the
// rules of ParseSub. Other parameters are ignored, and of a repeated one all but the first.
func ParseSubQuery(q url.Values, lim Limits) (Sub, error) {
	return newSub(q.Get("key"), q.Get("heartbeat"), q.Get("token"), q.Get("ver"), q.Get("mid"), lim)
}

func newSub(key, heartbeat, token, version, mid string, lim Limits) (s Sub, err error) {
	if err := message.CheckKey(key, lim.MaxKeyBytes); err != nil {
		return Sub{}, err
	}
	s = Sub{Key: key, Token: token, Old: version == "", Resume: mid != ""}
	if s.Heartbeat, err = parseHeartbeat(heartbeat, lim.MinHeartbeat); err != nil {
		return Sub{}, err
	}
	if s.Mid, err = parseMid(mid); err != nil {
		return Sub{}, err
	}
	return s, nil
}

func parseHeartbeat(s string, least time.Duration) (time.Duration, error) {
	seconds, err := parseDigits(s)
	if err != nil {
		return 0, fmt.Errorf("heartbeat %.20q: %w", s, err)
	}
	if seconds > int64(maxHeartbeat/time.Second) || time.Duration(seconds)*time.Second < least {
		return 0, fmt.Errorf("heartbeat %d s, allowed are %v to %v", seconds, least, maxHeartbeat)
	}
	return time.Duration(seconds) * time.Second, nil
}

func parseMid(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	mid, err := parseDigits(s)
	if err != nil {
		return 0, fmt.Errorf("mid %.20q: %w", s, err)
	}
	return mid, nil
}

// parseDigits reads an int64 of decimal digits only: no sign, no space.
func parseDigits(s string) (int64, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, errors.New("not decimal digits")
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("above %d", int64(math.MaxInt64))
	}
	return v, nil
}
