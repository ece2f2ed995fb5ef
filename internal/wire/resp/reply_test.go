package resp_test

import (
	"bytes"
	"strings"
	"testing"

	"gopush/internal/wire/resp"
)

func TestParseReplyTakesOneReply(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		kind     byte
		data     string
		n        int
	}{
		{"subscribed", "+h\r\n", '+', "h", 4},
		{"a gap", "+g 17000000000000000\r\n+h", '+', "g 17000000000000000", 22},
		{"refused", "-p\r\n", '-', "p", 4},
		{"an empty line", "+\r\n", '+', "", 3},
		{"the longest line", "+" + strings.Repeat("x", 40) + "\r\n", '+', strings.Repeat("x", 40), 43},
		{"a message", "$2\r\n{}\r\n$2", '$', "{}", 8},
		{"a message with CR LF", "$3\r\n\r\n\n\r\n", '$', "\r\n\n", 9},
		{"an empty message", "$0\r\n\r\n", '$', "", 6},
		{"the longest message", "$40\r\n" + strings.Repeat("x", 40) + "\r\n", '$', strings.Repeat("x", 40), 47},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for cut := range tt.n {
				if _, _, n, err := resp.ParseReply([]byte(tt.in[:cut]), 40); n != 0 || err != nil {
					t.Fatalf("ParseReply(%q) = %d, %v, want more bytes to be needed", tt.in[:cut], n, err)
				}
			}
			for cut := tt.n; cut <= len(tt.in); cut++ {
				kind, data, n, err := resp.ParseReply([]byte(tt.in[:cut]), 40)
				if err != nil || kind != tt.kind || string(data) != tt.data || n != tt.n {
					t.Fatalf("ParseReply(%q) = %q, %q, %d, %v, want %q, %q, %d", tt.in[:cut], kind, data, n, err, tt.kind, tt.data, tt.n)
				}
			}
		})
	}
}

// Each bad input ends with the byte at which it must be found out; one byte less is still good.
func TestParseReplyRefusesAtOnce(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"another type", "H", `'H' where a reply is due`},
		{"an array", "*", `'*' where a reply is due`},
		{"LF without CR", "+h\n", `'\n' where CR LF is due`},
		{"CR without LF", "+h\rh", "CR without LF"},
		{"a line too long", "+" + strings.Repeat("x", 41), "line of at least 41 bytes, the limit is 40"},
		{"a null message", "$-", `'-' where a number is due`},
		{"a message too long", "$41\r\n", "reply of 41 bytes, the limit is 40"},
		{"a length that overflows", "$9999999999", "number after '$' is too long"},
		{"data longer than its length", "$2\r\n{}}", `'}' where CR LF is due`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for cut := range len(tt.in) {
				if _, _, n, err := resp.ParseReply([]byte(tt.in[:cut]), 40); n != 0 || err != nil {
					t.Fatalf("ParseReply(%q) = %d, %v, want more bytes to be needed", tt.in[:cut], n, err)
				}
			}
			for _, more := range []string{"", "\r\n", "$1\r\nx\r\n"} {
				_, _, n, err := resp.ParseReply([]byte(tt.in+more), 40)
				wantError(t, tt.in+more, n, err, tt.want)
			}
		})
	}
}

func FuzzParseReply(f *testing.F) {
	for _, seed := range []string{"+h\r\n", "-p\r\n", "+\r\n", "$2\r\n{}\r\n+h\r\n", "$0\r\n\r\n", "$-1\r\n", "$41\r\n", "+h\n", "+h\rh", "*1\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		kind, data, n, err := resp.ParseReply(in, 40)
		if err != nil && n != 0 || n < 0 || n > len(in) || len(data) > 40 {
			t.Fatalf("ParseReply(%q) = %q, %q, %d, %v", in, kind, data, n, err)
		}
		for cut := range in {
			k, d, m, e := resp.ParseReply(in[:cut], 40)
			if (m != 0 || e != nil) && (k != kind || m != n || !bytes.Equal(d, data) || message(e) != message(err)) {
				t.Fatalf("ParseReply(%q) = %q, %q, %d, %v, but of its first %d bytes %q, %q, %d, %v", in, kind, data, n, err, cut, k, d, m, e)
			}
		}
		var wire []byte
		switch kind {
		case '$':
			wire = resp.AppendBulk(nil, data)
		case '+':
			wire = resp.AppendSimple(nil, string(data))
		case '-':
			wire = resp.AppendError(nil, string(data))
		}
		if !bytes.Equal(wire, in[:n]) {
			t.Fatalf("ParseReply(%q) = %q, %q, which is written as %q", in[:n], kind, data, wire)
		}
	})
}
