package http1

import "bytes"

// head is a request while its head is read.
type head struct {
	*Request
	length    int  // Content-Length; none: not seen
	connected bool // Connection was seen
}

// none is the length of a body that was not announced.
const none = -1

// maxName is the length of the longest field name that is known.
const maxName = 20

// field takes one header field. It is strict if its name is known, its value has nothing but visible ASCII, spaces
// and tabs, and it is not one that has to be there once at most and is there again.
func (h *head) field(line []byte) bool {
	name, value, found := bytes.Cut(line, []byte{':'})
	value = bytes.Trim(value, " \t")
	if !found || len(name) > maxName || !isText(value) {
		return false
	}
	var lower [maxName]byte
	for i, c := range name {
		if lower[i] = c; c >= 'A' && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	switch string(lower[:len(name)]) {
	case "host":
		return isHost(value) && once(&h.Host, value)
	case "content-length":
		return h.contentLength(value)
	case "connection":
		again := h.connected
		h.connected = true
		return !again && bytes.EqualFold(value, []byte("keep-alive"))
	case "authorization":
		return once(&h.Authorization, value)
	case "x-api-key":
		return once(&h.APIKey, value)
	case "idempotency-key":
		return once(&h.IdemKey, value)
	case "accept", "accept-encoding", "accept-language", "content-type", "user-agent", "sec-fetch-mode",
		"traceparent", "tracestate", "baggage", "x-request-id", "x-forwarded-proto":
		return true // nobody looks at them
	case "x-forwarded-for", "x-real-ip":
		h.Forwarded = true
		return true
	}
	return false
}

// once sets part, which must not have been set and is not set to nothing.
func once(part *[]byte, value []byte) bool {
	if len(*part) > 0 || len(value) == 0 {
		return false
	}
	*part = value
	return true
}

// maxDigits keeps a length within an int.
const maxDigits = 9

func (h *head) contentLength(value []byte) bool {
	if h.length != none || len(value) == 0 || len(value) > maxDigits {
		return false
	}
	h.length = 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return false
		}
		h.length = h.length*10 + int(c-'0')
	}
	return true
}

func isText(b []byte) bool {
	for _, c := range b {
		if (c < ' ' || c > '~') && c != '\t' {
			return false
		}
	}
	return true
}

// isHost takes names, addresses and ports.
func isHost(b []byte) bool {
	for _, c := range b {
		if !isAlnum(c) && c != '.' && c != '-' && c != '_' && c != ':' && c != '[' && c != ']' {
			return false
		}
	}
	return true
}
