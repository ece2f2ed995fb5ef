package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Accept checks r against RFC 6455 section 4.2.1 and returns the whole 101 response that opens
// the connection, and whether permessage-deflate was agreed on. A Sec-WebSocket-Protocol that
// is offered is left unanswered; Origin is not judged. The error is a *HandshakeError.
func Accept(r *http.Request) (reply []byte, deflate bool, err error) {
	if err := checkUpgrade(r); err != nil {
		return nil, false, err
	}
	key, err := challenge(r.Header)
	if err != nil {
		return nil, false, err
	}
	extension, err := negotiate(r.Header["Sec-Websocket-Extensions"])
	if err != nil {
		return nil, false, err
	}
	reply = append(reply, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	reply = append(reply, AcceptKey(key)...)
	if extension != "" {
		reply = append(reply, "\r\nSec-WebSocket-Extensions: "...)
		reply = append(reply, extension...)
	}
	return append(reply, "\r\n\r\n"...), extension != "", nil
}

// AcceptKey returns the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key, RFC 6455
// section 4.2.2, point 5.4.
func AcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// checkUpgrade checks that r asks for WebSocket in a way that HTTP allows.
func checkUpgrade(r *http.Request) error {
	switch {
	case r.Method != http.MethodGet:
		return refuse(http.StatusMethodNotAllowed, "a WebSocket handshake is a GET")
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return refuse(http.StatusHTTPVersionNotSupported, "a WebSocket handshake needs HTTP/1.1")
	case r.Host == "":
		return refuse(http.StatusBadRequest, "no Host")
	case r.ContentLength != 0: // -1 if chunked
		return refuse(http.StatusBadRequest, "a WebSocket handshake has no body")
	case !hasToken(r.Header["Upgrade"], "websocket"):
		return refuse(http.StatusUpgradeRequired, "no Upgrade: websocket: this is spoken over WebSocket")
	case !hasToken(r.Header["Connection"], "upgrade"):
		return refuse(http.StatusBadRequest, "no Connection: Upgrade")
	}
	return nil
}

// challenge checks the version and returns the key.
func challenge(h http.Header) (key string, err error) {
	if versions := h["Sec-Websocket-Version"]; len(versions) != 1 || versions[0] != "13" {
		return "", refuse(http.StatusUpgradeRequired, "Sec-WebSocket-Version must be 13")
	}
	keys := h["Sec-Websocket-Key"]
	if len(keys) != 1 {
		return "", refuse(http.StatusBadRequest, "there must be one Sec-WebSocket-Key")
	}
	nonce, err := base64.StdEncoding.DecodeString(keys[0])
	if err != nil || len(nonce) != 16 {
		return "", refuse(http.StatusBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64")
	}
	return keys[0], nil
}

// hasToken tells whether the comma-separated lists of values have word, in any case.
func hasToken(values []string, word string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), word) {
				return true
			}
		}
	}
	return false
}

// HandshakeError is a request that no WebSocket connection comes of.
type HandshakeError struct {
	Status int    // of the HTTP answer
	Reason string // one line for the client: what is wrong

	RetryAfter time.Duration // when the client may try again; 0: nothing is said of that
}

// RetryAfterSeconds is the value of the header Retry-After: whole seconds, rounded up.
func (e *HandshakeError) RetryAfterSeconds() string {
	return strconv.Itoa(int((e.RetryAfter + time.Second - 1) / time.Second))
}

func refuse(status int, reason string) *HandshakeError {
	return &HandshakeError{Status: status, Reason: reason}
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("websocket handshake: %s (%d)", e.Reason, e.Status)
}

// Response returns the whole HTTP answer, after which the connection is to be closed.
func (e *HandshakeError) Response() []byte {
	head := []string{
		fmt.Sprintf("HTTP/1.1 %d %s", e.Status, http.StatusText(e.Status)),
		"Content-Type: text/plain; charset=utf-8",
		fmt.Sprintf("Content-Length: %d", len(e.Reason)+1),
		"Connection: close",
	}
	switch e.Status {
	case http.StatusMethodNotAllowed:
		head = append(head, "Allow: GET")
	case http.StatusUpgradeRequired:
		head = append(head, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
	}
	if e.RetryAfter > 0 {
		head = append(head, "Retry-After: "+e.RetryAfterSeconds())
	}
	return []byte(strings.Join(slices.Concat(head, []string{"", e.Reason + "\n"}), "\r\n"))
}
