package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// heartbeat of devices, in seconds: what they promise. They beat more often.
const heartbeat = "600"

// listenRESP is "sub KEY HEARTBEAT TOKEN VERSION MID". docs/protocol.md, "legacy RESP".
func listenRESP(ctx context.Context, d *device, n *Node) error {
	c, err := d.r.cfg.Topology.connect(ctx, n.Public, d.draw)
	if err != nil {
		return err
	}
	defer c.Close()
	c.beat = "h"
	if err := c.say(command("sub", d.key.name, heartbeat, "", "1", decimal(d.after()))); err != nil {
		return err
	}
	return d.readLegacy(n, c, c.legacyText)
}

// legacyText returns the next line or message.
func (c *line) legacyText() (string, error) {
	text, err := c.text()
	if err != nil || !strings.HasPrefix(text, "$") {
		return text, err
	}
	size, err := strconv.Atoi(text[1:])
	if err != nil {
		return "", fmt.Errorf("was told %.60q", text)
	}
	return c.bytes(size, len("\r\n"))
}

// listenWebSocket is GET /sub. docs/protocol.md, "legacy WebSocket".
func listenWebSocket(ctx context.Context, d *device, n *Node) error {
	c, err := d.r.cfg.Topology.connect(ctx, n.Public, d.draw)
	if err != nil {
		return err
	}
	defer c.Close()
	c.beat = "\x81\x81\x00\x00\x00\x00h" // a text frame, masked with zeros
	query := url.Values{"key": {d.key.name}, "heartbeat": {heartbeat}, "ver": {"1"}, "mid": {decimal(d.after())}}
	if err := c.say("GET /sub?" + query.Encode() + " HTTP/1.1\r\nHost: " + n.Public + "\r\nUpgrade: websocket\r\n" +
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		return err
	}
	if err := c.await(); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("handshake: %s", resp.Status)
	}
	return d.readLegacy(n, c, c.frame)
}

// frame returns the text of the next frame. The node never fragments and never pings.
func (c *line) frame() (string, error) {
	head, err := c.bytes(2, 0)
	if err != nil {
		return "", err
	}
	size, long := int(head[1]), map[byte]int{126: 2, 127: 8}[head[1]]
	if long > 0 {
		extended, err := c.bytes(long, 0)
		if err != nil {
			return "", err
		}
		size = 0
		for _, b := range []byte(extended) {
			size = size<<8 | int(b)
		}
	}
	text, err := c.bytes(size, 0)
	if err != nil || head[0] == 0x81 {
		return text, err
	}
	if head[0] == 0x88 && len(text) >= 2 {
		return "", fmt.Errorf("closed with %d %q", int(text[0])<<8|int(text[1]), text[2:])
	}
	return "", io.ErrUnexpectedEOF
}

// readLegacy takes the texts of a legacy dialect to their end.
func (d *device) readLegacy(n *Node, c *line, next func() (string, error)) error {
	for first := true; ; {
		if err := c.await(); err != nil {
			return err
		}
		text, err := next()
		if err != nil {
			return err
		}
		text = strings.TrimSuffix(text, "\r\n")
		switch {
		case text == "+h" && first:
			first = false
			d.subscribed(n)
		case text == "+h": // the answer to a heartbeat
		case strings.HasPrefix(text, "+g "):
			from, err := strconv.ParseInt(text[len("+g "):], 10, 64)
			if err != nil {
				return err
			}
			d.gone(from)
		case strings.HasPrefix(text, "{"):
			if err := d.takeLegacy(text); err != nil {
				return err
			}
		default:
			return fmt.Errorf("was told %.60q", text)
		}
	}
}

// takeLegacy takes a message as JSON. docs/protocol.md, "legacy message".
func (d *device) takeLegacy(text string) error {
	var m struct {
		Msg  string
		Mid  int64
		Prev *int64
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil || m.Mid == 0 {
		d.r.ledger.find(Wrong, "%v, connection %d: not a message: %.100q, %v", d, d.visit, text, err)
		return err
	}
	prev := int64(-1)
	if m.Prev != nil {
		prev = *m.Prev
	}
	d.take(m.Msg, false, m.Mid, prev)
	return nil
}
