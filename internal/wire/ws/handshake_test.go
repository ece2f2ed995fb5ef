package ws_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"gopush/internal/wire/ws"
)

// upgrade is the handshake of RFC 6455 section 1.3.
const upgrade = "GET /sub?key=k HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

const agreed = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

// request is upgrade with old replaced by new.
func request(t *testing.T, old, new string) *http.Request {
	t.Helper()
	if !strings.Contains(upgrade, old) {
		t.Fatalf("the handshake has no %q", old)
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.Replace(upgrade, old, new, 1))))
	if err != nil {
		t.Fatalf("ReadRequest with %q: %v", new, err)
	}
	return r
}

func TestAcceptTakesGoodHandshakes(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"of the RFC":              {"GET", "GET"},
		"tokens in any case":      {"Upgrade: websocket\r\nConnection: Upgrade", "upgrade: WebSocket\r\nconnection: upgrade"},
		"lists of tokens":         {"Connection: Upgrade", "Connection: keep-alive,Upgrade"},
		"lists on several lines":  {"Connection: Upgrade", "Connection: keep-alive\r\nConnection:\t upgrade , x"},
		"another upgrade first":   {"Upgrade: websocket", "Upgrade: h2c, websocket"},
		"a subprotocol":           {"Host:", "Sec-WebSocket-Protocol: chat\r\nHost:"},
		"an origin":               {"Host:", "Origin: http://example.com\r\nHost:"},
		"a body of no bytes":      {"Host:", "Content-Length: 0\r\nHost:"},
		"an unknown extension":    {"Host:", "Sec-WebSocket-Extensions: x-webkit-deflate-frame; a=\"b\"\r\nHost:"},
		"an empty extension list": {"Host:", "Sec-WebSocket-Extensions: , ,\r\nHost:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reply, deflate, err := ws.Accept(request(t, change[0], change[1]))
			if string(reply) != agreed+"\r\n" || deflate || err != nil {
				t.Errorf("Accept with %q = %q, %v, %v, want %q", change[1], reply, deflate, err, agreed+"\r\n")
			}
		})
	}
}

func TestAcceptRefusesBadHandshakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, old, new string
		status         int
	}{
		{"another method", "GET", "POST", 405},
		{"HTTP/1.0", "HTTP/1.1", "HTTP/1.0", 505},
		{"no host", "Host: server.example.com\r\n", "", 400},
		{"a body", "Host:", "Content-Length: 1\r\nHost:", 400},
		{"a chunked body", "Host:", "Transfer-Encoding: chunked\r\nHost:", 400},
		{"no upgrade", "Upgrade: websocket\r\n", "", 426},
		{"another upgrade", "Upgrade: websocket", "Upgrade: websocket2", 426},
		{"no connection", "Connection: Upgrade\r\n", "", 400},
		{"another connection", "Connection: Upgrade", "Connection: keep-alive", 400},
		{"no version", "Sec-WebSocket-Version: 13\r\n", "", 426},
		{"an old version", "Version: 13", "Version: 8", 426},
		{"two versions", "Version: 13", "Version: 13, 8", 426},
		{"two lines of versions", "Version: 13", "Version: 13\r\nSec-WebSocket-Version: 8", 426},
		{"no key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400},
		{"two keys", "Host:", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost:", 400},
		{"a short key", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400},
		{"a long key", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSE=", 400},
		{"a key that is not base64", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", 400},
		{"malformed extensions", "Host:", "Sec-WebSocket-Extensions: permessage-deflate; =1\r\nHost:", 400},
		{"an extension with an open quote", "Host:", "Sec-WebSocket-Extensions: a; b=\"c\r\nHost:", 400},
		{"an extension with a parameter of nothing", "Host:", "Sec-WebSocket-Extensions: permessage-deflate;\r\nHost:", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reply, _, err := ws.Accept(request(t, tt.old, tt.new))
			if reply != nil {
				t.Fatalf("Accept with %q = %q, want none", tt.new, reply)
			}
			resp := checkRefusal(t, err)
			if resp.StatusCode != tt.status {
				t.Errorf("Accept with %q is refused with %d, want %d", tt.new, resp.StatusCode, tt.status)
			}
			if tt.status == http.StatusUpgradeRequired && (resp.Header.Get("Sec-WebSocket-Version") != "13" || resp.Header.Get("Upgrade") != "websocket") {
				t.Errorf("Accept with %q is refused without naming the version: %v", tt.new, resp.Header)
			}
			if tt.status == http.StatusMethodNotAllowed && resp.Header.Get("Allow") != "GET" {
				t.Errorf("Accept with %q is refused without naming the method: %v", tt.new, resp.Header)
			}
		})
	}
}

// checkRefusal reads the answer of a HandshakeError as a client does.
func checkRefusal(t *testing.T, err error) *http.Response {
	t.Helper()
	var refused *ws.HandshakeError
	if !errors.As(err, &refused) {
		t.Fatalf("Accept: %v, want a *HandshakeError", err)
	}
	in := bufio.NewReader(bytes.NewReader(refused.Response()))
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("the refusal %q is no HTTP: %v", refused.Response(), err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != refused.Reason+"\n" || in.Buffered() != 0 || !resp.Close || resp.StatusCode != refused.Status {
		t.Fatalf("the refusal %q reads as %d, %q, %v, close %v", refused.Response(), resp.StatusCode, body, err, resp.Close)
	}
	return resp
}

func TestAcceptAgreesOnDeflate(t *testing.T) {
	t.Parallel()
	const answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	tests := []struct{ offer, want string }{
		{"permessage-deflate", answer},
		{"permessage-deflate; client_max_window_bits", answer},
		{"permessage-deflate;client_max_window_bits=8", answer},
		{"permessage-deflate; client_max_window_bits=\"15\"", answer},
		{"permessage-deflate; server_no_context_takeover; client_no_context_takeover", answer},
		{"permessage-deflate; server_max_window_bits=15", answer + "; server_max_window_bits=15"},
		{"permessage-deflate; server_max_window_bits=10", ""},
		{"permessage-deflate; server_max_window_bits=10, permessage-deflate", answer},
		{"permessage-deflate; server_max_window_bits=10\r\nSec-WebSocket-Extensions: permessage-deflate", answer},
		{"x-webkit-deflate-frame, permessage-deflate", answer},
		{"permessage-deflate; server_max_window_bits=15, permessage-deflate", answer + "; server_max_window_bits=15"},
		{"permessage-deflate; server_max_window_bits", ""},
		{"permessage-deflate; server_max_window_bits=16", ""},
		{"permessage-deflate; client_max_window_bits=7", ""},
		{"permessage-deflate; client_max_window_bits=16", ""},
		{"permessage-deflate; client_max_window_bits=08", ""},
		{"permessage-deflate; client_max_window_bits=x", ""},
		{"permessage-deflate; server_no_context_takeover=1", ""},
		{"permessage-deflate; client_no_context_takeover; client_no_context_takeover", ""},
		{"permessage-deflate; something_new", ""},
		{"permessage-deflate2", ""},
	}
	for _, tt := range tests {
		reply, deflate, err := ws.Accept(request(t, "Host:", "Sec-WebSocket-Extensions: "+tt.offer+"\r\nHost:"))
		want := agreed + "\r\n"
		if tt.want != "" {
			want = agreed + "Sec-WebSocket-Extensions: " + tt.want + "\r\n\r\n"
		}
		if string(reply) != want || deflate != (tt.want != "") || err != nil {
			t.Errorf("Accept of the offer %q = %q, %v, %v, want %q", tt.offer, reply, deflate, err, want)
		}
	}
}

func FuzzAccept(f *testing.F) {
	f.Add([]byte(upgrade))
	for _, change := range []string{
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nHost:",
		"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, permessage-deflate; server_max_window_bits=\"15\"\r\nHost:",
		"Sec-WebSocket-Extensions: a;b=\"c\r\nHost:", "Content-Length: 1\r\nHost:", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost:",
	} {
		f.Add([]byte(strings.Replace(upgrade, "Host:", change, 1)))
	}
	f.Add([]byte(strings.Replace(upgrade, "GET", "POST", 1)))
	f.Fuzz(func(t *testing.T, head []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			return
		}
		reply, deflate, err := ws.Accept(r)
		if err != nil {
			checkRefusal(t, err)
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(reply)), r)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("the reply %q to %q is no 101: %v", reply, head, err)
		}
		if got, want := resp.Header.Get("Sec-WebSocket-Accept"), ws.AcceptKey(r.Header.Get("Sec-WebSocket-Key")); got != want {
			t.Fatalf("the reply to %q accepts %q, want %q", head, got, want)
		}
		if got := resp.Header.Get("Sec-WebSocket-Extensions"); deflate != strings.HasPrefix(got, "permessage-deflate;") {
			t.Fatalf("the reply to %q agrees on %q, but Accept returned %v", head, got, deflate)
		}
	})
}
