package wire_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gopush/internal/message"
	"gopush/internal/wire"
	"gopush/internal/wire/resp"
	"gopush/internal/wire/ws"
)

func TestFrame(t *testing.T) {
	t.Parallel()
	m := message.Message{Key: "a b", Mid: 17000000000000004, Prev: 8, Payload: []byte(` {"a": 1}`)}
	fields := message.Message{Key: "k", Mid: 17000000000000004, Form: message.Fields, Payload: []byte("*4\r\n$1\r\nb\r\n$1\r\n1\r\n$1\r\na\r\n$0\r\n\r\n")}
	tests := []struct {
		name string
		v    wire.Variant
		m    *message.Message
		want string
	}{
		{"RESP", 0, &m, "$47\r\n" + `{"msg":{"a":1},"mid":17000000000000004,"gid":0}` + "\r\n"},
		{"RESP, old", wire.Old, &m, "$53\r\n" + `{"msg":" {\"a\": 1}","mid":17000000000000004,"gid":0}` + "\r\n"},
		{"RESP, resumed", wire.Prev, &m, "$56\r\n" + `{"msg":{"a":1},"mid":17000000000000004,"gid":0,"prev":8}` + "\r\n"},
		{"RESP does not deflate", wire.Deflate, &m, "$47\r\n" + `{"msg":{"a":1},"mid":17000000000000004,"gid":0}` + "\r\n"},
		{"WebSocket", wire.WebSocket, &m, "\x81\x2f" + `{"msg":{"a":1},"mid":17000000000000004,"gid":0}`},
		{"WebSocket, old and resumed", wire.WebSocket | wire.Old | wire.Prev, &m, "\x81\x3e" + `{"msg":" {\"a\": 1}","mid":17000000000000004,"gid":0,"prev":8}`},
		{"fields", wire.WebSocket, &fields, "\x81\x38" + `{"msg":{"b":"1","a":""},"mid":17000000000000004,"gid":0}`},
		{"fields, old", wire.Old, &fields, "$66\r\n" + `{"msg":"{\"b\":\"1\",\"a\":\"\"}","mid":17000000000000004,"gid":0}` + "\r\n"},

		{"Redis", wire.Redis, &m, "*3\r\n$7\r\nmessage\r\n$3\r\na b\r\n$9\r\n {\"a\": 1}\r\n"},
		{"Redis, shard", wire.Redis | wire.Shard, &m, "*3\r\n$8\r\nsmessage\r\n$3\r\na b\r\n$9\r\n {\"a\": 1}\r\n"},
		{"Redis, RESP3", wire.Redis | wire.RESP3, &m, ">3\r\n$7\r\nmessage\r\n$3\r\na b\r\n$9\r\n {\"a\": 1}\r\n"},
		{"Redis, RESP3, shard", wire.Redis | wire.RESP3 | wire.Shard, &m, ">3\r\n$8\r\nsmessage\r\n$3\r\na b\r\n$9\r\n {\"a\": 1}\r\n"},
		{"Redis, with ids", wire.Redis | wire.RESP3 | wire.IDs, &m, "|1\r\n+id\r\n$15\r\n1700000000000-4\r\n>3\r\n$7\r\nmessage\r\n$3\r\na b\r\n$9\r\n {\"a\": 1}\r\n"},
		{"Redis, with ids but RESP2", wire.Redis | wire.IDs, &m, "*3\r\n$7\r\nmessage\r\n$3\r\na b\r\n$9\r\n {\"a\": 1}\r\n"},
		{"Redis, fields", wire.Redis, &fields, "*3\r\n$7\r\nmessage\r\n$1\r\nk\r\n$16\r\n{\"b\":\"1\",\"a\":\"\"}\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var e wire.Encoder
			if got := e.Frame(tt.v, tt.m); string(got) != tt.want {
				t.Errorf("Frame = %q, want %q", got, tt.want)
			}
			if got := e.AppendFrame([]byte("before"), tt.v, tt.m); string(got) != "before"+tt.want {
				t.Errorf("AppendFrame = %q, want %q after %q", got, tt.want, "before")
			}
		})
	}
}

func TestPatternFrame(t *testing.T) {
	t.Parallel()
	m := message.Message{Key: "ab", Mid: 17000000000000004, Payload: []byte("hi")}
	const elements = "$8\r\npmessage\r\n$2\r\na*\r\n$2\r\nab\r\n$2\r\nhi\r\n"
	var e wire.Encoder
	for v, want := range map[wire.Variant]string{
		wire.Redis:                           "*4\r\n" + elements,
		wire.Redis | wire.Shard | wire.IDs:   "*4\r\n" + elements,
		wire.Redis | wire.RESP3:              ">4\r\n" + elements,
		wire.Redis | wire.RESP3 | wire.IDs:   "|1\r\n+id\r\n$15\r\n1700000000000-4\r\n>4\r\n" + elements,
		wire.Redis | wire.RESP3 | wire.Shard: ">4\r\n" + elements,
	} {
		if got := e.AppendPatternFrame([]byte("before"), v, "a*", &m); string(got) != "before"+want {
			t.Errorf("AppendPatternFrame of variant %b = %q, want %q after %q", v, got, want, "before")
		}
	}
}

func TestFrameIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var e wire.Encoder
		for range rapid.IntRange(1, 3).Draw(t, "messages") {
			piece := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "payload")
			m := message.Message{Key: "k", Mid: 4, Prev: 8, Payload: bytes.Repeat(piece, rapid.SampledFrom([]int{1, 5, 1000}).Draw(t, "times"))}
			v := wire.Variant(rapid.IntRange(0, wire.NumVariants-1).Draw(t, "variant"))
			if v&wire.Redis != 0 {
				wantDelivery(t, &e, v, &m)
				continue
			}
			want := m.AppendJSON(nil, v&wire.Old != 0, v&wire.Prev != 0)
			frame := e.Frame(v, &m)
			if plain := e.Frame(v&^wire.Deflate, &m); len(frame) > len(plain) {
				t.Fatalf("variant %b makes %d bytes of a frame of %d", v, len(frame), len(plain))
			}
			if got, err := readFrame(v, frame); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("variant %b of %q is read as %q, %v, want %q", v, m.Payload, got, err, want)
			}
		}
	})
}

// wantDelivery reads a frame as a Redis client does.
func wantDelivery(t *rapid.T, e *wire.Encoder, v wire.Variant, m *message.Message) {
	frame := e.Frame(v, m)
	head, rest := "*", frame
	if v&wire.RESP3 != 0 {
		head = ">"
		if v&wire.IDs != 0 {
			rest = bytes.TrimPrefix(rest, []byte("|1\r\n+id\r\n$3\r\n0-4\r\n"))
		}
	}
	rest, found := bytes.CutPrefix(rest, []byte(head))
	word := "message"
	if v&wire.Shard != 0 {
		word = "smessage"
	}
	args, n, err := resp.ParseCommand(nil, append([]byte("*"), rest...), resp.Limits{MaxArgs: 3, MaxArgBytes: 1 << 20, MaxBytes: 1 << 20})
	if err != nil || !found || n != len(rest)+1 || len(args) != 3 || string(args[0]) != word || string(args[1]) != m.Key || !bytes.Equal(args[2], m.Payload) {
		t.Fatalf("variant %b of %q is read as %q, %v", v, m.Payload, args, err)
	}
}

// readFrame reads one frame as a client of the variant does; all of it must be used.
func readFrame(v wire.Variant, frame []byte) (body []byte, err error) {
	const limit = 1 << 20
	var n int
	if v&wire.WebSocket != 0 {
		var msg ws.Message
		p := &ws.Parser{MaxMessage: limit, Client: true}
		msg, n, _, err = p.Next(frame, nil, v&wire.Deflate != 0)
		body = msg.Payload
	} else {
		_, body, n, err = resp.ParseReply(frame, limit)
	}
	if err == nil && n != len(frame) {
		err = fmt.Errorf("%d of %d bytes used", n, len(frame))
	}
	return body, err
}

func TestFrameIsCompressedWhenThatIsShorter(t *testing.T) {
	t.Parallel()
	const v = wire.WebSocket | wire.Deflate
	var e wire.Encoder
	for payload, want := range map[string]bool{strings.Repeat("hello ", 50): true, "q": false} {
		frame := e.Frame(v, &message.Message{Mid: 4, Payload: []byte(payload)})
		if got := frame[0]&0x40 != 0; got != want {
			t.Errorf("the frame of %q is compressed: %v, want %v", payload, got, want)
		}
	}
}

func TestFrameIsTheCallers(t *testing.T) {
	t.Parallel()
	var e wire.Encoder
	for v := range wire.Variant(wire.NumVariants) {
		first := e.Frame(v, &message.Message{Mid: 4, Payload: []byte(strings.Repeat("hello ", 50))})
		before := bytes.Clone(first)
		e.Frame(v, &message.Message{Mid: 8, Payload: []byte(strings.Repeat("other ", 50))})
		_ = append(first, "more"...)
		if !bytes.Equal(first, before) || cap(first) != len(first) {
			t.Errorf("variant %b: a frame changed with the next one, or has room for more", v)
		}
	}
}

func TestAppendText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		got  []byte
		want string
	}{
		{wire.AppendText([]byte("."), wire.Old, wire.TextHeartbeat), ".+h\r\n"},
		{wire.AppendText([]byte("."), wire.WebSocket|wire.Deflate, wire.TextParam), ".\x81\x04-p\r\n"},
		{wire.AppendText(nil, 0, wire.TextToken), "-a\r\n"},
		{wire.AppendText(nil, 0, wire.TextChannel), "-c\r\n"},
		{wire.AppendText(nil, 0, wire.TextNode), "-n\r\n"},
		{wire.AppendGap([]byte("."), wire.Prev, 17000000000000004), ".+g 17000000000000004\r\n"},
		{wire.AppendGap([]byte("."), wire.WebSocket|wire.Deflate, 0), ".\x81\x06+g 0\r\n"},
		{wire.AppendGap(nil, wire.WebSocket, 1<<63-1), "\x81\x18+g 9223372036854775807\r\n"},
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("appended %q, want %q", tt.got, tt.want)
		}
	}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	var e wire.Encoder
	m := message.Message{Key: "k", Mid: 4, Payload: []byte(`{"text": "` + strings.Repeat("hello ", 20) + `"}`)}
	fields := message.Message{Key: "k", Mid: 17000000000000004, Form: message.Fields, Payload: message.AppendFields(nil, [][]byte{[]byte("text"), m.Payload})}
	dst := make([]byte, 0, 1000)
	for v := range wire.Variant(wire.NumVariants) {
		for name, run := range map[string]func(){
			"AppendFrame":           func() { e.AppendFrame(dst, v, &m) },
			"AppendFrame of fields": func() { e.AppendFrame(dst, v, &fields) },
			"AppendText":            func() { wire.AppendText(dst, v, wire.TextHeartbeat) },
			"AppendGap":             func() { wire.AppendGap(dst, v, 4) },
			"AppendPatternFrame":    func() { e.AppendPatternFrame(dst, v, "*", &m) },
		} {
			if allocs := testing.AllocsPerRun(100, run); allocs != 0 {
				t.Errorf("%s of variant %b: %v allocations, want 0", name, v, allocs)
			}
		}
		if allocs := testing.AllocsPerRun(100, func() { e.Frame(v, &m) }); allocs > 1 {
			t.Errorf("Frame of variant %b: %v allocations, want 1", v, allocs)
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	m := message.Message{Mid: 17000000000000004, Prev: 17000000000000000, Payload: []byte(`{"text":"hello","user":4711,"rest":"` + strings.Repeat("x", 90) + `"}`)}
	for name, v := range map[string]wire.Variant{
		"resp": 0, "resp-old": wire.Old, "resp-prev": wire.Prev, "ws": wire.WebSocket, "ws-deflate": wire.WebSocket | wire.Deflate,
		"redis": wire.Redis, "redis-ids": wire.Redis | wire.RESP3 | wire.IDs,
	} {
		b.Run(name, func(b *testing.B) {
			var e wire.Encoder
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = e.AppendFrame(dst[:0], v, &m)
			}
		})
	}
}
