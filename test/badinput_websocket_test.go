package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// refusedQueries are what a WebSocket subscription must not ask for: it is answered -p.
var refusedQueries = []struct{ name, query string }{
	{"no query", ""},
	{"no key", "heartbeat=30"},
	{"an empty key", "key=&heartbeat=30"},
	{"a key of 256 bytes", "heartbeat=30&key=" + strings.Repeat("k", 256)},
	{"a key with NUL", "heartbeat=30&key=k%00"},
	{"a key with a line end", "heartbeat=30&key=a%0D%0Ab"},
	{"a key that is not UTF-8", "heartbeat=30&key=%FF"},
	{"a key that is wrongly encoded", "heartbeat=30&key=%ZZ"},
	{"no heartbeat", "key=k"},
	{"heartbeat 29", "key=k&heartbeat=29"},
	{"heartbeat 86401", "key=k&heartbeat=86401"},
	{"a heartbeat that overflows", "key=k&heartbeat=18446744073709551646"},
	{"a heartbeat that is a word", "key=k&heartbeat=often"},
	{"a negative mid", "key=k&heartbeat=30&mid=-1"},
	{"a mid that is a word", "key=k&heartbeat=30&mid=last"},
}

func TestWebSocketRefusals(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		w := newWitness(n)
		for _, tt := range refusedQueries {
			t.Run(tt.name, func(t *testing.T) {
				before := n.in(t).closed("bad_command")
				p := dial(t, n.public[0])
				p.send(strings.Replace(handshake("k", ""), "/sub?key=k&heartbeat=60", "/sub?"+tt.query, 1))
				web := p.upgraded()
				web.expectText("-p\r\n")
				web.expectClose(1008)
				web.Close()
				n.in(t).expectClosed("bad_command", before+1)
			})
		}
		w.check(t)
	})
}

// replaced is a handshake in which one thing is another.
func replaced(old, new string) string {
	return strings.Replace(handshake("k", ""), old, new, 1)
}

var refusedHandshakes = []struct {
	name, request string
	status        int
}{
	{"a POST", replaced("GET ", "POST "), http.StatusMethodNotAllowed},
	{"a HEAD", replaced("GET ", "HEAD "), http.StatusMethodNotAllowed},
	{"another path", replaced("/sub?", "/subs?"), http.StatusNotFound},
	{"a slash behind the path", replaced("/sub?", "/sub/?"), http.StatusNotFound},
	{"no Upgrade", replaced("Upgrade: websocket\r\n", ""), http.StatusUpgradeRequired},
	{"another Upgrade", replaced("Upgrade: websocket", "Upgrade: h2c"), http.StatusUpgradeRequired},
	{"no Connection", replaced("Connection: Upgrade\r\n", ""), http.StatusBadRequest},
	{"another Connection", replaced("Connection: Upgrade", "Connection: keep-alive"), http.StatusBadRequest},
	{"no version", replaced("Sec-WebSocket-Version: 13\r\n", ""), http.StatusUpgradeRequired},
	{"an old version", replaced("Version: 13", "Version: 8"), http.StatusUpgradeRequired},
	{"no key", replaced("Sec-WebSocket-Key: "+wsKey+"\r\n", ""), http.StatusBadRequest},
	{"a key that is no base64", replaced(wsKey, "not base64 at all!!!!!!!"), http.StatusBadRequest},
	{"a key of 15 bytes", replaced(wsKey, "dGhlIHNhbXBsZSBub25j"), http.StatusBadRequest},
	{"two keys", handshake("k", "", "Sec-WebSocket-Key: "+wsKey), http.StatusBadRequest},
	{"a body", handshake("k", "", "Content-Length: 1") + "x", http.StatusBadRequest},
	{"no Host", replaced("Host: example.com\r\n", ""), http.StatusBadRequest},
	{"HTTP/1.0", replaced("HTTP/1.1", "HTTP/1.0"), http.StatusHTTPVersionNotSupported},
	{"malformed extensions", handshake("k", "", "Sec-WebSocket-Extensions: ;="), http.StatusBadRequest},
	{"a header without a name", handshake("k", "", ": x"), http.StatusBadRequest},
}

// A handshake that is refused is refused in the same way when it is the first request of its
// connection and when it follows another.
func TestWebSocketHandshakeRefusals(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		w := newWitness(n)
		for _, tt := range refusedHandshakes {
			t.Run(tt.name, func(t *testing.T) {
				p := dial(t, n.public[0])
				resp, body := p.request(tt.request)
				if resp.StatusCode != tt.status {
					t.Errorf("refused with %s %q, want %d", resp.Status, body, tt.status)
				}
				if tt.status == http.StatusUpgradeRequired && resp.Header.Get("Sec-WebSocket-Version") != "13" {
					t.Errorf("426 does not tell Sec-WebSocket-Version: %v", resp.Header)
				}
				p = dial(t, n.public[0])
				p.request("GET /1/time/get HTTP/1.1\r\nHost: x\r\n\r\n")
				if resp, body := p.request(tt.request); resp.StatusCode != tt.status {
					t.Errorf("on a connection in use it is refused with %s %q, want %d", resp.Status, body, tt.status)
				}
			})
		}
		if got := n.closed("bad_handshake"); got == 0 {
			t.Error("no connection was counted as closed with reason bad_handshake")
		}
		w.check(t)
	})
}

func TestWebSocketHeadTooLong(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		w := newWitness(n)
		for i, request := range []string{
			handshake("k", "", "X-Long: "+strings.Repeat("x", 9000)),
			"GET /1/time/get HTTP/1.1\r\nHost: x\r\nX-Endless: " + strings.Repeat("x", 9000),
			strings.Repeat("GET / HTTP/1.1\r\n", 1) + strings.Repeat("A: b\r\n", 2000),
		} {
			p := dial(t, n.public[0])
			if resp, _ := p.request(request); resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("a head of %d bytes is answered with %s, want 431", len(request), resp.Status)
			}
			p.Close()
			n.expectClosed("too_long", float64(i+1))
		}
		endless := dial(t, n.public[0])
		endless.write("GET /" + strings.Repeat("x", 9000)) // no line yet, so not HTTP either
		endless.expectEnd("-p\r\n")
		w.check(t)
	})
}

// badFrame is what a subscriber must not send, and the close code that answers it.
type badFrame struct {
	name, sent string
	code       int
}

// badFrames are answered by a close frame, in the moment when enough of them is there to tell.
func badFrames() []badFrame {
	list := []badFrame{
		{"RSV1 without an extension", frame(fin|rsv1|opText, "h")[:2], 1002},
		{"RSV2", frame(fin|0x20|opText, "h")[:2], 1002},
		{"RSV3", frame(fin|0x10|opText, "h")[:2], 1002},
		{"no mask", unmasked(fin|opText, "h"), 1002},
		{"a ping without a mask", unmasked(fin|opPing, "h"), 1002},
		{"a continuation of nothing", frame(fin|opContinuation, "h")[:2], 1002},
		{"a continuation of nothing, not the last", frame(opContinuation, "h")[:2], 1002},
		{"a message inside a fragmented one", frame(opText, "h") + frame(fin|opText, "h")[:2], 1002},
		{"a fragmented ping", frame(opPing, "x")[:2], 1002},
		{"a fragmented close", frame(opClose, "")[:2], 1002},
		{"a ping of 126 bytes", announce(fin|opPing, 126)[:2], 1002},
		{"a pong of 126 bytes", announce(fin|opPong, 126)[:2], 1002},
		{"a close of 126 bytes", announce(fin|opClose, 126)[:2], 1002},
		{"a length in more bytes than needed", "\x81\xfe\x00\x01" + frameMask, 1002},
		{"a length in far more bytes than needed", "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01" + frameMask, 1002},
		{"a negative length", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x01" + frameMask, 1002},
		{"half a close code", frame(fin|opClose, "\x03"), 1002},
		{"a close reason that is not UTF-8", closeFrame(1000, "\xff"), 1007},
		{"text that is not UTF-8", frame(fin|opText, "\xff"), 1007},
		{"text with half a character", frame(fin|opText, "\xe2\x82"), 1007},
		{"text with a surrogate", frame(fin|opText, "\xed\xa0\x80"), 1007},
		{"fragmented text that is not UTF-8", frame(opText, "\xe2\x82") + frame(fin|opContinuation, "h"), 1007},
		{"a frame of a terabyte", announce(fin|opText, 1<<40), 1009},
		{"a frame above the limit", announce(fin|opBinary, 1<<16+1), 1009},
		{"fragments above the limit", frame(opBinary, strings.Repeat("x", 1<<15)) + frame(opContinuation, strings.Repeat("x", 1<<15)) + announce(fin|opContinuation, 1), 1009},
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF} {
		list = append(list, badFrame{fmt.Sprintf("opcode %#x", op), frame(fin|op, "")[:2], 1002})
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535} {
		list = append(list, badFrame{fmt.Sprintf("close code %d", code), closeFrame(code, ""), 1002})
	}
	return list
}

func TestWebSocketBadFrames(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		w := newWitness(n)
		for _, tt := range badFrames() {
			t.Run(tt.name, func(t *testing.T) {
				n := n.in(t)
				before := n.closed("bad_frame")
				web := n.subscribeWS("k", "")
				web.send(tt.sent)
				web.expectClose(tt.code)
				web.Close()
				n.expectClosed("bad_frame", before+1)
			})
		}
		w.check(t)
	})
}

// What is well framed and yet no heartbeat gets the dialect's error.
func TestWebSocketBadHeartbeats(t *testing.T) {
	wrongMask := []byte(frame(fin|opText, "h"))
	wrongMask[2] ^= 'h' ^ 'x' // so that h is read as x
	tests := []struct{ name, sent string }{
		{"other text", frame(fin|opText, "x")},
		{"another case", frame(fin|opText, "H")},
		{"two in one", frame(fin|opText, "hh")},
		{"nothing", frame(fin|opText, "")},
		{"other bytes", frame(fin|opBinary, "\x00\xff")},
		{"a large message", frame(fin|opText, strings.Repeat("h", 60000))},
		{"a command", frame(fin|opText, command("sub", "k", "30"))},
		{"another mask than announced", string(wrongMask)},
	}
	onEngines(t, nil, func(t *testing.T, n *node) {
		w := newWitness(n)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				n := n.in(t)
				before := n.closed("bad_heartbeat")
				web := n.subscribeWS("k", "")
				web.send(tt.sent)
				web.expectText("-p\r\n")
				web.expectClose(1008)
				web.Close()
				n.expectClosed("bad_heartbeat", before+1)
			})
		}
		w.check(t)
	})
}
