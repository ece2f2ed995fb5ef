// Package proxy reads what proxies tell of whom they forward: the header of the PROXY protocol, version 1 (a line) and 2
// (binary), at the beginning of a connection, and the fields X-Forwarded-For and Forwarded of a request over HTTP.
//
// It is pure and trusts nobody: whether the sender is a proxy that may be believed is for its caller to know.
package proxy

import (
	"bytes"
	"errors"
	"net/netip"
)

// Header is what the header of the PROXY protocol says of the connection behind it.
type Header struct {
	Source netip.AddrPort // of the client; not valid: the proxy does not tell
	Local  bool           // the proxy speaks for itself, as for a check of health
	Size   int            // bytes of the header
}

// ErrNone is Parse's error for what does not begin with a header.
var ErrNone = errors.New("no PROXY protocol header")

// ErrMalformed is what errors of Parse wrap for what begins as a header and is none.
var ErrMalformed = errors.New("malformed PROXY protocol header")

// How headers begin. https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
const (
	line      = "PROXY "
	signature = "\r\n\r\n\x00\r\nQUIT\n"
)

// MaxSize is how long a header can be, in bytes: the longest of version 2.
const MaxSize = 16 + 1<<16 - 1

// Parse reads the header that b begins with. Where Size is 0, and there is no error, more bytes have to come. Nothing of b is kept.
func Parse(b []byte) (Header, error) {
	switch {
	case begins(b, signature):
		if len(b) < len(signature) {
			return Header{}, nil
		}
		return parseBinary(b)
	case begins(b, line):
		if len(b) < len(line) {
			return Header{}, nil
		}
		return parseLine(b)
	}
	return Header{}, ErrNone
}

// begins tells whether b begins with s, or may yet.
func begins(b []byte, s string) bool {
	n := min(len(b), len(s))
	return bytes.Equal(b[:n], []byte(s[:n]))
}
