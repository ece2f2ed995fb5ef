package comet

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/message"
	"gopush/internal/wire"
)

// With the net.Conn engine every write takes a while. What is being written does not count as
// waiting, or every second message would find a fast reader slow.
func TestWhatIsBeingWrittenDoesNotWait(t *testing.T) {
	t.Parallel()
	g, hub, ln := newTestGateway(t, EngineNet)
	limits := *g.limits.Load()
	limits.MaxPendingBytes, limits.MaxPendingMessages = 1000, 1
	g.SetLimits(limits)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	running.Go(func() { g.Run(ctx) })
	defer running.Wait()
	defer cancel()

	ours, peer := net.Pipe() // takes nothing that is not read
	peer.SetDeadline(time.Now().Add(10 * time.Second))
	g.open.Add(1)
	g.adopt(ln, ours, origin{}, func(l *loop, c *conn) { l.subscribe(c, wire.Sub{Key: "k", Heartbeat: time.Minute}, 0) })
	if _, err := io.ReadFull(peer, make([]byte, len(wire.TextHeartbeat))); err != nil {
		t.Fatal(err)
	}
	hub.Publish(ctx, []message.Push{{Key: "k", Payload: []byte(strings.Repeat("x", 5000))}})
	if _, err := io.ReadFull(peer, make([]byte, 10)); err != nil { // so it is being written
		t.Fatal(err)
	}
	hub.Publish(ctx, []message.Push{{Key: "k", Payload: []byte("small")}})
	var got strings.Builder
	for buf := make([]byte, 1000); !strings.Contains(got.String(), "small"); {
		n, err := peer.Read(buf)
		if err != nil {
			t.Fatalf("after %d bytes: %v; %d closed as slow", got.Len(), err, g.Stats.Closed[Slow].Load())
		}
		got.Write(buf[:n])
	}
	hub.Publish(ctx, []message.Push{{Key: "k", Payload: []byte("1")}})
	if _, err := peer.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	// What comes first waits behind what is being written, perhaps joined; the rest has no room.
	eventually(t, "connections that are not slow", func() (int, bool) {
		hub.Publish(ctx, []message.Push{{Key: "k", Payload: []byte("1")}})
		n := 1 - g.Stats.Closed[Slow].Load()
		return int(n), n == 0
	})
}
