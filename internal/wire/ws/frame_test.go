package ws_test

import (
	"strings"
	"testing"

	"gopush/internal/wire/ws"
)

// The examples of RFC 6455 section 5.7, and the edges between the forms of a length.
func TestAppendFrame(t *testing.T) {
	t.Parallel()
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	long := strings.Repeat("x", 1<<16)
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"text", ws.AppendFrame([]byte("."), ws.Text, false, []byte("Hello")), ".\x81\x05Hello"},
		{"masked text", ws.AppendMasked([]byte("."), ws.Text, false, mask, []byte("Hello")), ".\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{"masked, more than a word", ws.AppendMasked(nil, ws.Text, false, [4]byte{1, 2, 3, 4}, make([]byte, 11)), "\x81\x8b\x01\x02\x03\x04\x01\x02\x03\x04\x01\x02\x03\x04\x01\x02\x03"},
		{"compressed", ws.AppendFrame(nil, ws.Binary, true, []byte("\x00")), "\xc2\x01\x00"},
		{"empty ping", ws.AppendFrame(nil, ws.Ping, false, nil), "\x89\x00"},
		{"125 bytes", ws.AppendFrame(nil, ws.Binary, false, []byte(long[:125])), "\x82\x7d" + long[:125]},
		{"126 bytes", ws.AppendFrame(nil, ws.Binary, false, []byte(long[:126])), "\x82\x7e\x00\x7e" + long[:126]},
		{"65535 bytes", ws.AppendFrame(nil, ws.Binary, false, []byte(long[:65535])), "\x82\x7e\xff\xff" + long[:65535]},
		{"65536 bytes", ws.AppendFrame(nil, ws.Binary, false, []byte(long)), "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + long},
		{"close", ws.AppendClose([]byte("."), ws.CloseNormal, "bye"), ".\x88\x05\x03\xe8bye"},
		{"close without a code", ws.AppendClose(nil, ws.CloseNoStatus, "bye"), "\x88\x00"},
		{"close with a long reason", ws.AppendClose(nil, ws.ClosePolicy, long), "\x88\x7d\x03\xf0" + long[:123]},
		{"close with a reason that is cut between characters", ws.AppendClose(nil, ws.ClosePolicy, strings.Repeat("é", 62)), "\x88\x7c\x03\xf0" + strings.Repeat("é", 61)},
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("%s: appended %.60q, want %.60q", tt.name, tt.got, tt.want)
		}
	}
}

func TestAppendFrameLeavesThePayload(t *testing.T) {
	t.Parallel()
	payload := []byte("Hello")
	if ws.AppendMasked(nil, ws.Text, false, [4]byte{1, 2, 3, 4}, payload); string(payload) != "Hello" {
		t.Errorf("AppendMasked changed its payload to %q", payload)
	}
}

func TestAppendFrameDoesNotAllocate(t *testing.T) {
	dst, payload := make([]byte, 0, 300), []byte("Hello")
	for name, run := range map[string]func(){
		"AppendFrame":  func() { ws.AppendFrame(dst, ws.Text, false, payload) },
		"AppendMasked": func() { ws.AppendMasked(dst, ws.Text, false, [4]byte{1, 2, 3, 4}, payload) },
		"AppendClose":  func() { ws.AppendClose(dst, ws.CloseNormal, "bye") },
	} {
		if allocs := testing.AllocsPerRun(100, run); allocs != 0 {
			t.Errorf("%s: %v allocations, want 0", name, allocs)
		}
	}
}
