package comet

import (
	"bytes"
	"fmt"
	"testing"

	"gopush/internal/message"
	"gopush/internal/web"
)

// publishing returns what has a new connection of l push so many messages in one read, live only, to a key
// with one subscriber in the same loop, and has the loop do all that comes of it.
func publishing(tb testing.TB, pipelined int) func() {
	tb.Helper()
	l, hub := newBenchLoop(tb)
	l.mu.Lock() // from the hub, too, which stores
	tb.Cleanup(l.mu.Unlock)
	s := &web.Settings{MaxKeyBytes: 255, MaxMessageBytes: 1 << 20}
	h := web.Admin(web.Config{Keys: hub, Settings: func() *web.Settings { return s }}, web.Trust{Loopback: true})
	ln := &Listener{g: l.g, kind: Admin, number: uint8(len(l.g.listeners))}
	ln.ServePushes(h.Pushes)
	l.g.listeners = append(l.g.listeners, ln)
	l.dial(subCommand("user0000001"))
	hub.Publish(tb.Context(), []message.Push{{Key: "user0000001", Payload: payload128}}) // has the key loaded
	c := l.add(ln, 8)
	one := fmt.Appendf(nil, "POST /v1/push/user0000001?expire=0 HTTP/1.1\r\nHost: 127.0.0.1:6970\r\nUser-Agent: Go-http-client/1.1\r\n"+
		"Content-Length: %d\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n%s", len(payload128), payload128)
	in := bytes.Repeat(one, pipelined)
	return func() {
		l.newTurn()
		l.input(c, in)
		l.drain()
		for l.walk(slice) {
			continue
		}
	}
}

// A push comes over HTTP, is answered and delivered.
func BenchmarkPush(b *testing.B) {
	for _, pipelined := range []int{1, 16} {
		b.Run(fmt.Sprint(pipelined, " in a read"), func(b *testing.B) {
			run := publishing(b, pipelined)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(pipelined), "ns/push")
		})
	}
}

// The key, the payload, the pushes, the way to answer them, the call and the message; delivering and
// answering allocate nothing.
func TestAPushAllocatesLittle(t *testing.T) {
	run := publishing(t, 1)
	run()
	if n := testing.AllocsPerRun(1000, run); n > 6 {
		t.Errorf("%v allocations, want at most 6", n)
	}
}
