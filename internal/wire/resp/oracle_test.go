package resp_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"gopush/internal/redis/redistest"
	"gopush/internal/wire/resp"
)

// FuzzRequestsAreThoseOfRedis: a redis-server finds the same requests in the same bytes, and the same mistakes.
func FuzzRequestsAreThoseOfRedis(f *testing.F) {
	for _, seed := range []string{
		"*1\r\n$4\r\nPING\r\n", "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n*2\r\n$3\r\nfoo\r\n$0\r\n\r\n", "*-1\r\n*0\r\nPING\r\n", "*2\r\n$3\r\nfoo\r\n$-1\r\n",
		"*x\r\n", "*1\r\nPING\r\n", "*1\r\n$4\r\nPINGxx*1\r\n$4\r\nquit\r\nPING\r\n", "*2147483648\r\n", "*1048577\r\n$1\r\n", "*1\r\n$536870913\r\n",
		"PING\r\n", "ping x\n", "  \r\n\r\nfoo 'a\\'b' \"c\\x41\\n\\\"\" d\r\n", "foo \"a\r\n", "foo 'a'b\r\n", "foo \x00 a\r\n", "foo\tbar\vbaz\r\n", "*3\x00\r\n", "+OK\r\n",
	} {
		f.Add([]byte(seed))
	}
	redis := redistest.StartEcho(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		want, err := redistest.Talk(redis, string(in))
		if err != nil {
			t.Fatalf("redis-server after %q: %v", in, err)
		}
		if got := string(echo(in)); got != want {
			t.Fatalf("to %q the replies are\n%q, redis-server's\n%q", in, got, want)
		}
	})
}

// echo returns what a redis-server replies to in that knows PING, ECHO and QUIT only.
func echo(in []byte) (out []byte) {
	unlimited := resp.Limits{MaxArgs: math.MaxInt32, MaxArgBytes: math.MaxInt32, MaxBytes: math.MaxInt32}
	for {
		args, n, err := resp.ParseRequest(nil, in, unlimited, true)
		if err != nil {
			return resp.AppendError(out, "ERR "+err.(*resp.Error).Reason)
		}
		if n == 0 {
			return out
		}
		in = in[n:]
		if len(args) == 0 {
			continue
		}
		switch name := strings.ToLower(string(args[0])); {
		case name == "quit":
			return resp.AppendSimple(out, "OK")
		case name == "ping" && len(args) == 1:
			out = resp.AppendSimple(out, "PONG")
		case name == "ping" && len(args) == 2, name == "echo" && len(args) == 2:
			out = resp.AppendBulk(out, args[1])
		case name == "ping" || name == "echo":
			out = resp.AppendError(out, "ERR wrong number of arguments for '"+name+"' command")
		default:
			out = resp.AppendError(out, unknown(args))
		}
	}
}

// unknown is what Redis says of a command that it does not know: rejectCommandSds in its server.c, whose %s ends at a NUL.
func unknown(args [][]byte) string {
	shown := ""
	for _, a := range args[1:] {
		if len(shown) >= 128 {
			break
		}
		shown += "'" + head(a, 128-len(shown)) + "' "
	}
	return "ERR unknown command '" + head(args[0], 128) + "', with args beginning with: " + shown
}

// head returns at most n bytes of a, and none from a NUL on.
func head(a []byte, n int) string {
	a, _, _ = bytes.Cut(a[:min(n, len(a))], []byte{0})
	return string(a)
}
