package test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// malformedRESP breaks the grammar of a command, or a limit, as soon as its last byte is there:
// nothing more is waited for.
var malformedRESP = []struct{ name, sent string }{
	{"no count", "*\r\n"},
	{"a count that is a word", "*x"},
	{"a count of 0", "*0\r\n"},
	{"a negative count", "*-1"},
	{"a count with a plus", "*+3"},
	{"a count with a space", "* 3"},
	{"a count with a fraction", "*3.0"},
	{"a count above the limit", "*16385\r\n"},
	{"a count of a billion", "*1000000000"},
	{"a count that overflows int64", "*9223372036854775808"},
	{"a count that overflows uint64", "*18446744073709551619"},
	{"digits without end", "*" + strings.Repeat("0", 100)},
	{"a count that ends with LF", "*3\n"},
	{"a count that ends with CR and no LF", "*3\rx"},
	{"an integer as argument", "*3\r\n:3"},
	{"a simple string as argument", "*3\r\n+sub"},
	{"an array as argument", "*3\r\n*1"},
	{"bytes without a length as argument", "*3\r\nsub"},
	{"an empty line as argument", "*3\r\n\r\n"},
	{"no length", "*3\r\n$\r\n"},
	{"a length that is a word", "*3\r\n$x"},
	{"a negative length", "*3\r\n$-1"},
	{"a length of a gigabyte", "*3\r\n$1073741824\r\n"},
	{"a length of 2^31", "*3\r\n$2147483648"},
	{"a length of 2^32 and 3", "*3\r\n$4294967299"},
	{"a length that overflows int64", "*3\r\n$9223372036854775808"},
	{"a length that overflows uint64", "*3\r\n$18446744073709551619"},
	{"a length above the limit", "*3\r\n$3\r\nsub\r\n$65537\r\n"},
	{"a length that ends with LF", "*3\r\n$3\n"},
	{"data longer than its length", "*3\r\n$3\r\nsubx"},
	{"data shorter than its length", "*3\r\n$5\r\nsub\r\n$1"},
	{"data that ends with LF", "*3\r\n$3\r\nsub\n"},
	{"data that ends with CR and no LF", "*3\r\n$3\r\nsub\r$"},
	{"a length in UTF-16 units", "*3\r\n$3\r\nsub\r\n$4\r\nžluť\r\n$2\r\n30\r\n"}, // the Java client's
	{"NUL", "\x00"},
	{"a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
	{"an inline command", "PING\r\n"},
	{"a reply", "+OK\r\n"},
	{"an SSH banner", "SSH-2.0-OpenSSH_9.6\r\n"},
	{"HTTP/0.9", "GET /\r\n"},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
}

func TestMalformedRESP(t *testing.T) {
	onEngines(t, []string{"--first-packet-timeout", "1h"}, func(t *testing.T, n *node) {
		w := newWitness(n)
		for _, tt := range malformedRESP {
			t.Run(tt.name, func(t *testing.T) { n.in(t).refusesCommand(tt.sent) })
		}
		w.check(t)
	})
}

// refusesCommand sends what is to be answered by -p, the close, and a count.
func (n *node) refusesCommand(sent string) {
	n.t.Helper()
	before := n.closed("bad_command")
	p := dial(n.t, n.public[0])
	p.send(sent)
	p.expectEnd("-p\r\n")
	p.Close()
	n.expectClosed("bad_command", before+1)
}

// A mistake is found in whatever pieces it comes.
func TestMalformedRESPInPieces(t *testing.T) {
	onEngines(t, []string{"--first-packet-timeout", "1h"}, func(t *testing.T, n *node) {
		for _, tt := range malformedRESP {
			t.Run(tt.name, func(t *testing.T) {
				p := dial(t, n.public[0])
				for i := range len(tt.sent) {
					p.write(tt.sent[i : i+1])
				}
				p.expectEnd("-p\r\n")
			})
		}
	})
}

// Whatever a connection sends, all at once and without reading, it is closed and others are not.
func TestGarbage(t *testing.T) {
	onEngines(t, nil, func(t *testing.T, n *node) {
		w := newWitness(n)
		for i, sent := range []string{
			strings.Repeat("\xff", 4<<20),
			strings.Repeat("*", 4<<20),
			strings.Repeat("A", 4<<20),
			"*3\r\n$3\r\nsub\r\n$4000\r\n" + strings.Repeat("k", 4<<20),
			command("sub", "k", "30") + "h" + strings.Repeat("x", 4<<20),
			handshake("k", "") + strings.Repeat("\xff", 4<<20),
		} {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				p := dial(t, n.public[0])
				go p.write(sent) // ends when the node closes
				eventually(t, "the node closes", func() bool {
					p.SetReadDeadline(time.Now().Add(patience))
					_, err := p.r.ReadByte()
					return err != nil
				})
				w.check(t)
			})
		}
	})
}
