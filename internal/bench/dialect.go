package bench

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"
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

func (legacyRESP) hello(key string) []byte { return subCommand(key) }

func (legacyRESP) resume(key string, mid int64) []byte {
	return subCommand(key, strconv.FormatInt(mid, 10))
}

// subCommand is "sub KEY HEARTBEAT TOKEN VERSION", and more arguments.
func subCommand(key string, more ...string) []byte {
	args := append([]string{"sub", key, heartbeat, "", "1"}, more...)
	command := resp.AppendArray(nil, len(args))
	for _, arg := range args {
		command = resp.AppendBulk(command, arg)
	}
	return command
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
	case bytes.HasPrefix(text, []byte("+g ")): // something is gone: it will be seen missing
		return item{}, nil
	}
	return item{}, fmt.Errorf("subscription refused with %.40q", text)
}

// legacyWebSocket is "legacy WebSocket".
type legacyWebSocket struct{ webSocket }

func newLegacyWebSocket(host string) *legacyWebSocket {
	return &legacyWebSocket{newWebSocket(host)}
}

func (d *legacyWebSocket) hello(key string) []byte { return d.subscribe(key, nil) }

func (d *legacyWebSocket) resume(key string, mid int64) []byte {
	return d.subscribe(key, url.Values{"mid": {strconv.FormatInt(mid, 10)}})
}

func (d *legacyWebSocket) subscribe(key string, more url.Values) []byte {
	query := url.Values{"key": {key}, "heartbeat": {heartbeat}, "ver": {"1"}}
	maps.Copy(query, more)
	return d.handshake("/sub?" + query.Encode())
}

func (d *legacyWebSocket) next(buf []byte) (it item, n int, err error) {
	text, upgrade, n, err := d.text(buf)
	if n > 0 && !upgrade {
		it, err = legacyItem(text)
	}
	return it, n, err
}

// webSocket is what is the same for the subscribers of all servers that speak it.
type webSocket struct {
	host   string
	parser ws.Parser
}

func newWebSocket(host string) webSocket {
	return webSocket{host: host, parser: ws.Parser{MaxMessage: maxMessage, Client: true}}
}

// handshake always has the same challenge: a measurement does not check the answer to it.
func (d *webSocket) handshake(target string) []byte {
	lines := []string{
		"GET " + target + " HTTP/1.1",
		"Host: " + d.host,
		"Connection: Upgrade",
		"Upgrade: websocket",
		"Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// text takes a text frame from the start of buf, or the answer to the handshake: upgrade. n is 0
// if it is not complete.
func (d *webSocket) text(buf []byte) (text []byte, upgrade bool, n int, err error) {
	if buf[0] == 'H' { // of HTTP; no frame begins so
		n, err = upgraded(buf)
		return nil, true, n, err
	}
	msg, n, _, err := d.parser.Next(buf, nil, false)
	switch {
	case n == 0 || err != nil:
		return nil, false, 0, err
	case msg.Op == ws.Close:
		return nil, false, 0, fmt.Errorf("closed by the server with code %d, %q", msg.Code, msg.Reason)
	case msg.Op != ws.Text:
		return nil, false, 0, fmt.Errorf("a frame with opcode %d, or a fragment, where a text is due", msg.Op)
	}
	return msg.Payload, false, n, nil
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
