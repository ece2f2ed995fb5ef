package resp_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/wire/resp"
)

// The requests, and what is wrong with bad ones, are as redis-server 7.0.15 answers them.
func TestParseRequestTakesOneRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     []string
		n        int
	}{
		{"an array", "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n", []string{"ECHO", "hi"}, 22},
		{"any bytes", "*1\r\n$4\r\n\x00\r\n\xff\r\n", []string{"\x00\r\n\xff"}, 14},
		{"no elements", "*0\r\n*1", nil, 4},
		{"a null array", "*-1\r\n*1", nil, 5},
		{"a negative count", "*-7\r\n", nil, 5},
		{"a CR and something", "*1\rx$1\ryqzz", []string{"q"}, 11},
		{"as large as allowed", "*2\r\n$100\r\n" + strings.Repeat("x", 100) + "\r\n$76\r\n" + strings.Repeat("y", 76) + "\r\n", []string{strings.Repeat("x", 100), strings.Repeat("y", 76)}, 195},

		{"a line", "ECHO hi\r\nx", []string{"ECHO", "hi"}, 9},
		{"a line that ends in LF", "ECHO hi\nx", []string{"ECHO", "hi"}, 8},
		{"an empty line", "\r\n", nil, 2},
		{"a line with LF alone", "\n\r\n", nil, 1},
		{"white space of all kinds", " \t\v\fPING \t a\v\f \r\r\n", []string{"PING", "a\v\f"}, 18},
		{"CR between words", "a\rb\r\n", []string{"a", "b"}, 5},
		{"empty words", "a \"\" ''\n", []string{"a", "", ""}, 8},
		{"double quotes", `a "b c" "\x41\xfF\n\r\t\b\a\"\\\q" "\xg1\x4"` + "\n", []string{"a", "b c", "A\xff\n\r\t\b\a\"\\q", "xg1x4"}, 45},
		{"single quotes", `'b c' 'it\'s' '\n\\x' '"'` + "\n", []string{"b c", "it's", `\n\\x`, `"`}, 26},
		{"quotes that begin within a word", `a"b c" d'e'` + "\r\n", []string{"ab c", "de"}, 13},
		{"a backslash without quotes", `a\n` + "\n", []string{`a\n`}, 4},
		{"white space of all kinds after quotes", "'a'\v'b'\f\n", []string{"a", "b"}, 9},
		{"CR in quotes", "'a\rb'\r\n", []string{"a\rb"}, 7},
		{"a number of another kind", "$3\r\n", []string{"$3"}, 4},
		{"as many words as allowed", "1 2 3 4 5 6\n", []string{"1", "2", "3", "4", "5", "6"}, 12},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for cut := range tt.n {
				if out, n, err := resp.ParseRequest(nil, []byte(tt.in[:cut]), limits(), true); n != 0 || err != nil {
					t.Fatalf("ParseRequest(%q) = %q, %d, %v, want more bytes to be needed", tt.in[:cut], out, n, err)
				}
			}
			for cut := tt.n; cut <= len(tt.in); cut++ {
				out, n, err := resp.ParseRequest(nil, []byte(tt.in[:cut]), limits(), true)
				if err != nil || n != tt.n || cmp.Diff(append([]string{}, tt.want...), text(out)) != "" {
					t.Fatalf("ParseRequest(%q) = %q, %d, %v, want %q, %d", tt.in[:cut], out, n, err, tt.want, tt.n)
				}
			}
		})
	}
}

// Each bad input ends with the byte at which it must be found out; one byte less is still good.
func TestParseRequestRefusesInRedissWords(t *testing.T) {
	t.Parallel()
	long := limits()
	long.MaxBytes = 1 << 20
	tests := []struct {
		name, in string
		lim      resp.Limits
		want     string
	}{
		{"no count", "*\r\n", limits(), "invalid multibulk length"},
		{"a count with a plus sign", "*+1\r\n", limits(), "invalid multibulk length"},
		{"a count with a leading zero", "*01\r\n", limits(), "invalid multibulk length"},
		{"minus nothing", "*-0\r\n", limits(), "invalid multibulk length"},
		{"a count with a space", "* 1\r\n", limits(), "invalid multibulk length"},
		{"a count that is too high", "*2147483648\r\n", limits(), "invalid multibulk length"},
		{"a count that overflows", "*9999999999999999999\r\n", limits(), "invalid multibulk length"},
		{"a count without an end", "*" + strings.Repeat("1", 65536), long, "too big mbulk count string"},
		{"another type within", "*1\r\n:1\r\n", limits(), "expected '$', got ':'"},
		{"an empty line within", "*1\r\n\r\n", limits(), "expected '$', got '\r'"},
		{"no length", "*1\r\n$\r\n", limits(), "invalid bulk length"},
		{"a null within", "*1\r\n$-1\r\n", limits(), "invalid bulk length"},
		{"a length with a leading zero", "*1\r\n$01\r\n", limits(), "invalid bulk length"},
		{"a length that is too high", "*1\r\n$536870913\r\n", limits(), "invalid bulk length"},
		{"a length without an end", "*1\r\n$" + strings.Repeat("1", 65536), long, "too big bulk count string"},
		{"a line without an end", strings.Repeat("x", 65537), long, "too big inline request"},
		{"a line whose end a NUL hides", "\x00\r\n" + strings.Repeat("x", 65534), long, "too big inline request"},
		{"double quotes without an end", "a \"b\n", limits(), "unbalanced quotes in request"},
		{"double quotes that end in a backslash", "a \"b\\\n", limits(), "unbalanced quotes in request"},
		{"single quotes without an end", "a 'b\\'\r\n", limits(), "unbalanced quotes in request"},
		{"quotes that end within a word", "a 'b'c\n", limits(), "unbalanced quotes in request"},

		{"too many arguments", "*7\r\n", limits(), "7 arguments, max_arguments is 6"},
		{"too many words", "1 2 3 4 5 6 7\n", limits(), "7 arguments, max_arguments is 6"},
		{"an argument that is too long", "*1\r\n$101\r\n", limits(), "argument of 101 bytes, the limit is 100"},
		{"a word that is too long", strings.Repeat("x", 101) + "\n", limits(), "argument of 101 bytes, the limit is 100"},
		{"a request that is going to be too long", "*2\r\n$99\r\n" + strings.Repeat("x", 99) + "\r\n$84\r\n", limits(), "request of at least 201 bytes, max_command_bytes is 200"},
		{"a line that is too long", strings.Repeat(" ", 200), limits(), "request of at least 201 bytes, max_command_bytes is 200"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for cut := range tt.in {
				if cut > 300 && cut < len(tt.in)-300 {
					continue
				}
				if _, n, err := resp.ParseRequest(nil, []byte(tt.in[:cut]), tt.lim, true); n != 0 || err != nil {
					t.Fatalf("ParseRequest(%q) = %d, %v, want more bytes to be needed", tt.in[:cut], n, err)
				}
			}
			for _, more := range []string{"", "\r\n", "$1\r\nx\r\n"} {
				_, n, err := resp.ParseRequest(nil, []byte(tt.in+more), tt.lim, true)
				wantError(t, tt.in+more, n, err, "Protocol error: "+tt.want)
			}
		})
	}
}

func TestParseRequestTakesLinesWhereAllowed(t *testing.T) {
	t.Parallel()
	_, n, err := resp.ParseRequest(nil, []byte("PING\r\n"), limits(), false)
	wantError(t, "PING\r\n", n, err, "Protocol error: expected '*', got 'P'")
}

func TestParseRequestAliases(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"*2\r\n$1\r\na\r\n$1\r\nb\r\n", "a b\n"} {
		buf := []byte(in)
		args := make([][]byte, 0, 4)
		out, _, err := resp.ParseRequest(args, buf, limits(), true)
		if err != nil || len(out) != 2 || &out[0] != &args[:1][0] {
			t.Fatalf("ParseRequest(%q) = %q, %v, want the slice that was given to be used", in, out, err)
		}
		if full := out[1]; cap(full) != len(full) {
			t.Fatalf("an argument of %d bytes has room for %d: appending to it would write into the buffer", len(full), cap(full))
		}
		clear(buf)
		if string(out[0]) != "\x00" || string(out[1]) != "\x00" {
			t.Fatalf("the arguments of %q do not alias it", in)
		}
	}
}

func TestParseRequestDoesNotAllocate(t *testing.T) {
	args := make([][]byte, 0, 6)
	for _, in := range [][]byte{[]byte(aSub), []byte(aSub[:len(aSub)-1]), []byte("*"), []byte("*0\r\n"), []byte("PING a b\r\n"), []byte("PING a")} {
		if allocs := testing.AllocsPerRun(100, func() { args, _, _ = resp.ParseRequest(args, in, limits(), true) }); allocs != 0 {
			t.Errorf("ParseRequest(%q): %v allocations, want 0", in, allocs)
		}
	}
}

// BenchmarkPipeline is of a read of 64 KiB full of commands; beside it, the stricter grammar.
func BenchmarkPipeline(b *testing.B) {
	const aPublish = "*3\r\n$7\r\nPUBLISH\r\n$8\r\nuser:123\r\n$5\r\nhello\r\n"
	in := bytes.Repeat([]byte(aPublish), 64<<10/len(aPublish))
	lines := bytes.Repeat([]byte("PUBLISH user:123 hello\r\n"), 64<<10/24)
	lim := resp.Limits{MaxArgs: 1024, MaxArgBytes: 1 << 20, MaxBytes: 1 << 20}
	for _, bb := range []struct {
		name  string
		in    []byte
		parse func(args [][]byte, buf []byte) ([][]byte, int, error)
	}{
		{"request", in, func(args [][]byte, buf []byte) ([][]byte, int, error) { return resp.ParseRequest(args, buf, lim, true) }},
		{"command", in, func(args [][]byte, buf []byte) ([][]byte, int, error) { return resp.ParseCommand(args, buf, lim) }},
		{"line", lines, func(args [][]byte, buf []byte) ([][]byte, int, error) { return resp.ParseRequest(args, buf, lim, true) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			args := make([][]byte, 0, 8)
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.in)))
			requests := 0
			for b.Loop() {
				for buf := bb.in; len(buf) > 0; requests++ {
					out, n, err := bb.parse(args, buf)
					if n == 0 || err != nil || len(out) != 3 {
						b.Fatalf("parsed %q, %d, %v", out, n, err)
					}
					buf = buf[n:]
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(requests), "ns/request")
		})
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		"*3\r\n$3\r\nsub\r\n$1\r\nk\r\n$2\r\n30\r\n", "*2\r\n$3\r\nsub\r\n$0\r\n\r\nh", "*1\r\n$4\r\na\r\nb\r\n", "*1\rx$1\ryqzz",
		"*0\r\n", "*-1\r\n", "*01\r\n", "*7\r\n", "*9999999999", "*1\r\n$101\r\n", "*1\r\n$-1\r\n", "*1\r\n$1\r\nxy", "POST / HTTP/1.1\r\n",
		"a 'b\\'' \"\\x41\\n\"\n", "a\"b\n", "\x00\n", "\r\n",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, in []byte, inline bool) {
		before := bytes.Clone(in)
		out, n, err := resp.ParseRequest(nil, in, limits(), inline)
		switch {
		case !bytes.Equal(in, before):
			t.Fatalf("ParseRequest(%q) changed its input to %q", before, in)
		case err != nil && n != 0, n < 0, n > len(in), n > limits().MaxBytes:
			t.Fatalf("ParseRequest(%q) = %q, %d, %v", in, out, n, err)
		}
		for cut := range in {
			early, m, earlyErr := resp.ParseRequest(nil, in[:cut], limits(), inline)
			decided := m != 0 || earlyErr != nil
			if decided && (m != n || m != 0 && cmp.Diff(text(early), text(out)) != "" || message(earlyErr) != message(err)) {
				t.Fatalf("ParseRequest(%q) = %q, %d, %v, but of its first %d bytes %q, %d, %v", in, out, n, err, cut, early, m, earlyErr)
			}
			if !decided && n != 0 && cut >= n {
				t.Fatalf("ParseRequest(%q) needs more than the %d bytes it takes", in[:cut], n)
			}
		}
		strict, size, _ := resp.ParseCommand(nil, in, limits())
		if size != 0 && (size != n || cmp.Diff(text(strict), text(out)) != "") {
			t.Fatalf("ParseRequest(%q) = %q, %d, %v, ParseCommand has %q, %d", in, out, n, err, strict, size)
		}
	})
}
