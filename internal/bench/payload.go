package bench

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// A payload is a JSON string of the size asked for, which every dialect shows as it is:
//
//	"SEQUENCE KEY SIZE SENT xxxx…"    ten digits, seven, seven, nineteen
//
// KEY is the number of the key that it is pushed to, and SIZE that of the payload in bytes: what comes to somebody else,
// or in part, is found out. SENT is when the message was sent, or was due, in nanoseconds of a clock.
const (
	seqDigits  = 10
	keyDigits  = 7
	sizeDigits = 7
	timeDigits = 19

	keyAt  = 1 + seqDigits + 1
	sizeAt = keyAt + keyDigits + 1
	timeAt = sizeAt + sizeDigits + 1
	restAt = timeAt + timeDigits + 1

	// MinPayload is the size in bytes of the smallest payload, its quotes included.
	MinPayload = restAt + len(`"`)
)

// newPayload makes a payload of size bytes, at least MinPayload, that is to be stamped.
func newPayload(size int) []byte {
	p := bytes.Repeat([]byte{'x'}, size)
	p[0], p[size-1] = '"', '"'
	p[keyAt-1], p[sizeAt-1], p[timeAt-1], p[restAt-1] = ' ', ' ', ' ', ' '
	putDigits(p[sizeAt:][:sizeDigits], int64(size))
	return p
}

// stamp writes the number of the key, the sequence number and the time into a payload.
func stamp(payload []byte, key int, seq int64, sent time.Duration) {
	putDigits(payload[1:][:seqDigits], seq)
	putDigits(payload[keyAt:][:keyDigits], int64(key))
	putDigits(payload[timeAt:][:timeDigits], int64(sent))
}

// putDigits fills dst with n.
func putDigits(dst []byte, n int64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
}

// arrival is what a message says of itself.
type arrival struct {
	seq  int64
	key  int // number of the key that it was pushed to
	sent time.Duration
	mid  int64 // 0 where the protocol has none
}

// errMessage is a message that no measurement pushed in that form.
var errMessage = errors.New("not a message of this measurement")

// parsePayload reads a payload that was stamped. It does not allocate unless it fails.
func parsePayload(payload []byte) (a arrival, err error) {
	if len(payload) < MinPayload || payload[0] != '"' {
		return arrival{}, fmt.Errorf("%w: %.200q", errMessage, payload)
	}
	seq, ok1 := digits(payload[1:][:seqDigits])
	key, ok2 := digits(payload[keyAt:][:keyDigits])
	size, ok3 := digits(payload[sizeAt:][:sizeDigits])
	sent, ok4 := digits(payload[timeAt:][:timeDigits])
	if !ok1 || !ok2 || !ok3 || !ok4 || size != int64(len(payload)) {
		return arrival{}, fmt.Errorf("%w: %.200q", errMessage, payload)
	}
	return arrival{seq: seq, key: int(key), sent: time.Duration(sent)}, nil
}

// parseJSON reads {"msg":PAYLOAD,"mid":MID,"gid":0} with a string as PAYLOAD, as
// docs/protocol.md, "Legacy message", has it. It does not allocate unless it fails.
func parseJSON(text []byte) (payload []byte, mid int64, err error) {
	const head, middle, tail = `{"msg":`, `,"mid":`, `,"gid":0`
	if !bytes.HasPrefix(text, []byte(head+`"`)) {
		return nil, 0, fmt.Errorf("%w: %.200q", errMessage, text)
	}
	rest := text[len(head):]
	end := 2 + bytes.IndexByte(rest[1:], '"')
	payload, rest = rest[:end], rest[end:]
	number, _, found := bytes.Cut(bytes.TrimPrefix(rest, []byte(middle)), []byte(tail))
	mid, ok := digits(number)
	if !found || !ok {
		return nil, 0, fmt.Errorf("%w: %.200q", errMessage, text)
	}
	return payload, mid, nil
}

// digits reads a decimal number of at most 19 digits; false if text is none.
func digits(text []byte) (n int64, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(text) > 0 && len(text) <= timeDigits
}
