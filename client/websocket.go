package client

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gopush/internal/wire/ws"
)

// webSocket speaks docs/protocol.md, "legacy WebSocket".
type webSocket struct {
	stream
	parser ws.Parser
	part   *ws.Assembly // of a message that came in part, else nil
}

func (s *subscription) openWebSocket(conn net.Conn) (transport, error) {
	req := s.addr().request("sub")
	query := url.Values{
		"key":       {s.cfg.Key},
		"heartbeat": {heartbeatSeconds(s.cfg.Heartbeat)},
		"ver":       {version},
		"mid":       {strconv.FormatInt(s.last, 10)},
	}
	if s.cfg.Token != "" {
		query.Set("token", s.cfg.Token)
	}
	req.URL.RawQuery = query.Encode()
	early, err := upgrade(conn, req)
	if err != nil {
		return nil, err
	}
	return &webSocket{
		stream: stream{Conn: conn, buf: early},
		parser: ws.Parser{MaxMessage: s.cfg.MaxMessageBytes, Client: true},
	}, nil
}

// upgrade makes conn a WebSocket by asking req, and returns what the server sent after its
// answer. RFC 6455 section 4.1.
func upgrade(conn net.Conn, req *http.Request) (early []byte, err error) {
	var nonce [16]byte
	rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", key)
	resp, rest, err := exchange(conn, req)
	if err != nil {
		return nil, err
	}
	if err := checkUpgrade(resp, key); err != nil {
		return nil, err
	}
	early, err = rest.Peek(rest.Buffered())
	return slices.Clone(early), err
}

// checkUpgrade returns nil if resp accepts the handshake that had key.
func checkUpgrade(resp *http.Response, key string) error {
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return withRetry(fmt.Errorf("%w: HTTP status %s instead of a WebSocket", errProtocol, resp.Status), resp)
	case !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket"),
		resp.Header.Get("Sec-WebSocket-Accept") != ws.AcceptKey(key),
		resp.Header.Get("Sec-WebSocket-Extensions") != "",
		resp.Header.Get("Sec-WebSocket-Protocol") != "":
		return fmt.Errorf("%w: bad WebSocket handshake", errProtocol)
	}
	return nil
}

func (w *webSocket) next() (kind byte, data []byte, err error) {
	for {
		msg, n, part, err := w.parser.Next(w.unused(), w.part, false)
		if err != nil {
			return 0, nil, err
		}
		w.part = part
		w.used += n
		switch {
		case n == 0:
			err = w.fill()
		case msg.Op == ws.Text:
			return reply(msg.Payload)
		default:
			err = w.control(msg)
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// reply tells kind and data of a text: "+h\r\n", "-p\r\n" or the bare JSON of a message.
func reply(text []byte) (kind byte, data []byte, err error) {
	switch {
	case len(text) == 0:
		return 0, nil, fmt.Errorf("%w: empty message", errProtocol)
	case text[0] == '+', text[0] == '-':
		return text[0], bytes.TrimSuffix(text[1:], []byte("\r\n")), nil
	}
	return '$', text, nil
}

// control does what a frame that is no text asks for.
func (w *webSocket) control(msg ws.Message) error {
	switch msg.Op {
	case ws.Ping:
		return w.sendFrame(ws.Pong, msg.Payload)
	case ws.Close:
		// The answer is a courtesy: the connection ends either way.
		return errors.Join(closed(msg), w.sendFrame(ws.Close, nil))
	}
	return nil
}

// closed is the error for the server's close frame.
func closed(msg ws.Message) error {
	if msg.Reason == "" {
		return fmt.Errorf("closed by the server with code %d: %w", msg.Code, io.EOF)
	}
	if err := retryReason(msg.Reason); err != nil {
		return fmt.Errorf("closed by the server with code %d: %w", msg.Code, err)
	}
	return fmt.Errorf("closed by the server with code %d, %q: %w", msg.Code, msg.Reason, io.EOF)
}

func (w *webSocket) beat() error { return w.sendFrame(ws.Text, []byte{'h'}) }

func (w *webSocket) sendFrame(op ws.Op, payload []byte) error {
	var mask [4]byte
	rand.Read(mask[:])
	return w.send(ws.AppendMasked(nil, op, false, mask, payload))
}
