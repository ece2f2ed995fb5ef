package ws

import (
	"net/http"
	"strconv"
	"strings"
)

// What is answered to an offer of permessage-deflate, RFC 7692 section 7.1.
const (
	accepted       = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	acceptedWindow = accepted + "; server_max_window_bits=15"
)

// negotiate returns what answers the first offer of permessage-deflate that can be kept, or
// "" if there is none. Only offers that break the grammar of RFC 6455 section 9.1 are an error.
func negotiate(values []string) (answer string, err error) {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			offer, ok := parseOffer(item)
			if !ok {
				return "", refuse(http.StatusBadRequest, "malformed Sec-WebSocket-Extensions")
			}
			if answer == "" {
				answer = offer.answer()
			}
		}
	}
	return answer, nil
}

// offer is one extension that a client would like, with its parameters in order.
type offer struct {
	name   string
	params []param
}

type param struct {
	name, value string
	hasValue    bool
}

// parseOffer parses "name; param; param=value; param="value"". A quoted value must be a token
// too, so commas and semicolons always separate. An empty list element is an offer of nothing.
func parseOffer(item string) (o offer, ok bool) {
	head, rest, more := strings.Cut(item, ";")
	o.name = strings.Trim(head, " \t")
	if o.name == "" && !more {
		return o, true
	}
	if !isToken(o.name) {
		return o, false
	}
	for more {
		head, rest, more = strings.Cut(rest, ";")
		p, ok := parseParam(head)
		if !ok {
			return o, false
		}
		o.params = append(o.params, p)
	}
	return o, true
}

func parseParam(s string) (p param, ok bool) {
	p.name, p.value, p.hasValue = strings.Cut(s, "=")
	p.name = strings.Trim(p.name, " \t")
	p.value = strings.Trim(p.value, " \t")
	if n := len(p.value); n >= 2 && p.value[0] == '"' && p.value[n-1] == '"' {
		p.value = p.value[1 : n-1]
	}
	return p, isToken(p.name) && (!p.hasValue || isToken(p.value))
}

// isToken tells whether s is a token of HTTP, RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// answer returns what accepts o, or "" for an offer that cannot be kept: another extension,
// a parameter that is unknown, repeated or malformed, or a window of ours below flate's.
func (o offer) answer() string {
	if o.name != "permessage-deflate" {
		return ""
	}
	answer := accepted
	seen := make(map[string]bool, len(o.params))
	for _, p := range o.params {
		if seen[p.name] || !p.keepable() {
			return ""
		}
		seen[p.name] = true
		if p.name == "server_max_window_bits" {
			answer = acceptedWindow
		}
	}
	return answer
}

// keepable tells whether p of an offer is well formed and can be kept to. A client may limit
// its own window; limiting ours to less than 15 bits is beyond compress/flate.
func (p param) keepable() bool {
	switch p.name {
	case "server_no_context_takeover", "client_no_context_takeover":
		return !p.hasValue
	case "server_max_window_bits":
		return p.value == "15"
	case "client_max_window_bits":
		return !p.hasValue || isWindowBits(p.value)
	}
	return false
}

// isWindowBits tells whether s is a decimal from 8 to 15 without leading zeros.
func isWindowBits(s string) bool {
	bits, err := strconv.Atoi(s)
	return err == nil && 8 <= bits && bits <= 15 && s == strconv.Itoa(bits)
}
