package web

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopush/internal/message"
	"gopush/internal/wire/http1"
)

// idemHeader is the idempotency key of a request, as draft-ietf-httpapi-idempotency-key-header has it, or without its quotation marks.
const idemHeader = "Idempotency-Key"

// replayed goes with the answer to a push that was stored before. The name is the one that others use for it.
const replayed = "Idempotent-Replayed"

// idemKeyOf returns the idempotency key that r has, nil: none.
func idemKeyOf(r *http.Request) ([]byte, error) {
	values := r.Header[idemHeader]
	switch len(values) {
	case 0:
		return nil, nil
	case 1:
		return parseIdemKey(values[0])
	}
	return nil, fmt.Errorf("%w: %s is given %d times; give it once", message.ErrIdemKey, idemHeader, len(values))
}

// plainIdemKey is idemKeyOf for a strict request; ok is false for what idemKeyOf refuses.
func plainIdemKey(r *http1.Request) (idemKey []byte, ok bool) {
	if len(r.IdemKey) == 0 {
		return nil, true
	}
	idemKey, err := parseIdemKey(string(r.IdemKey))
	return idemKey, err == nil
}

// parseIdemKey takes an idempotency key as a header has it.
func parseIdemKey(s string) ([]byte, error) {
	if len(s) > 1 && strings.HasPrefix(s, `"`) && strings.HasSuffix(s, `"`) {
		s = s[1 : len(s)-1]
	}
	return checkIdemKey(s)
}

// checkIdemKey returns s, if it is an idempotency key.
func checkIdemKey(s string) ([]byte, error) {
	switch {
	case s == "":
		return nil, fmt.Errorf("%w: it is empty; leave it out", message.ErrIdemKey)
	case len(s) > message.MaxIdemKeyBytes:
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d may be", message.ErrIdemKey, len(s), message.MaxIdemKeyBytes)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return nil, fmt.Errorf("%w: it is UTF-8 without control characters", message.ErrIdemKey)
	}
	return []byte(s), nil
}

// idemKeyAt returns the idempotency key of message n of a call that has one as a whole: with "#n" behind it.
func idemKeyAt(call []byte, n int) ([]byte, error) {
	if call == nil {
		return nil, nil
	}
	return checkIdemKey(string(strconv.AppendInt(append(bytes.Clone(call), '#'), int64(n), 10)))
}

// replay notes in head that what is answered was stored before.
func (p *reply) replay(r *message.Receipt) {
	if r.Duplicate {
		p.header = map[string]string{replayed: "true"}
	}
}
