package test

import (
	"encoding/binary"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// wsPeer is a WebSocket client that can do everything wrong: it knows frames and no more.
type wsPeer struct {
	*peer
	header http.Header // of the handshake's answer
}

// The first byte of a frame, RFC 6455 section 5.2.
const (
	fin  = 0x80
	rsv1 = 0x40

	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// wsKey and wsAccept are a key and its answer, those of RFC 6455 section 1.3.
const (
	wsKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	wsAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// handshake is a request to subscribe to key; more of the query begins with &.
func handshake(key, more string, headers ...string) string {
	lines := append([]string{
		"GET /sub?key=" + url.QueryEscape(key) + "&heartbeat=60" + more + " HTTP/1.1",
		"Host: example.com", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + wsKey,
	}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// upgrade opens a WebSocket connection and leaves everything after the handshake to be read.
func (n *node) upgrade(key, more string, headers ...string) *wsPeer {
	n.t.Helper()
	p := dial(n.t, n.public[0])
	p.send(handshake(key, more, headers...))
	return p.upgraded()
}

// upgraded reads the answer to a handshake.
func (p *peer) upgraded() *wsPeer {
	p.t.Helper()
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != wsAccept {
		p.t.Fatalf("handshake answered with %s, %v", resp.Status, resp.Header)
	}
	return &wsPeer{p, resp.Header}
}

// subscribeWS opens a WebSocket connection and subscribes.
func (n *node) subscribeWS(key, more string, headers ...string) *wsPeer {
	n.t.Helper()
	p := n.upgrade(key, more, headers...)
	p.expectText("+h\r\n")
	return p
}

// in is p for a subtest.
func (p *wsPeer) in(t *testing.T) *wsPeer {
	return &wsPeer{&peer{t, p.Conn, p.r}, p.header}
}

// frame is a frame as clients send it, masked.
func frame(first byte, payload string) string { return announce(first, len(payload)) + mask(payload) }

// mask is payload masked with the mask that announce tells.
func mask(payload string) string {
	b := []byte(payload)
	for i := range b {
		b[i] ^= frameMask[i%4]
	}
	return string(b)
}

const frameMask = "\x12\x34\xab\xcd"

// announce is the header of a masked frame whose payload has so many bytes.
func announce(first byte, length int) string {
	head := []byte{first}
	switch {
	case length < 126:
		head = append(head, 0x80|byte(length))
	case length <= 0xffff:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(length))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(length))
	}
	return string(head) + frameMask
}

// unmasked is a frame as no client may send it.
func unmasked(first byte, payload string) string {
	return string([]byte{first, byte(len(payload))}) + payload
}

// closeFrame is a client's close frame with code and reason.
func closeFrame(code uint16, reason string) string {
	return frame(fin|opClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// readFrame reads one frame, which must not be masked.
func (p *wsPeer) readFrame() (first byte, payload string) {
	p.t.Helper()
	head := make([]byte, 2)
	p.fill(head)
	length := uint64(head[1])
	switch head[1] {
	case 126:
		long := make([]byte, 2)
		p.fill(long)
		length = uint64(binary.BigEndian.Uint16(long))
	case 127:
		long := make([]byte, 8)
		p.fill(long)
		length = binary.BigEndian.Uint64(long)
	}
	if head[1]&0x80 != 0 || length > 1<<24 {
		p.t.Fatalf("a frame begins with % x", head)
	}
	body := make([]byte, length)
	p.fill(body)
	return head[0], string(body)
}

func (p *wsPeer) fill(b []byte) {
	p.t.Helper()
	if n, err := io.ReadFull(p.r, b); err != nil {
		p.t.Fatalf("want %d bytes of a frame, got %q and %v", len(b), b[:n], err)
	}
}

// expectFrame reads exactly one frame.
func (p *wsPeer) expectFrame(wantFirst byte, want string) {
	p.t.Helper()
	if first, payload := p.readFrame(); first != wantFirst || payload != want {
		p.t.Fatalf("got the frame %#x %.200q, want %#x %.200q", first, payload, wantFirst, want)
	}
}

func (p *wsPeer) expectText(want string) {
	p.t.Helper()
	p.expectFrame(fin|opText, want)
}

// expectClose reads a close frame with code and then the end.
func (p *wsPeer) expectClose(code int) {
	p.t.Helper()
	first, payload := p.readFrame()
	if first != fin|opClose || len(payload) < 2 {
		p.t.Fatalf("got the frame %#x %q, want a close frame with code %d", first, payload, code)
	}
	if got := int(binary.BigEndian.Uint16([]byte(payload))); got != code {
		p.t.Fatalf("closed with %d %q, want %d", got, payload[2:], code)
	}
	p.expectEnd("")
}

// message reads one message, which is one text frame, not compressed.
func (p *wsPeer) message() string {
	p.t.Helper()
	first, payload := p.readFrame()
	if first != fin|opText {
		p.t.Fatalf("got the frame %#x %.200q, want a message", first, payload)
	}
	return payload
}

func (p *wsPeer) next() legacyMessage {
	p.t.Helper()
	return parseMessage(p.t, p.message())
}

// request sends an HTTP request over p and reads the answer.
func (p *peer) request(text string) (*http.Response, string) {
	p.t.Helper()
	p.write(text)
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(p.r, &http.Request{Method: method})
	if err != nil {
		p.t.Fatalf("%.60q was answered with %v", text, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(body)
}
