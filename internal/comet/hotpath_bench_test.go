package comet

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// What a loop does most, a benchmark each. No loop runs: the benchmark is the holder of its lock.

// newBenchLoop returns the loop of a gateway in a void, over a running hub, and no pool: what it
// would do waits in g.pool.jobs.
func newBenchLoop(tb testing.TB) (*loop, *channel.Hub) {
	tb.Helper()
	hub, err := channel.Open(tb.Context(), channel.Config{Store: memory.New(memory.Config{}), Node: "n"})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { hub.Run(ctx); close(ended) }()
	tb.Cleanup(func() { cancel(); <-ended })
	g, _ := newVoidGateway(tb, hub)
	g.pool = newPool(0)
	return g.loops[0], hub
}

// dial adds a connection that says hello.
func (l *loop) dial(hello []byte) *conn {
	c := l.add(&Listener{}, 7)
	l.g.open.Add(1)
	l.input(c, hello)
	l.sendBatch()
	return c
}

func upgradeRequest(key string) []byte {
	return fmt.Appendf(nil, "GET /sub?key=%s&heartbeat=600&ver=1 HTTP/1.1\r\nHost: push.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", key)
}

// greetings are how clients of each dialect subscribe.
var greetings = map[string]func(key string) []byte{"resp": subCommand, "ws": upgradeRequest}

// beats are their heartbeats.
var beats = map[string]string{"resp": "h", "ws": "\x81\x81\x00\x00\x00\x00h"}

// A connection comes, subscribes and goes.
func BenchmarkSubscribe(b *testing.B) {
	for name, greeting := range greetings {
		b.Run(name, func(b *testing.B) {
			l, _ := newBenchLoop(b)
			hello := greeting("user0000001")
			b.ReportAllocs()
			for b.Loop() {
				l.close(l.dial(hello), PeerClosed)
			}
		})
	}
}

// A heartbeat comes and is answered.
func BenchmarkHeartbeat(b *testing.B) {
	for name, beat := range beats {
		b.Run(name, func(b *testing.B) {
			l, _ := newBenchLoop(b)
			run := l.beating(greetings[name], beat)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

// beating returns what makes a new connection beat once.
func (l *loop) beating(greeting func(string) []byte, beat string) func() {
	c, in := l.dial(greeting("user0000001")), []byte(beat)
	return func() {
		copy(in, beat) // WebSocket payloads are unmasked in place
		l.input(c, in)
		l.sendBatch()
	}
}

// A message is put into an inbox and taken out.
func BenchmarkInbox(b *testing.B) {
	var in inbox
	in.init()
	m := &message.Message{Payload: payload128}
	b.ReportAllocs()
	for b.Loop() {
		in.pass(m)
	}
}

// pass puts a message in and takes it out.
func (b *inbox) pass(m *message.Message) {
	b.putMessage(nil, 1, m)
	b.giveBack(b.take())
	b.delivered(cost(m))
}

// A message is delivered to so many connections of a key.
func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l, _ := newBenchLoop(b)
			run := l.delivery(n)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
		})
	}
}

// delivery returns what delivers one message to n connections.
func (l *loop) delivery(n int) func() {
	var c *conn
	for range n {
		c = l.dial(subCommand("everybody"))
	}
	ch, ref := l.groups.at(c.ref).channel, c.ref
	m := &message.Message{Mid: 1 << 60, Payload: payload128} // above all that were released
	return func() {
		m.Mid += message.MidStep
		l.Post(ch, ref, m)
		l.drain()
		for l.walk(slice) {
			continue
		}
	}
}

// A device comes back that has missed so many messages, and goes.
func BenchmarkResume(b *testing.B) {
	for _, n := range []int{0, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l, hub := newBenchLoop(b)
			for range n {
				hub.Publish(b.Context(), []message.Push{{Key: "away", Payload: payload128, Expire: time.Hour}})
			}
			hello := []byte("*6\r\n$3\r\nsub\r\n$4\r\naway\r\n$3\r\n600\r\n$0\r\n\r\n$1\r\n1\r\n$1\r\n0\r\n")
			b.ReportAllocs()
			for b.Loop() {
				c := l.dial(hello)
				l.g.pool.next()() // reads, and posts the page
				if c.resuming() != nil {
					b.Fatal("the device is not live")
				}
				l.close(c, PeerClosed)
			}
		})
	}
}

// The wheel of a loop with 1,000,000 connections moves on by a second. Heartbeats are spread over
// 300 s, and each connection has moved its deadline on since it was looked at.
func BenchmarkWheel(b *testing.B) {
	const connections, heartbeat = 1_000_000, 300
	var w wheel
	var conns slab[conn]
	for range connections {
		i := conns.take()
		c := conns.at(i)
		c.index = i
		w.set(&conns, c, 1+i*7919%heartbeat)
	}
	b.ReportAllocs()
	for b.Loop() {
		w.advance(&conns, w.now+1, connections, func(c *conn) { w.set(&conns, c, w.now+heartbeat) })
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(connections/heartbeat), "ns/conn")
}

// What a loop does most leaves no garbage.
func TestHotPathsDoNotAllocate(t *testing.T) {
	l, _ := newBenchLoop(t)
	var in inbox
	in.init()
	m := &message.Message{Payload: payload128}
	for name, run := range map[string]func(){
		"a heartbeat over RESP":           l.beating(subCommand, beats["resp"]),
		"a heartbeat over WebSocket":      l.beating(upgradeRequest, beats["ws"]),
		"a message through an inbox":      func() { in.pass(m) },
		"a message to 1000 connections":   l.delivery(1000),
		"a second of 1000 connections":    func() { l.wheel.advance(&l.conns, l.wheel.now+1, slice, l.expired) },
		"a turn with nothing to do in it": func() { l.turn() },
	} {
		run()
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}
