package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"gopush/internal/wire"
	"gopush/internal/wire/resp"
	"gopush/internal/wire/ws"
)

// heartbeat is what subscribers ask for, in seconds. They send none: no run is that long.
const heartbeat = "600"

// maxMessage bounds a message in bytes.
const maxMessage = 2 << 20

// legacyRESP is "legacy RESP".
type legacyRESP struct{}

func (legacyRESP) hello(key string) []byte {
	hello := resp.AppendArray(nil, 5)
	for _, arg := range []string{"sub", key, heartbeat, "", "1"} {
		hello = resp.AppendBulk(hello, arg)
	}
	return hello
}

func (legacyRESP) next(buf []byte) (it item, n int, err error) {
	kind, data, n, err := resp.ParseReply(buf, maxMessage)
	if n == 0 || err != nil {
		return item{}, 0, err
	}
	if kind != '$' {
		data = buf[:n]
	}
	it, err = legacyItem(data)
	return it, n, err
}

// legacyItem is what a text of a node means to both legacy dialects.
func legacyItem(text []byte) (item, error) {
	switch {
	case len(text) > 0 && text[0] == '{':
		payload, mid, err := parseJSON(text)
		return item{kind: delivery, payload: payload, mid: mid}, err
	case string(text) == wire.TextHeartbeat:
		return item{kind: subscribed}, nil
	}
	return item{}, fmt.Errorf("subscription refused with %.40q", text)
}

// legacyWebSocket is "legacy WebSocket".
type legacyWebSocket struct {
	host   string
	parser ws.Parser
}

func newLegacyWebSocket(host string) *legacyWebSocket {
	return &legacyWebSocket{host: host, parser: ws.Parser{MaxMessage: maxMessage, Client: true}}
}

// hello always has the same challenge: a measurement does not check the handshake.
func (d *legacyWebSocket) hello(key string) []byte {
	query := url.Values{"key": {key}, "heartbeat": {heartbeat}, "ver": {"1"}}
	lines := []string{
		"GET /sub?" + query.Encode() + " HTTP/1.1",
		"Host: " + d.host,
		"Connection: Upgrade",
		"Upgrade: websocket",
		"Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

func (d *legacyWebSocket) next(buf []byte) (it item, n int, err error) {
	if bytes.HasPrefix(buf, []byte("HTTP/")) {
		n, err = upgraded(buf)
		return item{}, n, err
	}
	msg, n, _, err := d.parser.Next(buf, nil, false)
	switch {
	case n == 0 || err != nil:
		return item{}, 0, err
	case msg.Op == ws.Close:
		return item{}, 0, fmt.Errorf("closed by the server with code %d, %q", msg.Code, msg.Reason)
	case msg.Op != ws.Text:
		return item{}, 0, fmt.Errorf("a frame with opcode %d, or a fragment, where a text is due", msg.Op)
	}
	it, err = legacyItem(msg.Payload)
	return it, n, err
}

// upgraded takes the head of the answer to a handshake.
func upgraded(buf []byte) (n int, err error) {
	end := bytes.Index(buf, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil
	}
	if !bytes.HasPrefix(buf, []byte("HTTP/1.1 101 ")) {
		line, _, _ := bytes.Cut(buf, []byte("\r\n"))
		return 0, errors.New("WebSocket refused with " + string(line))
	}
	return end + len("\r\n\r\n"), nil
}
