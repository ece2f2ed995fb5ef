package comet

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/store/memory"
)

// newTestGateway returns a gateway over a hub with a memory store, and a listener of it.
// Neither runs.
func newTestGateway(t *testing.T, engine Engine) (*Gateway, *channel.Hub, *Listener) {
	t.Helper()
	hub, err := channel.Open(t.Context(), channel.Config{Store: memory.New(memory.Config{}), Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(Config{Keys: hub, Loops: 1, Engine: engine, StoreTimeout: 2 * time.Second, Limits: testLimits()})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := g.Listen(t.Context(), Public, "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	return g, hub, ln
}

func testLimits() Limits {
	return Limits{
		MaxKeyBytes: 255, MaxCommandBytes: [numKinds]int{64 << 10, 64 << 10, 64 << 10}, MaxHeadBytes: 8 << 10,
		MaxPendingBytes: 1 << 20, MaxPendingMessages: 1024, MaxConnections: 10000, MaxArguments: 1024,
		FirstPacketTimeout: 5 * time.Second, MinHeartbeat: 30 * time.Second,
	}
}

// socketPair returns both ends of a TCP connection.
func socketPair(t *testing.T) (ours, peers net.Conn) {
	t.Helper()
	return socketPairs(t)()
}

// socketPairs returns what makes both ends of a TCP connection, as often as it is called.
func socketPairs(t *testing.T) (pair func() (ours, peers net.Conn)) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return func() (ours, peers net.Conn) {
		if peers, err = net.Dial("tcp", ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { peers.Close() })
		if ours, err = ln.Accept(); err != nil {
			t.Fatal(err)
		}
		return ours, peers
	}
}

// A handshake may end, and net/http may hand a connection back, when the loops have ended.
func TestAConnectionThatComesAfterTheEndIsClosed(t *testing.T) {
	t.Parallel()
	for name, engine := range map[string]Engine{"epoll": EngineEpoll, "net": EngineNet} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, _, ln := newTestGateway(t, engine)
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { g.Run(ctx) })
			cancel()
			running.Wait()

			ours, peers := socketPair(t)
			g.open.Add(1)
			g.adopt(ln, ours, origin{}, func(*loop, *conn) { t.Error("the connection was served") })
			peers.SetReadDeadline(time.Now().Add(10 * time.Second))
			if n, err := peers.Read(make([]byte, 1)); n != 0 || isTimeout(err) {
				t.Errorf("Read = %d, %v, want the connection closed", n, err)
			}
			if n := g.Connections(); n != 0 {
				t.Errorf("%d connections are open, want 0", n)
			}
		})
	}
}

// A gateway ends, and everything that it started, while connections come and subscribe.
func TestRunEndsWhileConnectionsCome(t *testing.T) {
	t.Parallel()
	for _, tt := range engineRows(t) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 5 {
				g, _, ln := newTestGateway(t, tt.engine)
				if tt.tls != nil {
					var err error
					if ln, err = g.Listen(t.Context(), Public, "127.0.0.1:0", tt.tls); err != nil {
						t.Fatal(err)
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				var running, coming sync.WaitGroup
				running.Go(func() { g.Run(ctx) })
				for range 4 {
					coming.Go(func() { comeUntil(ctx, ln.Addr().String(), tt.tls != nil) })
				}
				eventually(t, "connections that have not come", func() (int, bool) {
					n := 20 - int(g.Stats.Accepted.Load())
					return n, n <= 0
				})
				cancel()
				running.Wait()
				coming.Wait()
				if n := g.Connections(); n != 0 {
					t.Errorf("%d connections are open after Run, want 0", n)
				}
			}
		})
	}
}

// comeUntil makes connections that subscribe, and leaves them open, until ctx ends.
func comeUntil(ctx context.Context, addr string, secure bool) {
	for ctx.Err() == nil {
		c, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err != nil {
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if secure {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		}
		subscribe(c, "k", "")
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}
