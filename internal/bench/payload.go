package bench

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// A payload is a JSON string of the size asked for, which every dialect shows as it is:
//
//	"SEQUENCE SENT xxxx…"    ten digits, nineteen digits
//
// SENT is in nanoseconds since a moment that sender and receiver agree on.
const (
	seqDigits  = 10
	timeDigits = 19

	// MinPayload is the size in bytes of the smallest payload, its quotes included.
	MinPayload = len(`"`) + seqDigits + len(" ") + timeDigits + len(` "`)
)

// appendPayload appends a payload of size bytes, at least MinPayload.
func appendPayload(dst []byte, size int, seq int64, sent time.Duration) []byte {
	dst = fmt.Appendf(dst, `"%0*d %0*d `, seqDigits, seq, timeDigits, int64(sent))
	for range size - MinPayload {
		dst = append(dst, 'x')
	}
	return append(dst, '"')
}

// arrival is what a message says of itself.
type arrival struct {
	seq  int64
	sent time.Duration
	mid  int64
}

// errMessage is a message that no measurement pushed in that form.
var errMessage = errors.New("not a message of this measurement")

// parseMessage reads {"msg":PAYLOAD,"mid":MID,"gid":0}. It does not allocate unless it fails.
func parseMessage(body []byte) (a arrival, err error) {
	text, tail, ok := cutMessage(body)
	if !ok {
		return arrival{}, fmt.Errorf("%w: %.200q", errMessage, body)
	}
	seq, err1 := strconv.ParseInt(string(text[:seqDigits]), 10, 64)
	sent, err2 := strconv.ParseInt(string(text[seqDigits+1:][:timeDigits]), 10, 64)
	mid, err3 := strconv.ParseInt(string(tail), 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return arrival{}, fmt.Errorf("%w: %w", errMessage, err)
	}
	return arrival{seq: seq, sent: time.Duration(sent), mid: mid}, nil
}

// cutMessage returns what stands between the quotes of the payload, and the digits of the mid.
func cutMessage(body []byte) (text, mid []byte, ok bool) {
	rest, ok := bytes.CutPrefix(body, []byte(`{"msg":"`))
	if !ok {
		return nil, nil, false
	}
	text, rest, _ = bytes.Cut(rest, []byte(`"`))
	rest, ok = bytes.CutPrefix(rest, []byte(`,"mid":`))
	mid, _, found := bytes.Cut(rest, []byte(`,"gid":0}`))
	return text, mid, ok && found && len(text) >= MinPayload-len(`""`)
}
