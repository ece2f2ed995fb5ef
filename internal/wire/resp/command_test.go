package resp_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gopush/internal/wire/resp"
)

func limits() resp.Limits { return resp.Limits{MaxArgs: 6, MaxArgBytes: 100, MaxBytes: 200} }

func TestParseCommandTakesOneCommand(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     []string
		n        int
	}{
		{"a subscription", "*3\r\n$3\r\nsub\r\n$1\r\nk\r\n$2\r\n30\r\n", []string{"sub", "k", "30"}, 28},
		{"an empty argument", "*2\r\n$3\r\nsub\r\n$0\r\n\r\n", []string{"sub", ""}, 19},
		{"CR LF within an argument", "*1\r\n$4\r\na\r\nb\r\n", []string{"a\r\nb"}, 14},
		{"any bytes", "*1\r\n$3\r\n\x00\xff*\r\n", []string{"\x00\xff*"}, 13},
		{"what follows is left", "*1\r\n$1\r\nx\r\nh*1\r\n", []string{"x"}, 11},
		{"as many arguments as allowed", "*6\r\n" + strings.Repeat("$1\r\nx\r\n", 6), []string{"x", "x", "x", "x", "x", "x"}, 46},
		{"as long an argument as allowed", "*1\r\n$100\r\n" + strings.Repeat("x", 100) + "\r\n", []string{strings.Repeat("x", 100)}, 112},
		{
			"as long a command as allowed", "*2\r\n$99\r\n" + strings.Repeat("x", 99) + "\r\n$83\r\n" + strings.Repeat("y", 83) + "\r\n",
			[]string{strings.Repeat("x", 99), strings.Repeat("y", 83)},
			200,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for cut := range tt.n {
				if out, n, err := resp.ParseCommand(nil, []byte(tt.in[:cut]), limits()); n != 0 || err != nil {
					t.Fatalf("ParseCommand(%q) = %q, %d, %v, want more bytes to be needed", tt.in[:cut], out, n, err)
				}
			}
			for cut := tt.n; cut <= len(tt.in); cut++ {
				out, n, err := resp.ParseCommand(nil, []byte(tt.in[:cut]), limits())
				if err != nil || n != tt.n || cmp.Diff(tt.want, text(out)) != "" {
					t.Fatalf("ParseCommand(%q) = %q, %d, %v, want %q, %d", tt.in[:cut], out, n, err, tt.want, tt.n)
				}
			}
		})
	}
}

// Each bad input ends with the byte at which it must be found out; one byte less is still good.
func TestParseCommandRefusesAtOnce(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"another type", "$", `'$' where '*' is due`},
		{"an inline command", "P", `'P' where '*' is due`},
		{"no arguments", "*0\r\n", "empty command"},
		{"no number", "*\r", `'\r' where a number is due`},
		{"a negative count", "*-", `'-' where a number is due`},
		{"a plus sign", "*+", `'+' where a number is due`},
		{"a space", "* ", `' ' where a number is due`},
		{"a leading zero", "*01", "number after '*' is too long"},
		{"two zeros", "*00", "number after '*' is too long"},
		{"a count that overflows", "*9999999999", "number after '*' is too long"},
		{"something after the number", "*1x", `'x' where CR LF is due`},
		{"LF alone", "*1\n", `'\n' where CR LF is due`},
		{"CR alone", "*1\r$", "CR without LF"},
		{"too many arguments", "*7\r\n", "7 arguments, max_arguments is 6"},
		{"very many arguments", "*999999999\r\n", "999999999 arguments, max_arguments is 6"},
		{"an argument of another type", "*1\r\n+", `'+' where '$' is due`},
		{"a null argument", "*1\r\n$-", `'-' where a number is due`},
		{"an argument's leading zero", "*1\r\n$00", "number after '$' is too long"},
		{"an argument too long", "*1\r\n$101\r\n", "argument of 101 bytes, the limit is 100"},
		{"a length that overflows", "*1\r\n$1844674407", "number after '$' is too long"},
		{"a command too long", "*2\r\n$99\r\n" + strings.Repeat("x", 99) + "\r\n$84\r\n", "command of at least 201 bytes, max_command_bytes is 200"},
		{"data longer than its length", "*1\r\n$1\r\nxy", `'y' where CR LF is due`},
		{"data ending in LF alone", "*1\r\n$1\r\nx\n", `'\n' where CR LF is due`},
		{"data ending in CR alone", "*1\r\n$1\r\nx\rx", "CR without LF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			last := len(tt.in) - 1
			for cut := range last + 1 {
				if _, n, err := resp.ParseCommand(nil, []byte(tt.in[:cut]), limits()); n != 0 || err != nil {
					t.Fatalf("ParseCommand(%q) = %d, %v, want more bytes to be needed", tt.in[:cut], n, err)
				}
			}
			for _, more := range []string{"", "\r\n", "$1\r\nx\r\n"} {
				_, n, err := resp.ParseCommand(nil, []byte(tt.in+more), limits())
				wantError(t, tt.in+more, n, err, tt.want)
			}
		})
	}
}

func wantError(t *testing.T, in string, n int, err error, want string) {
	t.Helper()
	var bad *resp.Error
	if !errors.As(err, &bad) || bad.Reason != want || n != 0 {
		t.Fatalf("parsing %q = %d, %v, want the error %q", in, n, err, want)
	}
}

func TestParseCommandReusesArgs(t *testing.T) {
	t.Parallel()
	args := make([][]byte, 0, 4)
	out, _, err := resp.ParseCommand(args, []byte("*1\r\n$1\r\nx\r\n"), limits())
	if err != nil || cap(out) != 4 || &out[0] != &args[:1][0] {
		t.Fatalf("ParseCommand = %q, %v, want the slice that was given to be used", out, err)
	}
	if full := out[0]; cap(full) != len(full) {
		t.Fatalf("an argument of %d bytes has room for %d: appending to it would write into the buffer", len(full), cap(full))
	}
}

func TestParseCommandReadsWhatAppendWrote(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.StringN(0, -1, 100), 1, 20).Draw(t, "args")
		wire := resp.AppendArray(nil, len(want))
		for _, arg := range want {
			wire = resp.AppendBulk(wire, arg)
		}
		out, n, err := resp.ParseCommand(nil, wire, resp.Limits{MaxArgs: 20, MaxArgBytes: 100, MaxBytes: len(wire)})
		if err != nil || n != len(wire) || cmp.Diff(want, text(out)) != "" {
			t.Fatalf("ParseCommand(%q) = %q, %d, %v", wire, out, n, err)
		}
		if _, _, err = resp.ParseCommand(nil, wire, resp.Limits{MaxArgs: 20, MaxArgBytes: 100, MaxBytes: len(wire) - 1}); err == nil {
			t.Fatalf("ParseCommand(%q) took %d bytes with a limit one below", wire, len(wire))
		}
	})
}

// aSub is a command as devices send it.
const aSub = "*5\r\n$3\r\nsub\r\n$3\r\nkey\r\n$2\r\n30\r\n$5\r\ntoken\r\n$3\r\n1.0\r\n"

func TestParseCommandDoesNotAllocate(t *testing.T) {
	args := make([][]byte, 0, 6)
	for _, in := range [][]byte{[]byte(aSub), []byte(aSub[:len(aSub)-1]), []byte("*")} {
		if allocs := testing.AllocsPerRun(100, func() { args, _, _ = resp.ParseCommand(args, in, limits()) }); allocs != 0 {
			t.Errorf("ParseCommand(%q): %v allocations, want 0", in, allocs)
		}
	}
}

func BenchmarkParseCommand(b *testing.B) {
	in, args := []byte(aSub), make([][]byte, 0, 6)
	b.ReportAllocs()
	for b.Loop() {
		args, _, _ = resp.ParseCommand(args[:0], in, limits())
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, seed := range []string{
		"*3\r\n$3\r\nsub\r\n$1\r\nk\r\n$2\r\n30\r\n", "*2\r\n$3\r\nsub\r\n$0\r\n\r\nh", "*1\r\n$4\r\na\r\nb\r\n",
		"*0\r\n", "*-1\r\n", "*01\r\n", "*7\r\n", "*9999999999", "*1\r\n$101\r\n", "*1\r\n$-1\r\n", "*1\r\n$1\r\nxy", "POST / HTTP/1.1\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		out, n, err := resp.ParseCommand(nil, in, limits())
		if len(in) > 0 && in[0] == '*' { // a push is a command that begins otherwise
			pushed, m, pushErr := resp.ParsePush(nil, append([]byte{'>'}, in[1:]...), limits())
			if m != n || cmp.Diff(text(pushed), text(out)) != "" || (pushErr == nil) != (err == nil) {
				t.Fatalf("ParsePush(%q) = %q, %d, %v, but ParseCommand %q, %d, %v", in[1:], pushed, m, pushErr, out, n, err)
			}
		}
		switch {
		case !bytes.Equal(in, before):
			t.Fatalf("ParseCommand(%q) changed its input to %q", before, in)
		case err != nil && n != 0, n < 0, n > len(in), n > limits().MaxBytes:
			t.Fatalf("ParseCommand(%q) = %q, %d, %v", in, out, n, err)
		}
		for cut := range in {
			early, m, earlyErr := resp.ParseCommand(nil, in[:cut], limits())
			decided := m != 0 || earlyErr != nil
			if decided && (m != n || cmp.Diff(text(early), text(out)) != "" || message(earlyErr) != message(err)) {
				t.Fatalf("ParseCommand(%q) = %q, %d, %v, but of its first %d bytes %q, %d, %v", in, out, n, err, cut, early, m, earlyErr)
			}
			if !decided && n != 0 && cut >= n {
				t.Fatalf("ParseCommand(%q) needs more than the %d bytes it takes", in[:cut], n)
			}
		}
		if n == 0 {
			return
		}
		wire := resp.AppendArray(nil, len(out))
		for _, arg := range out {
			wire = resp.AppendBulk(wire, arg)
		}
		if !bytes.Equal(wire, in[:n]) {
			t.Fatalf("ParseCommand(%q) = %q, which is written as %q", in[:n], out, wire)
		}
	})
}

func text(args [][]byte) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = string(arg)
	}
	return out
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
