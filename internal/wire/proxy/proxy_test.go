package proxy_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"gopush/internal/wire/proxy"
)

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// v2 is a header of version 2.
func v2(command, family byte, rest string) string {
	return signature + string([]byte{command, family}) + string(binary.BigEndian.AppendUint16(nil, uint16(len(rest)))) + rest
}

const (
	tcp4 = "\x01\x02\x03\x04\x05\x06\x07\x08\x30\x39\x01\xbb"
	tcp6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\x30\x39\x01\xbb"
)

func withChecksum(wrong byte) string {
	b := []byte(v2(0x21, 0x11, tcp4+"\x01\x00\x02h2"+"\x03\x00\x04\x00\x00\x00\x00"))
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(b[len(b)-4:], sum)
	b[len(b)-1] ^= wrong
	return string(b)
}

// Every header is read the same however it is cut, and nothing behind it is looked at.
func TestHeaders(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"PROXY TCP4 1.2.3.4 5.6.7.8 12345 443\r\n":                  "1.2.3.4:12345",
		"PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n":          "[2001:db8::1]:12345",
		"PROXY TCP6 ::ffff:1.2.3.4 ::ffff:5.6.7.8 1 0\r\n":          "1.2.3.4:1",
		"PROXY UNKNOWN\r\n":                                         "unknown",
		"PROXY UNKNOWN ffff::1 what ever\r\n":                       "unknown",
		v2(0x21, 0x11, tcp4):                                        "1.2.3.4:12345",
		v2(0x21, 0x21, tcp6):                                        "[2001:db8::1]:12345",
		v2(0x21, 0x11, tcp4+"\x01\x00\x02h2\xe0\x00\x00"):           "1.2.3.4:12345",
		v2(0x21, 0x00, ""):                                          "unknown",
		v2(0x21, 0x12, tcp4):                                        "unknown",
		v2(0x21, 0x31, strings.Repeat("\x00", 216)):                 "unknown",
		v2(0x20, 0x00, ""):                                          "local",
		v2(0x20, 0x11, tcp4):                                        "local",
		v2(0x20, 0x11, "??"):                                        "local",
		withChecksum(0):                                             "1.2.3.4:12345",
		v2(0x21, 0x00, "\x04\xff\xfc"+strings.Repeat("n", 1<<16-4)): "unknown",
	} {
		for _, behind := range []string{"", "sub", "\x00", "\r\n\r\n"} {
			h, err := proxy.Parse([]byte(in + behind))
			if got := text(h); err != nil || got != want || h.Size != len(in) {
				t.Errorf("%.60q and %q: %s of %d bytes, %v, want %s of %d", in, behind, got, h.Size, err, want, len(in))
			}
		}
		for n := range in {
			if h, err := proxy.Parse([]byte(in[:n])); err != nil || h != (proxy.Header{}) {
				t.Errorf("the first %d bytes of %.60q: %+v, %v, want to wait for more", n, in, h, err)
			}
		}
	}
}

func text(h proxy.Header) string {
	switch {
	case h.Local:
		return "local"
	case !h.Source.IsValid():
		return "unknown"
	}
	return h.Source.String()
}

func TestMalformedHeaders(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"PROXY \r\n", "PROXY TCP4\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 12345\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
		"PROXY TCP4 ::1 5.6.7.8 1 2\r\n", "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", "PROXY TCP4 1.2.3.4 5.6.7 1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 -2\r\n", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "PROXY UNKNOWN" + strings.Repeat("x", 100),
		v2(0x22, 0x11, tcp4), v2(0x11, 0x11, tcp4), v2(0x21, 0x41, tcp4), v2(0x21, 0x13, tcp4), v2(0x21, 0x11, tcp4[:11]), v2(0x21, 0x21, tcp4),
		v2(0x21, 0x11, tcp4+"\x01\x00"), v2(0x21, 0x11, tcp4+"\x01\x00\x03h2"), v2(0x21, 0x11, tcp4+"\x03\x00\x03abc"), withChecksum(1),
	} {
		if h, err := proxy.Parse([]byte(in)); !errors.Is(err, proxy.ErrMalformed) {
			t.Errorf("%q: %+v, %v, want ErrMalformed", in, h, err)
		}
	}
	for _, in := range []string{"GET / HTTP/1.1\r\n", "*2\r\n", "PROXYTCP4", "\r\n\r\n\x01", "POST", "\x16\x03\x01", "h"} {
		if _, err := proxy.Parse([]byte(in)); err != proxy.ErrNone {
			t.Errorf("%q: %v, want ErrNone", in, err)
		}
	}
}

// Whatever comes, a header is decided by its own bytes, and once decided it stays.
func FuzzParse(f *testing.F) {
	for _, in := range []string{"PROXY TCP4 1.2.3.4 5.6.7.8 12345 443\r\nx", "PROXY UNKNOWN\r\n", v2(0x21, 0x11, tcp4), v2(0x20, 0, ""), withChecksum(0), v2(0x21, 0x21, tcp6+"\x01\x00\x02h2")} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := proxy.Parse(b)
		if h.Size > min(len(b), proxy.MaxSize) || err != nil && h.Size != 0 && !errors.Is(err, proxy.ErrMalformed) {
			t.Fatalf("%q: %+v, %v", b, h, err)
		}
		for n := range b {
			part, partErr := proxy.Parse(b[:n])
			waits := part.Size == 0 && partErr == nil
			if !waits && (part != h || (partErr == nil) != (err == nil)) {
				t.Fatalf("%d bytes of %q: %+v, %v, all: %+v, %v", n, b, part, partErr, h, err)
			}
		}
	})
}

// The rightmost address that is not trusted is the client, and nobody else's word counts.
func TestClient(t *testing.T) {
	t.Parallel()
	trusted := func(a netip.Addr) bool { return netip.MustParsePrefix("10.0.0.0/8").Contains(a) }
	for _, c := range []struct {
		peer, xff, standard, want string
		forwarded                 bool
	}{
		{"10.0.0.1", "", "", "10.0.0.1", false},
		{"10.0.0.1", "1.2.3.4", "", "1.2.3.4", true},
		{"10.0.0.1", "6.6.6.6, 1.2.3.4", "", "1.2.3.4", true},
		{"10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "", "1.2.3.4", true},
		{"10.0.0.1", "10.0.0.3, 10.0.0.2", "", "10.0.0.3", true},
		{"10.0.0.1", "1.2.3.4:5678,10.9.9.9", "", "1.2.3.4", true},
		{"10.0.0.1", "[2001:db8::1]:5678", "", "2001:db8::1", true},
		{"10.0.0.1", "[2001:db8::1]", "", "2001:db8::1", true},
		{"10.0.0.1", "::ffff:1.2.3.4", "", "1.2.3.4", true},
		{"10.0.0.1", "6.6.6.6, unknown", "", "invalid IP", true},
		{"10.0.0.1", "6.6.6.6,", "", "invalid IP", true},
		{"9.9.9.9", "1.2.3.4", "", "9.9.9.9", true},
		{"9.9.9.9", "", "for=1.2.3.4", "9.9.9.9", true},
		{"9.9.9.9", "", "", "9.9.9.9", false},
		{"10.0.0.1", "", "for=6.6.6.6, For=1.2.3.4;proto=http", "1.2.3.4", true},
		{"10.0.0.1", "", `for="[2001:db8::1]:4711";by=10.0.0.1`, "2001:db8::1", true},
		{"10.0.0.1", "", `for=1.2.3.4, for="10.0.0.2:80"`, "1.2.3.4", true},
		{"10.0.0.1", "", `for=6.6.6.6;by="a,for=7.7.7.7"`, "6.6.6.6", true},
		{"10.0.0.1", "", "for=_hidden", "invalid IP", true},
		{"10.0.0.1", "", "for=1.2.3.4;for=5.6.7.8", "invalid IP", true},
		{"10.0.0.1", "", "proto=http", "invalid IP", true},
		{"10.0.0.1", "1.2.3.4", "for=1.2.3.4", "1.2.3.4", true},
		{"10.0.0.1", "1.2.3.4", "for=6.6.6.6", "error", true},
	} {
		h := http.Header{}
		if c.xff != "" {
			h.Add("X-Forwarded-For", c.xff)
		}
		if c.standard != "" {
			h.Add("Forwarded", c.standard)
		}
		client, forwarded, err := proxy.Client(netip.MustParseAddr(c.peer), h, trusted)
		got := client.String()
		if err != nil {
			got = "error"
		}
		if got != c.want || forwarded != c.forwarded {
			t.Errorf("%s with %q and %q: %s, forwarded %v, want %s, %v", c.peer, c.xff, c.standard, got, forwarded, c.want, c.forwarded)
		}
	}
	h := http.Header{"X-Forwarded-For": {"6.6.6.6", "1.2.3.4"}}
	if client, _, _ := proxy.Client(netip.MustParseAddr("10.0.0.1"), h, trusted); client.String() != "1.2.3.4" {
		t.Errorf("of two fields: %s, want the last one's", client)
	}
}

func FuzzClient(f *testing.F) {
	f.Add("1.2.3.4, 10.0.0.2", `for="[::1]:80";by=x, for=_h`)
	trusted := func(a netip.Addr) bool { return netip.MustParsePrefix("10.0.0.0/8").Contains(a) }
	f.Fuzz(func(t *testing.T, xff, standard string) {
		for _, h := range []http.Header{{"X-Forwarded-For": {xff}}, {"Forwarded": {standard}}, {"X-Forwarded-For": {xff}, "Forwarded": {standard}}} {
			client, forwarded, err := proxy.Client(netip.MustParseAddr("10.0.0.1"), h, trusted)
			if !forwarded || err != nil && client.IsValid() {
				t.Fatalf("%v: %v, %v, %v", h, client, forwarded, err)
			}
		}
	})
}
