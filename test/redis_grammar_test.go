package test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gopush/internal/redis/redistest"
)

// grammarPieces are what requests are made of, in any order, and what they must not be made of.
var grammarPieces = []string{
	"PING\r\n", "ping a\n", "ECHO \"a\\x41\\n\"\r\n", "foo 'b c' d\r\n", "\r\n", "\n", " ", "quit\r\n", "'", "\"", "\\", "\x00", "\xff", "x",
	"*1\r\n$4\r\nPING\r\n", "*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\n", "*3\r\n$3\r\nfoo\r\n$0\r\n\r\n$1\r\nb\r\n", "*0\r\n", "*-1\r\n",
	"*1\r\n", "*2\r\n", "*x\r\n", "*", "$", "$4\r\n", "$-1\r\n", "$x\r\n", "$01\r\n", "*99999999999\r\n", "$99999999999\r\n", "+OK\r\n", ":1\r\n", "-", "0",
}

// Whatever bytes come, in whatever pieces, a node finds the same requests in them as redis-server, and the same mistakes, and closes
// when it does.
func TestBytesAreReadAsRedisReadsThem(t *testing.T) {
	redis := redistest.StartEcho(t)
	onEngines(t, nil, func(t *testing.T, n *node) {
		rapid.Check(t, func(t *rapid.T) {
			pieces := rapid.SliceOfN(rapid.SampledFrom(grammarPieces), 1, 12).Draw(t, "pieces")
			cuts := rapid.SliceOfN(rapid.IntRange(1, 100), 0, 3).Draw(t, "cuts")
			sent := "PING\r\n" + strings.Join(pieces, "")
			got, err := redistest.Talk(n.admin[0], sent, cuts...)
			if err != nil {
				t.Fatalf("the node after %q: %v", sent, err)
			}
			want, err := redistest.Talk(redis, sent, cuts...)
			if err != nil || got != want {
				t.Fatalf("to %q the node replies\n%q, redis-server\n%q, %v", sent, got, want, err)
			}
		})
	})
}
