package legacyrpc_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/rpc"
	"strings"
	"testing"

	"gopush/internal/cluster/legacyrpc"
)

// first is what the client of net/rpc of Go 1.26 writes first, in a process that has not used gob before.
const first = "\x2e\x7f\x03\x01\x01\x07Request\x01\xff\x80\x00\x01\x02\x01\rServiceMethod\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x00\x00"

// firstWithID is first as a process writes it that gave the type another id: "\x2f\xff\x81\x03…" for 65, as in the days of gopush-cluster.
func firstWithID(id uint64) string {
	body := uintOf(id*2-1) + "\x03\x01\x01\x07Request\x01" + uintOf(id*2) + first[16:]
	return uintOf(uint64(len(body))) + body
}

// uintOf is n as gob writes it.
func uintOf(n uint64) string {
	if n < 0x80 {
		return string([]byte{byte(n)})
	}
	b := bytes.TrimLeft(binary.BigEndian.AppendUint64(nil, n), "\x00")
	return string([]byte{-byte(len(b))}) + string(b)
}

func TestFirstKnowsClientsOfNetRPC(t *testing.T) {
	t.Parallel()
	if got := firstWithID(64); got != first {
		t.Fatalf("firstWithID(64) = %q, want %q", got, first)
	}
	if got := firstWithID(65); !strings.HasPrefix(got, "\x2f\xff\x81\x03\x01\x01\x07Request\x01\xff\x82\x00") {
		t.Fatalf("firstWithID(65) = %q", got)
	}
	for _, id := range []uint64{64, 65, 127, 128, 129, 32767, 32768, 70000} {
		wantFirst(t, firstWithID(id))
		c := start(t, nil).dialRaw(t)
		header := uintOf(id*2) + "\x01\x0dCometRPC.Ping\x01\x07\x00"
		io.WriteString(c, firstWithID(id)+uintOf(uint64(len(header)))+header+"\x03\x04\x00\x02")
		client := rpc.NewClient(c) // reads the answer to a call that it does not know, and asks on
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("a client with the id %d got no answer: %v", id, err)
		}
		client.Close()
	}
}

func TestFirstKnowsARealClient(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	client := rpc.NewClient(near)
	defer client.Close()
	go client.Go("CometRPC.Ping", 0, new(int), make(chan *rpc.Call, 1))
	b := make([]byte, 4096)
	n, err := far.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	wantFirst(t, string(b[:n]))
}

// wantFirst wants b to be recognised, and no part of it before 16 bytes to be something else.
func wantFirst(t *testing.T, b string) {
	t.Helper()
	for n := range len(b) + 1 {
		yes, undecided := legacyrpc.First([]byte(b[:n]))
		if !yes && !undecided || yes && undecided || n >= 16 && !yes {
			t.Errorf("First(%q) = %v, %v", b[:n], yes, undecided)
		}
	}
}

func TestFirstTakesNothingElse(t *testing.T) {
	t.Parallel()
	for _, b := range []string{
		"*3\r\n$3\r\nsub\r\n", "*1\r\n$4\r\nPING\r\n", "GET / HTTP/1.1\r\n", "POST /1/admin/push HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "PING\r\n",
		"ping\r\n", "\r\n", "./x\r\n", "/get\r\n", "0 1\r\n", "3\r\n", "1234567890123456", "..............\r\n", "////////////////", "\x16\x03\x01\x02\x00\x01",
		"\x2e\x7e\x03\x01\x01\x07Request", "\x2e\x7f\x03\x01\x01\x08Response", "\x2f\x7f\x03\x01\x01\x07Request", "\x2e\xff\x81\x03\x01\x01\x07Request",
		"\x2e\x7d\x03\x01\x01\x07Request", "\x32\xfb\x01\x01\x01\x01\x01", "\x32\xf8\xff\xff\xff\xff\xff\xff\xff\xff", "\x30\x80",
	} {
		yes, undecided := legacyrpc.First([]byte(b))
		if yes || undecided {
			t.Errorf("First(%q) = %v, %v, want neither", b, yes, undecided)
		}
	}
}

func FuzzFirst(f *testing.F) {
	f.Add([]byte(first))
	f.Add([]byte(firstWithID(70000)))
	f.Fuzz(func(t *testing.T, b []byte) {
		yes, undecided := legacyrpc.First(b)
		if yes && undecided || undecided && len(b) >= 16 {
			t.Fatalf("First(%q) = %v, %v", b, yes, undecided)
		}
		if yes && (b[0] == '*' || b[0] >= 'A' || !bytes.Contains(b[:min(16, len(b))], []byte("\x03\x01\x01\x07Req"))) {
			t.Fatalf("First(%q): that may be something else", b)
		}
	})
}
