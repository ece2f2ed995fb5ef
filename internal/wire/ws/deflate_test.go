package ws_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"runtime"
	"strings"
	"testing"

	"gopush/internal/wire/ws"
)

// The examples of RFC 7692 section 7.2.3, and what a hostile peer makes of them.
func TestNextInflates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in, want string
		code           int
	}{
		{name: "one block (7.2.3.1)", in: frame(fin|rsv1|text, "\xf2\x48\xcd\xc9\xc9\x07\x00"), want: "Hello"},
		{name: "fragments (7.2.3.1)", in: frame(rsv1|text, "\xf2\x48\xcd") + frame(fin|more, "\xc9\xc9\x07\x00"), want: "Hello"},
		{name: "no compression (7.2.3.3)", in: frame(fin|rsv1|text, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), want: "Hello"},
		{name: "a final block (7.2.3.4)", in: frame(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), want: "Hello"},
		{name: "two blocks (7.2.3.5)", in: frame(fin|rsv1|text, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), want: "Hello"},
		{name: "an empty message (7.2.3.6)", in: frame(fin|rsv1|text, "\x00"), want: ""},
		{name: "a final block without the empty one", in: frame(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00"), want: "Hello"},
		{name: "a message that is not compressed", in: frame(fin|text, "Hello"), want: "Hello"},
		{name: "context takeover (7.2.3.2)", in: frame(fin|rsv1|text, "\xf2\x00\x11\x00\x00"), code: ws.CloseInvalidData},
		{name: "no deflated data", in: frame(fin|rsv1|text, "Hello"), code: ws.CloseInvalidData},
		{name: "nothing", in: frame(fin|rsv1|text, ""), code: ws.CloseInvalidData},
		{name: "a byte after a final block", in: frame(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00\x01"), code: ws.CloseInvalidData},
		{name: "data after a final block", in: frame(fin|rsv1|text, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x00"), code: ws.CloseInvalidData},
		{name: "text that is not UTF-8", in: frame(fin|rsv1|text, string(new(ws.Deflater).Append(nil, []byte("\xff")))), code: ws.CloseInvalidData},
		{name: "compressed continuation", in: frame(rsv1|text, "\xf2\x48\xcd") + "\xc0\x80", code: ws.CloseProtocol},
		{name: "compressed ping", in: "\xc9\x80", code: ws.CloseProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := hear(t, &ws.Parser{MaxMessage: maxMessage}, true, []byte(tt.in))
			if tt.code != 0 && got.err.Code != tt.code {
				t.Errorf("%x is heard as %+v, want close code %d", tt.in, got, tt.code)
			}
			if want := (conversation{said: []said{{Op: ws.Text, Payload: tt.want}}}); tt.code == 0 && !got.equal(want) {
				t.Errorf("%x is heard as %+v, want %+v", tt.in, got, want)
			}
		})
	}
}

func TestNextStopsInflatingAtItsLimit(t *testing.T) { // not parallel: it measures the heap
	const size = 64 << 20
	bomb := new(ws.Deflater).Append(nil, make([]byte, size))
	in := ws.AppendMasked(nil, ws.Binary, true, [4]byte{}, bomb)
	p := &ws.Parser{MaxMessage: len(bomb)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, _, err := p.Next(in, nil, true)
	runtime.ReadMemStats(&after)
	var closing *ws.CloseError
	if !errors.As(err, &closing) || closing.Code != ws.CloseTooBig {
		t.Errorf("%d bytes deflated to %d are heard as %v, want close code 1009", size, len(bomb), err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > size/16 {
		t.Errorf("refusing a message of %d bytes, with a limit of %d, allocated %d", size, len(bomb), took)
	}
}

func TestNextInflatesUpToItsLimit(t *testing.T) {
	t.Parallel()
	for size, code := range map[int]int{maxMessage: 0, maxMessage + 1: ws.CloseTooBig} {
		in := frame(fin|rsv1|text, string(new(ws.Deflater).Append(nil, bytes.Repeat([]byte("x"), size))))
		if got := listen(t, &ws.Parser{MaxMessage: maxMessage}, true, []byte(in)); got.err.Code != code {
			t.Errorf("%d bytes deflated, with a limit of %d, are heard as %v, want close code %d", size, maxMessage, got.err, code)
		}
	}
}

func TestDeflaterHasNoContext(t *testing.T) {
	t.Parallel()
	var d ws.Deflater
	payload := []byte(strings.Repeat("hello ", 10))
	first := d.Append(nil, payload)
	d.Append(nil, []byte("something else"))
	if again := d.Append([]byte("before"), payload); string(again) != "before"+string(first) {
		t.Errorf("the same message is compressed to %x, then to %x", first, again)
	}
	if len(first) >= len(payload) {
		t.Errorf("%d bytes are compressed to %d", len(payload), len(first))
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(flate.NewReader(bytes.NewReader(append(first, "\x00\x00\xff\xff\x01\x00\x00\xff\xff"...)))); err != nil || !bytes.Equal(out.Bytes(), payload) {
		t.Errorf("flate reads %q, %v, want %q", out.Bytes(), err, payload)
	}
}

func TestDeflateDoesNotAllocateForEachMessage(t *testing.T) {
	var d ws.Deflater
	payload, dst := []byte(strings.Repeat("hello ", 10)), make([]byte, 0, 200)
	if allocs := testing.AllocsPerRun(100, func() { d.Append(dst, payload) }); allocs != 0 {
		t.Errorf("Deflater.Append: %v allocations, want 0", allocs)
	}
	p, in := &ws.Parser{MaxMessage: maxMessage}, frame(fin|rsv1|text, string(d.Append(nil, payload)))
	buf := make([]byte, len(in))
	if allocs := testing.AllocsPerRun(100, func() { copy(buf, in); p.Next(buf, nil, true) }); allocs != 0 {
		t.Errorf("Next of a compressed frame: %v allocations, want 0", allocs)
	}
}
