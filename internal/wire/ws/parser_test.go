package ws_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gopush/internal/wire/ws"
)

const maxMessage = 1000

// said is a message in a form that can be compared.
type said struct {
	Op      ws.Op
	Payload string
	Code    int
	Reason  string
}

// conversation is what came of a stream of bytes: messages, and the mistake that ended it.
type conversation struct {
	said []said
	err  ws.CloseError
	left int // bytes that are no whole frame yet
}

// listen gives in to a parser in pieces that end at each of cuts, and once more at the end,
// as a connection would.
func listen(t testing.TB, p *ws.Parser, deflate bool, in []byte, cuts ...int) (c conversation) {
	t.Helper()
	var part *ws.Assembly
	var buf []byte
	start := 0
	for _, cut := range append(cuts, len(in)) {
		buf = append(buf, in[start:cut]...)
		start = cut
		for {
			msg, n, next, err := p.Next(buf, part, deflate)
			if err != nil {
				var closing *ws.CloseError
				if !errors.As(err, &closing) || n != 0 {
					t.Fatalf("Next(%x) = %d, %v, want a *CloseError", buf, n, err)
				}
				c.err = *closing
				return c
			}
			if n == 0 {
				break
			}
			if n > len(buf) || len(msg.Payload) > max(p.MaxMessage, 125) {
				t.Fatalf("Next took %d of %d bytes and returned %d of %d allowed", n, len(buf), len(msg.Payload), p.MaxMessage)
			}
			part, buf = next, buf[n:]
			if msg.Op != ws.Continuation {
				c.said = append(c.said, said{msg.Op, string(msg.Payload), msg.Code, msg.Reason})
			}
		}
	}
	c.left = len(buf)
	return c
}

func (c conversation) equal(d conversation) bool {
	if len(c.said) != len(d.said) || c.err != d.err || c.left != d.left {
		return false
	}
	for i := range c.said {
		if c.said[i] != d.said[i] {
			return false
		}
	}
	return true
}

// hear is listen for all ways to cut in once, and byte by byte: they must not differ.
func hear(t testing.TB, p *ws.Parser, deflate bool, in []byte) conversation {
	t.Helper()
	whole := listen(t, p, deflate, in)
	each := make([]int, len(in))
	for cut := range in {
		each[cut] = cut
		if got := listen(t, p, deflate, in, cut); !got.equal(whole) {
			t.Fatalf("%x cut at %d is heard as %+v, uncut as %+v", in, cut, got, whole)
		}
	}
	if got := listen(t, p, deflate, in, each...); !got.equal(whole) {
		t.Fatalf("%x byte by byte is heard as %+v, at once as %+v", in, got, whole)
	}
	return whole
}

// frame is a masked frame with a first byte of the test's own.
func frame(first byte, payload string) string {
	out := ws.AppendMasked(nil, ws.Text, false, [4]byte{1, 2, 3, 4}, []byte(payload))
	out[0] = first
	return string(out)
}

// First bytes: FIN or not, RSV1 or not, and the opcode.
const (
	fin        = 0x80
	rsv1       = 0x40
	text       = byte(ws.Text)
	binary     = byte(ws.Binary)
	more       = byte(ws.Continuation)
	closing    = byte(ws.Close)
	ping, pong = byte(ws.Ping), byte(ws.Pong)
)

func TestNextHearsMessages(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxMessage)
	tests := []struct {
		name, in string
		want     []said
	}{
		{"a text", frame(fin|text, "h"), []said{{Op: ws.Text, Payload: "h"}}},
		{"an empty text", frame(fin|text, ""), []said{{Op: ws.Text}}},
		{"any bytes", frame(fin|binary, "\x00\xff"), []said{{Op: ws.Binary, Payload: "\x00\xff"}}},
		{"two messages", frame(fin|text, "a") + frame(fin|binary, "b"), []said{{Op: ws.Text, Payload: "a"}, {Op: ws.Binary, Payload: "b"}}},
		{"a length in two bytes", frame(fin|text, long[:126]), []said{{Op: ws.Text, Payload: long[:126]}}},
		{"as long as allowed", frame(fin|text, long), []said{{Op: ws.Text, Payload: long}}},
		{"fragments", frame(text, "a") + frame(more, "b") + frame(fin|more, "c"), []said{{Op: ws.Text, Payload: "abc"}}},
		{"empty fragments", frame(text, "") + frame(more, "") + frame(fin|more, ""), []said{{Op: ws.Text}}},
		{"fragments as long as allowed", frame(binary, long[1:]) + frame(fin|more, "x"), []said{{Op: ws.Binary, Payload: long}}},
		{"a character cut by fragments", frame(text, "\xc3") + frame(fin|more, "\xa9"), []said{{Op: ws.Text, Payload: "é"}}},
		{"a ping between fragments", frame(text, "a") + frame(fin|ping, "p") + frame(fin|more, "b"), []said{{Op: ws.Ping, Payload: "p"}, {Op: ws.Text, Payload: "ab"}}},
		{"a pong", frame(fin|pong, ""), []said{{Op: ws.Pong}}},
		{"the longest ping", frame(fin|ping, long[:125]), []said{{Op: ws.Ping, Payload: long[:125]}}},
		{"a close", frame(fin|closing, "\x03\xe8bye é"), []said{{Op: ws.Close, Code: ws.CloseNormal, Reason: "bye é"}}},
		{"a close without a code", frame(fin|closing, ""), []said{{Op: ws.Close, Code: ws.CloseNoStatus}}},
		{"a close between fragments", frame(text, "a") + frame(fin|closing, "\x03\xe9"), []said{{Op: ws.Close, Code: ws.CloseGoingAway}}},
		{"a close of the application's", frame(fin|closing, "\x13\x87"), []said{{Op: ws.Close, Code: 4999}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := conversation{said: tt.want}
			if got := hear(t, &ws.Parser{MaxMessage: maxMessage}, false, []byte(tt.in)); !got.equal(want) {
				t.Errorf("%x is heard as %+v, want %+v", tt.in, got, want)
			}
		})
	}
}

// Each mistake must be found at the last byte of its row, and not before.
func TestNextFindsMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		code     int
	}{
		{"RSV1 without an extension", "\xc1\x80", ws.CloseProtocol},
		{"RSV2", "\xa1\x80", ws.CloseProtocol},
		{"RSV3", "\x91\x80", ws.CloseProtocol},
		{"opcode 3", "\x83\x80", ws.CloseProtocol},
		{"opcode 7", "\x87\x80", ws.CloseProtocol},
		{"opcode 11", "\x8b\x80", ws.CloseProtocol},
		{"opcode 15", "\x8f\x80", ws.CloseProtocol},
		{"no mask", "\x81\x01", ws.CloseProtocol},
		{"a fragmented ping", "\x09\x80", ws.CloseProtocol},
		{"a ping of 126 bytes", "\x89\xfe", ws.CloseProtocol},
		{"a close of 64 bit length", "\x88\xff", ws.CloseProtocol},
		{"a continuation of nothing", "\x80\x80", ws.CloseProtocol},
		{"a continuation after the last", frame(text, "a") + frame(fin|more, "b") + "\x80\x80", ws.CloseProtocol},
		{"a new message inside another", frame(text, "a") + "\x81\x80", ws.CloseProtocol},
		{"a small length in 2 bytes", "\x81\xfe\x00\x7d", ws.CloseProtocol},
		{"a small length in 8 bytes", "\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", ws.CloseProtocol},
		{"a length with its top bit set", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00", ws.CloseProtocol},
		{"half a close code", frame(fin|closing, "\x03"), ws.CloseProtocol},
		{"a frame too long", "\x81\xfe\x03\xe9", ws.CloseTooBig},
		{"a frame much too long", "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", ws.CloseTooBig},
		{"fragments too long", frame(text, strings.Repeat("x", maxMessage)) + "\x80\x81", ws.CloseTooBig},
		{"text that is not UTF-8", frame(fin|text, "\xff"), ws.CloseInvalidData},
		{"text with a surrogate", frame(fin|text, "\xed\xa0\x80"), ws.CloseInvalidData},
		{"text with half a character", frame(text, "\xc3") + frame(fin|more, ""), ws.CloseInvalidData},
		{"a close reason that is not UTF-8", frame(fin|closing, "\x03\xe8\xc3"), ws.CloseInvalidData},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &ws.Parser{MaxMessage: maxMessage}
			if got := hear(t, p, false, []byte(tt.in)); got.err.Code != tt.code || got.err.Reason == "" {
				t.Errorf("%x is heard as %+v, want close code %d", tt.in, got, tt.code)
			}
			if got := listen(t, p, false, []byte(tt.in[:len(tt.in)-1])); got.err.Code != 0 {
				t.Errorf("%x is heard as %+v, want no mistake yet", tt.in[:len(tt.in)-1], got)
			}
		})
	}
}

func TestNextRefusesCloseCodesThatAreNotSent(t *testing.T) {
	t.Parallel()
	good := map[int]bool{
		1000: true, 1001: true, 1002: true, 1003: true, 1007: true, 1008: true, 1009: true,
		1010: true, 1011: true, 1012: true, 1013: true, 1014: true,
	}
	for code := range 1 << 16 {
		in := frame(fin|closing, string([]byte{byte(code >> 8), byte(code)}))
		got := listen(t, &ws.Parser{}, false, []byte(in))
		want := good[code] || 3000 <= code && code < 5000
		if (got.err.Code == 0) != want || got.err.Code != 0 && got.err.Code != ws.CloseProtocol {
			t.Errorf("close code %d is heard as %+v, want allowed: %v", code, got, want)
		}
	}
}

func TestNextOfAClientWantsNoMask(t *testing.T) {
	t.Parallel()
	p := &ws.Parser{MaxMessage: maxMessage, Client: true}
	if got := hear(t, p, false, []byte("\x81\x02{}")); !got.equal(conversation{said: []said{{Op: ws.Text, Payload: "{}"}}}) {
		t.Errorf("a frame from the server is heard as %+v", got)
	}
	if got := hear(t, p, false, []byte("\x81\x82")); got.err.Code != ws.CloseProtocol {
		t.Errorf("a masked frame from the server is heard as %+v, want close code 1002", got)
	}
}

// The examples of RFC 6455 section 5.7.
func TestNextHearsTheExamplesOfTheRFC(t *testing.T) {
	t.Parallel()
	kib := string(bytes.Repeat([]byte("x"), 256))
	tests := []struct {
		name, in string
		client   bool
		want     said
	}{
		{"unmasked text", "\x81\x05\x48\x65\x6c\x6c\x6f", true, said{Op: ws.Text, Payload: "Hello"}},
		{"masked text", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", false, said{Op: ws.Text, Payload: "Hello"}},
		{"fragmented unmasked text", "\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f", true, said{Op: ws.Text, Payload: "Hello"}},
		{"unmasked ping", "\x89\x05\x48\x65\x6c\x6c\x6f", true, said{Op: ws.Ping, Payload: "Hello"}},
		{"masked pong", "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", false, said{Op: ws.Pong, Payload: "Hello"}},
		{"256 bytes", "\x82\x7e\x01\x00" + kib, true, said{Op: ws.Binary, Payload: kib}},
		{"64 KiB", "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + strings.Repeat(kib, 256), true, said{Op: ws.Binary, Payload: strings.Repeat(kib, 256)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &ws.Parser{MaxMessage: 1 << 16, Client: tt.client}
			if got := listen(t, p, false, []byte(tt.in)); !got.equal(conversation{said: []said{tt.want}}) {
				t.Errorf("%.40x is heard as %+v, want %+v", tt.in, got, tt.want)
			}
		})
	}
}

func TestNextHearsWhatWasAppended(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var d ws.Deflater
		var wire []byte
		var want conversation
		client := rapid.Bool().Draw(rt, "client")
		for range rapid.IntRange(1, 5).Draw(rt, "messages") {
			op := rapid.SampledFrom([]ws.Op{ws.Binary, ws.Ping, ws.Pong}).Draw(rt, "op")
			payload := rapid.SliceOfN(rapid.Byte(), 0, 125).Draw(rt, "payload")
			if op == ws.Binary {
				payload = bytes.Repeat(payload, rapid.IntRange(0, 8).Draw(rt, "times"))
			}
			want.said = append(want.said, said{Op: op, Payload: string(payload)})
			compressed := op == ws.Binary && rapid.Bool().Draw(rt, "compressed")
			if compressed {
				payload = d.Append(nil, payload)
			}
			if client {
				wire = ws.AppendFrame(wire, op, compressed, payload)
			} else {
				mask := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(rt, "mask"))
				wire = ws.AppendMasked(wire, op, compressed, mask, payload)
			}
		}
		cut := rapid.IntRange(0, len(wire)).Draw(rt, "cut")
		p := &ws.Parser{MaxMessage: 2000, Client: client}
		if got := listen(t, p, true, wire, cut); !got.equal(want) {
			rt.Fatalf("%x cut at %d is heard as %+v, want %+v", wire, cut, got, want)
		}
	})
}

func TestNextOfPlainFramesDoesNotAllocate(t *testing.T) {
	p := &ws.Parser{MaxMessage: maxMessage}
	for name, in := range map[string]string{
		"text": frame(fin|text, "hello"), "ping": frame(fin|ping, "p"), "half a frame": frame(fin|text, "hello")[:9],
	} {
		buf := []byte(in)
		allocs := testing.AllocsPerRun(100, func() {
			copy(buf, in)
			if _, _, _, err := p.Next(buf, nil, true); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("Next of %s: %v allocations, want 0", name, allocs)
		}
	}
}

func FuzzNext(f *testing.F) {
	for _, seed := range []string{
		frame(fin|text, "h"), frame(text, "a") + frame(fin|ping, "p") + frame(fin|more, "b"), frame(fin|closing, "\x03\xe8bye"),
		frame(fin|text, strings.Repeat("x", 126)), "\x81\xfe\x03\xe9", "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", "\x81\x01h",
		frame(fin|rsv1|text, "\xf2\x48\xcd\xc9\xc9\x07\x00"), frame(rsv1|text, "\xf2\x48\xcd") + frame(fin|more, "\xc9\xc9\x07\x00"),
		frame(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), frame(fin|rsv1|binary, "\x00"),
	} {
		f.Add([]byte(seed), true, false)
		f.Add([]byte(seed), false, false)
	}
	f.Add([]byte("\x81\x05Hello\x8a\x00"), true, true)
	f.Fuzz(func(t *testing.T, in []byte, deflate, client bool) {
		if len(in) > 300 {
			return // every cut is tried
		}
		got := hear(t, &ws.Parser{MaxMessage: maxMessage, Client: client}, deflate, in)
		if c := got.err.Code; c != 0 && c != ws.CloseProtocol && c != ws.CloseInvalidData && c != ws.CloseTooBig {
			t.Fatalf("%x ends with close code %d", in, c)
		}
		for _, s := range got.said {
			checkSaid(t, s)
		}
	})
}

// checkSaid checks what holds for a message whatever it was parsed from.
func checkSaid(t *testing.T, s said) {
	t.Helper()
	again := ws.AppendMasked(nil, s.Op, false, [4]byte{9, 8, 7, 6}, []byte(s.Payload))
	if s.Op == ws.Close {
		again = ws.AppendMasked(nil, ws.Close, false, [4]byte{9, 8, 7, 6}, ws.AppendCloseBody(nil, s.Code, s.Reason))
	}
	if got := listen(t, &ws.Parser{MaxMessage: maxMessage}, false, again); !got.equal(conversation{said: []said{s}}) {
		t.Fatalf("%+v is sent as %x, which is heard as %+v", s, again, got)
	}
}

func BenchmarkNext(b *testing.B) {
	for _, size := range []int{1, 128, 4096} {
		b.Run(fmt.Sprint(size, " bytes"), func(b *testing.B) {
			p := &ws.Parser{MaxMessage: 1 << 20}
			in := []byte(frame(fin|binary, strings.Repeat("x", size)))
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				if _, n, _, err := p.Next(in, nil, false); n != len(in) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
