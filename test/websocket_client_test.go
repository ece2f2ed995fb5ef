package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// A client library that people use: github.com/coder/websocket.
func TestWebSocketLibrary(t *testing.T) {
	modes := map[string]websocket.CompressionMode{
		"plain": websocket.CompressionDisabled, "deflate": websocket.CompressionNoContextTakeover,
		"deflate, offering context takeover": websocket.CompressionContextTakeover,
	}
	onEngines(t, nil, func(t *testing.T, n *node) {
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) { useLibrary(t, n.in(t), mode) })
		}
	})
}

func useLibrary(t *testing.T, n *node, mode websocket.CompressionMode) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, "ws://"+n.public[0]+"/sub?key=k&heartbeat=30&ver=1", &websocket.DialOptions{CompressionMode: mode})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(2 << 20)
	if compressed := resp.Header.Get("Sec-WebSocket-Extensions") != ""; compressed != (mode != websocket.CompressionDisabled) {
		t.Fatalf("extensions %q for mode %v", resp.Header.Get("Sec-WebSocket-Extensions"), mode)
	}
	read := func() string {
		t.Helper()
		kind, data, err := c.Read(ctx)
		if err != nil || kind != websocket.MessageText {
			t.Fatalf("read %v %.100q: %v", kind, data, err)
		}
		return string(data)
	}
	if got := read(); got != "+h\r\n" {
		t.Fatalf("greeted with %q", got)
	}
	for i, size := range []int{1, 200, 5000, 100_000, 1 << 19} {
		text := strings.Repeat(fmt.Sprint(i, " and "), size)[:size]
		n.push("k", text, "?expire=0")
		var got struct{ Msg string }
		if err := json.Unmarshal([]byte(quoteNumbers(read())), &got); err != nil || got.Msg != text {
			t.Fatalf("message %d of %d bytes came with %d: %v", i, size, len(got.Msg), err)
		}
		if err := c.Write(ctx, websocket.MessageText, []byte("h")); err != nil {
			t.Fatal(err)
		}
		if got := read(); got != "+h\r\n" {
			t.Fatalf("heartbeat answered with %q", got)
		}
	}
	if err := pingWhileReading(ctx, c); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// quoteNumbers makes a string of a msg that is a number: the shortest text is one.
func quoteNumbers(message string) string {
	return strings.Replace(message, `{"msg":0,`, `{"msg":"0",`, 1)
}

// pingWhileReading pings and then closes, both as RFC 6455 asks of the two sides.
func pingWhileReading(ctx context.Context, c *websocket.Conn) error {
	ended := c.CloseRead(ctx)
	if err := c.Ping(ctx); err != nil {
		return err
	}
	if err := c.Close(websocket.StatusNormalClosure, "done"); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	<-ended.Done()
	return nil
}

func TestWebSocketLibrarySeesTheCode(t *testing.T) {
	t.Parallel()
	n := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+n.public[0]+"/sub?key=k&heartbeat=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, data, err := c.Read(ctx); err != nil || string(data) != "-p\r\n" {
		t.Fatalf("got %q, %v, want -p", data, err)
	}
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("then %v, want close code 1008", err)
	}
	_, resp, err := websocket.Dial(ctx, "ws://"+n.public[0]+"/elsewhere", nil)
	if err == nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("another path is answered with %v %v, want 404", resp, err)
	}
}
