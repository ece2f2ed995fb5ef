package test

import (
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"testing"
)

// deflate compresses text as one message, RFC 7692 section 7.2.1.
func deflate(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, text)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// inflate is the other way, with no more than this message to go by.
func inflate(t *testing.T, data string) string {
	t.Helper()
	got, err := io.ReadAll(flate.NewReader(strings.NewReader(data + "\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	if err != nil {
		t.Fatalf("inflate %q: %v", data, err)
	}
	return string(got)
}

const offer = "Sec-WebSocket-Extensions: permessage-deflate"

func TestDeflateNegotiation(t *testing.T) {
	const accepted = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	tests := []struct{ offer, want string }{
		{"permessage-deflate", accepted},
		{"permessage-deflate; client_max_window_bits", accepted}, // Chromium, Firefox
		{"permessage-deflate; client_max_window_bits=10; client_no_context_takeover; server_no_context_takeover", accepted},
		{"x-webkit-deflate-frame, permessage-deflate", accepted},
		{"permessage-deflate; server_max_window_bits=15", accepted + "; server_max_window_bits=15"},
		{"permessage-deflate; server_max_window_bits=10, permessage-deflate", accepted}, // the second one
		{"permessage-deflate; server_max_window_bits=10", ""},
		{"permessage-deflate; unknown", ""},
		{"permessage-deflate; client_max_window_bits=16", ""},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
		{"permessage-bzip2", ""},
	}
	onEngines(t, nil, func(t *testing.T, n *node) {
		for _, tt := range tests {
			t.Run(tt.offer, func(t *testing.T) {
				web := n.in(t).subscribeWS("k", "", "Sec-WebSocket-Extensions: "+tt.offer)
				if got := web.header.Get("Sec-WebSocket-Extensions"); got != tt.want {
					t.Errorf("answered with %q, want %q", got, tt.want)
				}
			})
		}
	})
}

// Messages that are shorter for it come compressed, each for itself; those that are not, and
// the dialect's own texts, come as they are.
func TestDeflatedMessages(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		web, plain := n.subscribeWS("k", "&ver=1&mid=0", offer), n.subscribeWS("k", "&ver=1&mid=0")
		for _, payload := range []string{strings.Repeat("again and again ", 100), strings.Repeat("again and again ", 100), "7", strings.Repeat("x", 1<<20)} {
			n.push("k", payload, "?expire=60")
			want := plain.message()
			switch first, got := web.readFrame(); {
			case first == fin|rsv1|opText && len(got) < len(want):
				if got := inflate(t, got); got != want {
					t.Errorf("inflated to %.100s…, want %.100s…", got, want)
				}
			case first != fin|opText || got != want || len(payload) > 100:
				t.Errorf("got the frame %#x of %d bytes %.100q, want %.100q", first, len(got), got, want)
			}
		}
		n.remove("k")
		again := n.subscribeWS("k", "&ver=1&mid=0", offer)
		if first, notice := again.readFrame(); first != fin|opText || !strings.HasPrefix(notice, "+g ") {
			t.Errorf("got the frame %#x %q, want a notice, not compressed", first, notice)
		}
	})
}

func TestDeflatedHeartbeats(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		web := n.subscribeWS("k", "", offer)
		packed := deflate(t, "h")
		for _, sent := range []string{
			frame(fin|rsv1|opText, packed),
			frame(fin|rsv1|opText, packed), // no context is taken over
			frame(fin|opText, "h"),         // not every message has to be
			frame(rsv1|opText, packed[:1]) + frame(fin|opPing, "x") + frame(fin|opContinuation, packed[1:]),
			frame(fin|rsv1|opBinary, "\x01\x01\x00\xfe\xffh"),   // a final block
			frame(fin|rsv1|opText, "\x00\x01\x00\xfe\xffh\x00"), // not compressed within
		} {
			web.send(sent)
			if strings.Count(sent, frameMask) == 3 {
				web.expectFrame(fin|opPong, "x")
			}
			web.expectText("+h\r\n")
		}
	})
}

func TestDeflateBadFrames(t *testing.T) {
	bomb := deflate(t, strings.Repeat("\x00", 8<<20))
	tests := []struct {
		name, sent string
		code       int
	}{
		{"what inflates to 8 MiB", frame(fin|rsv1|opBinary, bomb), 1009},
		{"what inflates to more than the limit", frame(fin|rsv1|opBinary, deflate(t, strings.Repeat("x", 1<<16+1))), 1009},
		{"no deflated data", frame(fin|rsv1|opText, "\xff\xff\xff"), 1007},
		{"data behind the final block", frame(fin|rsv1|opText, "\x01\x01\x00\xfe\xffhmore"), 1007},
		{"half of it", frame(fin|rsv1|opText, "\x00\x05\x00\xfa\xffh"), 1007},
		{"text that is not UTF-8 when inflated", frame(fin|rsv1|opText, deflate(t, "\xff")), 1007},
		{"a compressed ping", frame(fin|rsv1|opPing, "x"), 1002},
		{"a compressed close", frame(fin|rsv1|opClose, ""), 1002},
		{"a compressed continuation", frame(opText, "h") + frame(fin|rsv1|opContinuation, ""), 1002},
		{"RSV2 beside RSV1", frame(fin|rsv1|0x20|opText, "h"), 1002},
	}
	onEngines(t, nil, func(t *testing.T, n *node) {
		w := newWitness(n)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				n := n.in(t)
				before := n.closed("bad_frame")
				web := n.subscribeWS("k", "", offer)
				web.send(tt.sent)
				web.expectClose(tt.code)
				web.Close()
				n.expectClosed("bad_frame", before+1)
			})
		}
		w.check(t)
	})
}
