// Package http1 reads POST requests in the strictest form of HTTP/1.1, so that an event loop can
// serve them itself.
//
//	bytes ─> Parse ─┬─> a whole Request
//	                ├─> strict so far: more bytes are needed
//	                └─> not strict: net/http is to have it
//
// It promises that what it accepts net/http reads in exactly the same way, to the same last byte:
// whatever leaves room for two readings, or asks for more than a body to be read, is not strict.
// It knows no paths and no meaning, and keeps and allocates nothing.
package http1

import "bytes"

// Request is a request with what may matter of its head. All parts are parts of the bytes that
// were parsed.
type Request struct {
	Path          []byte // as it was sent: it begins with one slash, and all %XX are well-formed
	Query         []byte // as it was sent, without the question mark; well-formed %XX
	Host          []byte // never empty
	Authorization []byte // empty: none
	APIKey        []byte // X-API-Key; empty: none
	IdemKey       []byte // Idempotency-Key as it was sent; empty: none
	Forwarded     bool   // a proxy says that it forwards it
	Body          []byte
}

// Limits bounds what Parse takes, in bytes.
type Limits struct {
	MaxHead int // up to and with the empty line
	MaxBody int
}

const (
	method  = "POST "
	version = " HTTP/1.1"
)

// Parse reads into r the request that b begins with, and returns how many bytes that are; 0: b ends too early.
// strict is false as soon as b cannot become a strict request within max.
func Parse(r *Request, b []byte, max Limits) (n int, strict bool) {
	*r = Request{}
	h := head{Request: r, length: none}
	line, n, ok := cutLine(b, max.MaxHead)
	if !ok || line == nil {
		return 0, ok && couldBe(b)
	}
	if !h.requestLine(line) {
		return 0, false
	}
	for {
		line, size, ok := cutLine(b[n:], max.MaxHead-n)
		if !ok || line == nil {
			return 0, ok
		}
		if n += size; len(line) == 0 {
			break
		}
		if !h.field(line) {
			return 0, false
		}
	}
	if h.length == none || h.length > max.MaxBody || len(r.Host) == 0 {
		return 0, false
	}
	if len(b)-n < h.length {
		return 0, true
	}
	r.Body = b[n : n+h.length]
	return n + h.length, true
}

// cutLine returns the first line of b without its CRLF, and its size with it; nil if b has no line
// end yet. ok is false if the line does not end in CRLF or goes beyond most bytes.
func cutLine(b []byte, most int) (line []byte, size int, ok bool) {
	i := bytes.IndexByte(b, '\n')
	switch {
	case i < 0:
		return nil, 0, len(b) < most
	case i == 0 || b[i-1] != '\r' || i >= most:
		return nil, 0, false
	}
	return b[: i-1 : i-1], i + 1, true
}

// couldBe tells whether the beginning of a first line may become that of a strict request.
func couldBe(b []byte) bool {
	k := min(len(b), len(method))
	return string(b[:k]) == method[:k]
}

// requestLine takes "POST /PATH[?QUERY] HTTP/1.1".
func (h *head) requestLine(line []byte) bool {
	target, ok := bytes.CutPrefix(line, []byte(method))
	if !ok {
		return false
	}
	if target, ok = bytes.CutSuffix(target, []byte(version)); !ok {
		return false
	}
	h.Path, h.Query, _ = bytes.Cut(target, []byte{'?'})
	if len(h.Path) == 0 || h.Path[0] != '/' || len(h.Path) > 1 && h.Path[1] == '/' {
		return false
	}
	return isTarget(h.Path) && isTarget(h.Query)
}

// isTarget tells whether b has only what RFC 3986 allows in a path or a query.
func isTarget(b []byte) bool {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case isAlnum(c) || bytes.IndexByte([]byte("-._~!$&'()*+,;=:@/?"), c) >= 0:
		case c == '%' && i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}
