package message

import (
	"errors"
	"strconv"
)

// ErrFields is what a payload that is no list of fields fails with.
var ErrFields = errors.New("payload is no list of fields and values")

// AppendFields appends fields, which are names and values in turn, as a payload of form Fields: an array of bulk strings
// in RESP, "*2\r\n$1\r\na\r\n$1\r\n1\r\n", so that a Redis client gets it as it is stored.
func AppendFields(dst []byte, fields [][]byte) []byte {
	dst = appendLength(dst, '*', len(fields))
	for _, f := range fields {
		dst = appendLength(dst, '$', len(f))
		dst = append(dst, f...)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

func appendLength(dst []byte, kind byte, n int) []byte {
	dst = append(dst, kind)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, "\r\n"...)
}

// ParseFields appends to fields what AppendFields was given for payload; they alias it. The error is ErrFields.
func ParseFields(fields [][]byte, payload []byte) ([][]byte, error) {
	err := EachField(payload, func(name, value []byte) { fields = append(fields, name, value) })
	return fields, err
}

// EachField calls yield for each field of a payload of form Fields, in order. name and value alias payload. The error is
// ErrFields; fields before the place where the payload is bad were yielded.
func EachField(payload []byte, yield func(name, value []byte)) error {
	count, rest, ok := takeLength(payload, '*')
	if !ok || count%2 != 0 {
		return ErrFields
	}
	for ; count > 0; count -= 2 {
		var name, value []byte
		if name, rest, ok = takeBulk(rest); !ok {
			return ErrFields
		}
		if value, rest, ok = takeBulk(rest); !ok {
			return ErrFields
		}
		yield(name, value)
	}
	if len(rest) > 0 {
		return ErrFields
	}
	return nil
}

// takeBulk takes "$LEN\r\nDATA\r\n" from the start of b.
func takeBulk(b []byte) (data, rest []byte, ok bool) {
	n, b, ok := takeLength(b, '$')
	if !ok || len(b)-n < 2 || b[n] != '\r' || b[n+1] != '\n' {
		return nil, nil, false
	}
	return b[:n:n], b[n+2:], true
}

// takeLength takes a kind and a decimal of at most nine digits, as appendLength writes it, from the start of b.
func takeLength(b []byte, kind byte) (n int, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != kind {
		return 0, nil, false
	}
	at := 1
	for at < len(b) && at <= 9 && '0' <= b[at] && b[at] <= '9' {
		n = n*10 + int(b[at]-'0')
		at++
	}
	if at == 1 || b[1] == '0' && at > 2 || len(b)-at < 2 || b[at] != '\r' || b[at+1] != '\n' {
		return 0, nil, false
	}
	return n, b[at+2:], true
}
