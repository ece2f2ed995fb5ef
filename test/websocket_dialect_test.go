package test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestWebSocketHandshake(t *testing.T) {
	usual := handshake("k", "")
	tests := []struct{ name, request string }{
		{"as browsers send it", handshake("k", "", "Origin: https://example.com", "User-Agent: x", "Pragma: no-cache", "Cookie: a=b")},
		{"names and values in other cases", strings.NewReplacer(
			"Upgrade: websocket", "uPGRADE: WebSocket", "Connection: Upgrade", "CONNECTION: upgrade",
			"Sec-WebSocket-Key", "sec-websocket-key").Replace(usual)},
		{"lists of tokens", strings.NewReplacer(
			"Upgrade: websocket", "Upgrade: h2c, websocket", "Connection: Upgrade", "Connection: keep-alive, Upgrade").Replace(usual)},
		{"unknown parameters", handshake("k", "&x=y&heartbeats=1&callback=f")},
		{"a protocol", handshake("k", "", "Sec-WebSocket-Protocol: chat, superchat")},
		{"an unknown extension", handshake("k", "", "Sec-WebSocket-Extensions: x-unknown; a=1")},
		{"bare line feeds", strings.ReplaceAll(usual, "\r\n", "\n")},
	}
	onEngines(t, nil, func(t *testing.T, n *node) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				p := dial(t, n.public[0])
				p.send(tt.request)
				web := p.upgraded()
				web.expectText("+h\r\n")
				for _, name := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"} {
					if got := web.header.Values(name); got != nil {
						t.Errorf("answered with %s: %q, want none", name, got)
					}
				}
			})
		}
	})
}

func TestWebSocketHandshakeInPieces(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		p := dial(t, n.public[0])
		p.sendBytewise(handshake("k", "") + frame(fin|opText, "h"))
		web := p.upgraded()
		web.expectText("+h\r\n")
		web.expectText("+h\r\n")

		p = dial(t, n.public[0])
		p.send(handshake("k", "") + strings.Repeat(frame(fin|opText, "h"), 3)) // in one packet
		web = p.upgraded()
		for range 4 {
			web.expectText("+h\r\n")
		}
	})
}

func TestWebSocketMessages(t *testing.T) {
	const spare = len(`{"msg":"","mid":17000000000000000,"gid":0}`)
	onEngines(t, nil, func(t *testing.T, n *node) {
		modern, old := n.subscribeWS("a k/ž", "&ver=1&token=any"), n.subscribeWS("a k/ž", "&ver=&token=")
		check := func(payload, wantModern, wantOld string) {
			t.Helper()
			n.push(url.PathEscape("a k/ž"), payload, "?expire=0")
			got := modern.message()
			mid := parseMessage(t, got).Mid
			for got, msg := range map[string]string{got: wantModern, old.message(): wantOld} {
				if want := fmt.Sprintf(`{"msg":%s,"mid":%d,"gid":0}`, msg, mid); got != want {
					t.Fatalf("got %.200s, want %.200s", got, want)
				}
			}
		}
		check(`{"a" : [1, 2]}`, `{"a":[1,2]}`, `"{\"a\" : [1, 2]}"`)
		check(`not json`, `"not json"`, `"not json"`)
		for _, size := range []int{125, 126, 127, 65535, 65536, 1 << 20} { // around what a length is written in
			text := strings.Repeat("x", size-spare)
			check(text, `"`+text+`"`, `"`+text+`"`)
		}
	})
}

// A heartbeat is a message h, however it is framed.
func TestWebSocketHeartbeats(t *testing.T) {
	ping := frame(fin|opPing, "are you there?")
	tests := []struct {
		name, sent string
		pongs      []string
	}{
		{"text", frame(fin|opText, "h"), nil},
		{"binary", frame(fin|opBinary, "h"), nil},
		{"with a line end", frame(fin|opText, "h\r\n"), nil},
		{"fragments", frame(opText, "h") + frame(fin|opContinuation, ""), nil},
		{"empty fragments", frame(opText, "") + frame(opContinuation, "") + frame(opContinuation, "h") + frame(fin|opContinuation, ""), nil},
		{"a ping between fragments", frame(opText, "") + ping + frame(fin|opContinuation, "h"), []string{"are you there?"}},
		{"pings around it", frame(fin|opPing, "") + frame(fin|opPing, strings.Repeat("x", 125)) + frame(fin|opText, "h"), []string{"", strings.Repeat("x", 125)}},
		{"a pong that nobody asked for", frame(fin|opPong, "x") + frame(fin|opText, "h"), nil},
	}
	onEngines(t, nil, func(t *testing.T, n *node) {
		web := n.subscribeWS("k", "")
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				web := web.in(t)
				web.send(tt.sent)
				for _, pong := range tt.pongs {
					web.expectFrame(fin|opPong, pong)
				}
				web.expectText("+h\r\n")
				web.sendBytewise(tt.sent)
				for _, pong := range tt.pongs {
					web.expectFrame(fin|opPong, pong)
				}
				web.expectText("+h\r\n")
			})
		}
	})
}

// Who closes is answered with the same code and then the end, whatever else comes.
func TestWebSocketCloseHandshake(t *testing.T) {
	tests := []struct {
		name, sent string
		code       int
	}{
		{"normal", closeFrame(1000, "bye"), 1000},
		{"going away", closeFrame(1001, ""), 1001},
		{"service restart", closeFrame(1012, ""), 1012},
		{"a code of libraries", closeFrame(3000, ""), 3000},
		{"a code of applications, with the longest reason", closeFrame(4999, strings.Repeat("é", 61)+"x"), 4999},
		{"no code", frame(fin|opClose, ""), 1000},
		{"frames after it", closeFrame(1000, "") + frame(fin|opText, "h") + unmasked(fin|opText, "x"), 1000},
		{"between fragments", frame(opText, "h") + closeFrame(1001, ""), 1001},
	}
	onEngines(t, nil, func(t *testing.T, n *node) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				n := n.in(t)
				before := n.closed("peer_closed")
				web := n.subscribeWS("k", "")
				web.send(tt.sent)
				web.expectClose(tt.code)
				web.Close()
				n.expectClosed("peer_closed", before+1)
			})
		}
	})
}

// Each close of ours has a code that says who should do what.
func TestWebSocketIsClosedWithACode(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		kicked, other := n.subscribeWS("kicked", ""), n.subscribeWS("other", "")
		if a := do(t, "DELETE", n.adminURL("/v1/keys/kicked/connections"), ""); a.body != `{"closed":1}` {
			t.Errorf("kick answered %d %s", a.status, a.body)
		}
		kicked.expectClose(1008)
		kicked.Close()
		resp := n.subscribe("other")
		done := make(chan error, 1)
		go func() { done <- n.terminate() }()
		other.expectClose(1001)
		resp.expectEnd("")
		other.Close()
		resp.Close()
		if err := <-done; err != nil {
			t.Errorf("the node ended with %v", err)
		}
	})
}
