package resp

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// What Redis 7.0 allows whatever is configured.
const (
	maxLine = 64 << 10  // bytes of a line before its end
	maxBulk = 512 << 20 // bytes of an argument: proto-max-bulk-len
)

// ParseRequest takes one request of a Redis client from the start of buf: an array of bulk strings or, if inline is
// allowed, a line of words. Its grammar is Redis 7.0's own, looser than ParseCommand's: "*0" and "*-1" and empty lines
// are requests without arguments, to be skipped, and the bytes where CR LF is due after an argument are not looked at.
//
// It appends the arguments, which alias buf but where quotes were taken off, to args[:0] and returns them with the
// number of bytes that they took. n is 0 without an error when the request is not complete: call again with the same
// bytes and more. The error is an *Error; its reason is what Redis says, for "-ERR " and AppendError.
func ParseRequest(args [][]byte, buf []byte, lim Limits, inline bool) (out [][]byte, n int, err error) {
	buf = buf[:min(len(buf), lim.MaxBytes)]
	switch {
	case len(buf) == 0:
		return args[:0], 0, nil
	case buf[0] == '*':
		out, n, err = array(args[:0], buf, lim)
	case inline:
		out, n, err = words(args[:0], buf, lim)
	default:
		return args[:0], 0, expected('*', buf[0])
	}
	if n == 0 && err == nil && len(buf) == lim.MaxBytes {
		err = tooLong(0, len(buf)+1, lim)
	}
	return out, n, err
}

// array takes an array of bulk strings.
func array(out [][]byte, buf []byte, lim Limits) ([][]byte, int, error) {
	count, n := short(buf)
	if n == 0 {
		var err error
		if count, n, err = long(buf, true); n == 0 || err != nil {
			return out, 0, err
		}
	}
	if count > lim.MaxArgs {
		return out, 0, tooMany(count, lim)
	}
	for range count {
		length, head := 0, 0
		if n < len(buf) && buf[n] == '$' {
			length, head = short(buf[n:])
		}
		if head == 0 {
			var err error
			if length, head, err = long(buf[n:], false); head == 0 || err != nil {
				return out, 0, err
			}
		}
		from := n + head
		n = from + length + len(crlf)
		if length > lim.MaxArgBytes || n > lim.MaxBytes {
			return out, 0, tooLong(length, n, lim)
		}
		if n > len(buf) {
			return out, 0, nil
		}
		out = append(out, buf[from:from+length:from+length])
	}
	return out, n, nil
}

// short takes a line such as "*3\r\n" if it is as nearly all are: complete, with up to eight digits, so below every limit
// of Redis's own. n is 0 if it is not.
func short(buf []byte) (value, n int) {
	for at := 1; at < len(buf) && at <= maxDigits; at++ {
		switch c := buf[at]; {
		case '0' <= c && c <= '9':
			value = value*10 + int(c-'0')
		case c == '\r' && at+1 < len(buf) && at > 1 && (buf[1] != '0' || at == 2):
			return value, at + len(crlf)
		default:
			return 0, 0
		}
	}
	return 0, 0
}

// long takes any line that announces, first, a count or else a length. n is 0 without an error when it is not complete.
// A negative count is 0.
func long(buf []byte, first bool) (value, n int, err error) {
	what := "too big bulk count string"
	if first {
		what = "too big mbulk count string"
	}
	end, err := lineIn(buf, '\r', what)
	switch {
	case err != nil:
		return 0, 0, err
	case end < 0 || end+1 == len(buf):
		return 0, 0, nil
	case !first && buf[0] != '$':
		return 0, 0, expected('$', buf[0])
	}
	v, ok := integer(buf[1:end])
	switch {
	case first && (!ok || v > math.MaxInt32):
		return 0, 0, protocol("invalid multibulk length")
	case !first && (!ok || v < 0 || v > maxBulk):
		return 0, 0, protocol("invalid bulk length")
	}
	return int(max(v, 0)), end + len(crlf), nil
}

// lineIn returns where the line that buf begins with ends; -1 when that is not there yet. what is the error when it is
// too late. A NUL hides the end, since Redis looks for it with strchr.
func lineIn(buf []byte, end byte, what string) (at int, err error) {
	within := buf[:min(len(buf), maxLine+1)]
	at = bytes.IndexByte(within, end)
	switch {
	case at >= 0 && bytes.IndexByte(within[:at], 0) < 0:
		return at, nil
	case len(buf) > maxLine:
		return 0, protocol(what)
	}
	return -1, nil
}

// integer reads what Redis's string2ll does: a decimal without plus, zeros before it or space around it.
func integer(text []byte) (v int64, ok bool) {
	digits := bytes.TrimPrefix(text, []byte("-"))
	if len(digits) == 0 || digits[0] == '+' || digits[0] == '0' && len(text) > 1 {
		return 0, false
	}
	v, err := strconv.ParseInt(string(text), 10, 64)
	return v, err == nil
}

func protocol(what string) *Error { return &Error{Reason: "Protocol error: " + what} }

// expected has the byte of the peer's as it is, as Redis does; AppendError makes CR and LF harmless.
func expected(kind, got byte) *Error {
	return protocol("expected '" + string([]byte{kind}) + "', got '" + string([]byte{got}) + "'")
}

func tooMany(count int, lim Limits) *Error {
	return protocol(fmt.Sprintf("%d arguments, max_arguments is %d", count, lim.MaxArgs))
}

// tooLong says which limit an argument of length bytes is over, which makes the request at least total bytes long.
func tooLong(length, total int, lim Limits) *Error {
	if length > lim.MaxArgBytes {
		return protocol(fmt.Sprintf("argument of %d bytes, the limit is %d", length, lim.MaxArgBytes))
	}
	return protocol(fmt.Sprintf("request of at least %d bytes, max_command_bytes is %d", total, lim.MaxBytes))
}
