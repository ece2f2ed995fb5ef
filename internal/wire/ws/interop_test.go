package ws_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"gopush/internal/wire/ws"
)

// What coder/websocket says must be heard by us, and the other way around.

// payloads are what is sent to and fro: no bytes, every form of a length, and bytes that
// do not compress.
func payloads() [][]byte {
	noise := make([]byte, 70000)
	_, _ = rand.Read(noise)
	return [][]byte{
		{},
		[]byte("h"), []byte(strings.Repeat("hello ", 20)), []byte(strings.Repeat("hello ", 1000)),
		[]byte(strings.Repeat("hello ", 20000)), noise,
	}
}

// echo speaks one side of a connection with our functions alone: it sends every message back
// until the peer closes, and answers the close.
func echo(conn net.Conn, unread []byte, client, deflate bool) error {
	p := ws.Parser{MaxMessage: 1 << 20, Client: client}
	s := sender{conn: conn, client: client, deflate: deflate}
	var part *ws.Assembly
	buf := unread
	for {
		msg, n, next, err := p.Next(buf, part, deflate)
		if err != nil {
			return err
		}
		if n == 0 {
			more := make([]byte, 1000)
			n, err := conn.Read(more)
			if err != nil {
				return err
			}
			buf = append(buf, more[:n]...)
			continue
		}
		buf, part = buf[n:], next
		if err := s.answer(msg); err != nil || msg.Op == ws.Close {
			return err
		}
	}
}

// sender sends as its side of a connection does.
type sender struct {
	conn            net.Conn
	client, deflate bool
	deflater        ws.Deflater
}

func (s *sender) answer(msg ws.Message) error {
	switch msg.Op {
	case ws.Text, ws.Binary:
		return s.send(msg.Op, msg.Payload)
	case ws.Ping:
		return s.send(ws.Pong, msg.Payload)
	case ws.Close:
		return s.send(ws.Close, ws.AppendCloseBody(nil, msg.Code, msg.Reason))
	}
	return nil
}

func (s *sender) send(op ws.Op, payload []byte) error {
	compressed := s.deflate && op <= ws.Binary
	if compressed {
		payload = s.deflater.Append(nil, payload)
	}
	frame := ws.AppendFrame(nil, op, compressed, payload)
	if s.client {
		frame = ws.AppendMasked(nil, op, compressed, [4]byte{1, 0x20, 0xff, 7}, payload)
	}
	_, err := s.conn.Write(frame)
	return err
}

func TestOurServerWithAnotherClient(t *testing.T) {
	t.Parallel()
	for _, mode := range []websocket.CompressionMode{websocket.CompressionDisabled, websocket.CompressionContextTakeover, websocket.CompressionNoContextTakeover} {
		t.Run(fmt.Sprint("compression mode ", mode), func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ended <- serveEcho(w, r, mode != websocket.CompressionDisabled)
			}))
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			conn, _, err := websocket.Dial(ctx, server.URL, &websocket.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
			if err != nil {
				t.Fatalf("Dial: %v", err)
			}
			defer conn.CloseNow()
			converse(ctx, t, conn)
			if err := conn.Close(websocket.StatusNormalClosure, "bye"); err != nil {
				t.Errorf("Close: %v", err)
			}
			if err := <-ended; err != nil {
				t.Errorf("our side ended with %v", err)
			}
		})
	}
}

// serveEcho opens our side of a WebSocket connection and echoes.
func serveEcho(w http.ResponseWriter, r *http.Request, wantDeflate bool) error {
	reply, deflate, err := ws.Accept(r)
	if err != nil || deflate != wantDeflate {
		return fmt.Errorf("Accept: deflate %v, %w", deflate, err)
	}
	conn, unread, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(reply); err != nil {
		return err
	}
	rest, _ := unread.Reader.Peek(unread.Reader.Buffered())
	return echo(conn, bytes.Clone(rest), false, deflate)
}

// converse sends every payload, whole and in pieces, and expects each back.
func converse(ctx context.Context, t *testing.T, conn *websocket.Conn) {
	t.Helper()
	conn.SetReadLimit(1 << 20)
	for _, payload := range payloads() {
		if err := conn.Write(ctx, websocket.MessageBinary, payload); err != nil {
			t.Fatalf("Write of %d bytes: %v", len(payload), err)
		}
		wantBack(ctx, t, conn, payload)
		if err := writePieces(ctx, conn, payload); err != nil {
			t.Fatalf("writing %d bytes in pieces: %v", len(payload), err)
		}
		wantBack(ctx, t, conn, payload)
	}
}

func writePieces(ctx context.Context, conn *websocket.Conn, payload []byte) error {
	w, err := conn.Writer(ctx, websocket.MessageBinary)
	if err != nil {
		return err
	}
	half := len(payload) / 2
	_, err1 := w.Write(payload[:half])
	_, err2 := w.Write(payload[half:])
	return errors.Join(err1, err2, w.Close())
}

func wantBack(ctx context.Context, t *testing.T, conn *websocket.Conn, want []byte) {
	t.Helper()
	kind, got, err := conn.Read(ctx)
	if err != nil || kind != websocket.MessageBinary || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes came back as %v of %d bytes, %v", len(want), kind, len(got), err)
	}
}

func TestOurClientWithAnotherServer(t *testing.T) {
	t.Parallel()
	for _, deflate := range []bool{false, true} {
		t.Run(fmt.Sprint("deflate ", deflate), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			done := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: 1})
				if err != nil {
					t.Errorf("Accept: %v", err)
					return
				}
				converse(ctx, t, conn)
				if err := conn.Close(websocket.StatusNormalClosure, "bye"); err != nil {
					t.Errorf("Close: %v", err)
				}
			}))
			defer server.Close()
			if err := dialEcho(server.Listener.Addr().String(), deflate); err != nil {
				t.Errorf("our side ended with %v", err)
			}
			<-done
		})
	}
}

// dialEcho opens our side of a WebSocket connection to a server and echoes.
func dialEcho(addr string, deflate bool) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	head := upgrade
	if deflate {
		head = strings.Replace(head, "Host:", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\nHost:", 1)
	}
	if _, err := conn.Write([]byte(head)); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	if got := resp.Header.Get("Sec-WebSocket-Extensions") != ""; got != deflate || resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("answered %s, deflate %v", resp.Status, got)
	}
	rest, _ := in.Peek(in.Buffered())
	return echo(conn, bytes.Clone(rest), true, deflate)
}
