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

// dialect is the subscriber's side of a protocol.
type dialect interface {
	// hello returns what a subscriber of key sends.
	hello(key string) []byte
	// next takes one item from the start of buf, which it may change. n is 0 if it is not
	// complete; text is wire.TextHeartbeat, the JSON of a message, or nil for what means nothing.
	next(buf []byte) (text []byte, n int, err error)
}

func dialectOf(p Protocol, server string) (dialect, error) {
	switch p {
	case TCP:
		return tcpDialect{}, nil
	case WebSocket:
		return &wsDialect{host: server, parser: ws.Parser{MaxMessage: maxMessage, Client: true}}, nil
	}
	return nil, fmt.Errorf("protocol %q: want %s or %s", p, TCP, WebSocket)
}

// tcpDialect is "legacy RESP".
type tcpDialect struct{}

func (tcpDialect) hello(key string) []byte {
	hello := resp.AppendArray(nil, 5)
	for _, arg := range []string{"sub", key, heartbeat, "", "1"} {
		hello = resp.AppendBulk(hello, arg)
	}
	return hello
}

func (tcpDialect) next(buf []byte) (text []byte, n int, err error) {
	kind, data, n, err := resp.ParseReply(buf, maxMessage)
	if n == 0 || err != nil || kind == '$' {
		return data, n, err
	}
	return accepted(buf[:n])
}

// wsDialect is "legacy WebSocket".
type wsDialect struct {
	host   string
	parser ws.Parser
}

// hello always has the same challenge: a measurement does not check the handshake.
func (d *wsDialect) hello(key string) []byte {
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

func (d *wsDialect) next(buf []byte) (text []byte, n int, err error) {
	if bytes.HasPrefix(buf, []byte("HTTP/")) {
		return upgraded(buf)
	}
	msg, n, _, err := d.parser.Next(buf, nil, false)
	switch {
	case n == 0 || err != nil:
		return nil, 0, err
	case msg.Op == ws.Close:
		return nil, 0, fmt.Errorf("closed by the server with code %d, %q", msg.Code, msg.Reason)
	case msg.Op != ws.Text:
		return nil, 0, fmt.Errorf("a frame with opcode %d, or a fragment, where a text is due", msg.Op)
	case bytes.HasPrefix(msg.Payload, []byte("{")):
		return msg.Payload, n, nil
	}
	_, _, err = accepted(msg.Payload)
	return msg.Payload, n, err
}

// accepted takes what answers a subscription: anything but TextHeartbeat refuses it.
func accepted(text []byte) ([]byte, int, error) {
	if string(text) != wire.TextHeartbeat {
		return nil, 0, fmt.Errorf("subscription refused with %.40q", text)
	}
	return text, len(text), nil
}

// upgraded takes the head of the answer to a handshake.
func upgraded(buf []byte) (text []byte, n int, err error) {
	end := bytes.Index(buf, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, 0, nil
	}
	if !bytes.HasPrefix(buf, []byte("HTTP/1.1 101 ")) {
		line, _, _ := bytes.Cut(buf, []byte("\r\n"))
		return nil, 0, errors.New("WebSocket refused with " + string(line))
	}
	return nil, end + len("\r\n\r\n"), nil
}
