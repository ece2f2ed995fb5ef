package link

import (
	"strconv"

	"gopush/internal/wire/resp"
)

const crlf = "\r\n"

const (
	command = '*' // what the dialling end sends
	push    = '>' // what the accepting end sends

	maxElements = 4096     // of a frame
	minPayload  = 1 << 20  // that a frame has room for, however small messages must be
	slackBytes  = 64 << 10 // that a frame may have beside a payload
	handBytes   = 8 << 10  // of a frame before both ends have proved who they are

	maxBatch   = 1024 // elements that go into one frame where there may be any number
	frameBytes = 64   // about what a frame has beside its variable words
	bulkBytes  = 16   // what a bulk string has beside its data, at most
)

// limits returns what frames may have, where no payload has more than payload bytes.
func limits(payload int) resp.Limits {
	most := max(payload, minPayload) + slackBytes
	return resp.Limits{MaxArgs: maxElements, MaxArgBytes: most, MaxBytes: most}
}

// handLimits returns what frames may have before both ends have proved who they are.
func handLimits() resp.Limits {
	return resp.Limits{MaxArgs: 16, MaxArgBytes: handBytes, MaxBytes: handBytes}
}

// appendHead appends the head of a frame of n elements.
func appendHead(dst []byte, kind byte, n int) []byte {
	if kind == push {
		return resp.AppendPush(dst, n)
	}
	return resp.AppendArray(dst, n)
}

// appendBulkHead appends what is before the data of a bulk string of so many bytes.
func appendBulkHead(dst []byte, bytes int) []byte {
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(bytes), 10)
	return append(dst, crlf...)
}

// appendInt appends v in decimal as a bulk string.
func appendInt(dst []byte, v int64) []byte {
	if 0 <= v && v < 10 {
		return append(dst, '$', '1', '\r', '\n', byte('0'+v), '\r', '\n')
	}
	var digits [20]byte
	return resp.AppendBulk(dst, strconv.AppendInt(digits[:0], v, 10))
}

// number reads a decimal as appendInt writes it, or with zeros before it.
func number(b []byte) (v int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		v, err := strconv.ParseInt(string(b), 10, 64)
		return v, err == nil
	}
	digits := b
	if b[0] == '-' {
		digits = b[1:]
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	if len(digits) < len(b) {
		v = -v
	}
	return v, len(digits) > 0
}

// numbers reads words into values: false if one is no number.
func numbers(words [][]byte, values ...*int64) bool {
	for i, v := range values {
		n, ok := number(words[i])
		if !ok {
			return false
		}
		*v = n
	}
	return true
}
