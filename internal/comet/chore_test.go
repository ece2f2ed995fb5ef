package comet

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire"
)

// Closing very many connections goes in slices, whatever asks for it, and reaches each of them.
func TestManyAreClosedInSlices(t *testing.T) {
	t.Parallel()
	const connections = 5000
	kicked, left := make(chan int, 1), make(chan struct{}, 1)
	for name, closeMany := range map[string]func(f *fanout){
		"kick": func(f *fanout) {
			k := f.keys.keys["a"]
			f.loop.Kick(k.channel, k.ref, nil, kicked)
		},
		"drain": func(f *fanout) { f.loop.do(func(l *loop) { l.drainAll(left) }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFanout(t.Fatalf, "a")
			for range connections {
				f.join("a", -1)
			}
			told := func() (n int) {
				for _, c := range f.living() {
					if c.state == lingering {
						n++
					}
				}
				return n
			}
			closeMany(f)
			f.loop.Flush()
			before := told()
			if before > publisherWrites {
				t.Errorf("who asked closed %d, want at most %d", before, publisherWrites)
			}
			for turns := 0; before < connections; turns++ {
				f.loop.work(slice)
				n := told()
				if n == before || n > before+slice {
					t.Fatalf("turn %d closed %d, want 1 to %d", turns, n-before, slice)
				}
				before = n
			}
			if len(f.loop.chores) != 0 || f.keys.keys["a"].count != 0 {
				t.Errorf("%d chores and %d subscribers are left, want none", len(f.loop.chores), f.keys.keys["a"].count)
			}
		})
	}
	t.Cleanup(func() {
		if n := <-kicked; n != connections {
			t.Errorf("%d were said to be kicked, want %d", n, connections)
		}
	})
}

// Connections that join, leave and change their places while their key is kicked: those that were there
// at the beginning are closed, and the kick ends.
func TestAKickEndsWhileConnectionsComeAndGo(t *testing.T) {
	t.Parallel()
	const connections = 100
	f := newFanout(t.Fatalf, "a")
	for range connections {
		f.join("a", -1)
	}
	first := f.living()
	k := f.keys.keys["a"]
	closed := make(chan int, 1)
	f.loop.kick(k.channel, k.ref, nil, closed)
	for i := 0; len(f.loop.chores) > 0; i++ {
		f.join("a", -1)
		if c := first[i]; c.ref != 0 {
			f.loop.close(c, PeerClosed)
		}
		f.loop.work(3)
		if i == connections-1 {
			t.Fatal("the kick does not end")
		}
	}
	for i, c := range first {
		if c.ref != 0 && f.readers[int32(i+1)].id == c.id {
			t.Errorf("connection %d is still subscribed", i)
		}
	}
}

// A loop that drains delivers what was posted before, and takes no more subscribers.
func TestADrainComesAfterWhatWasPosted(t *testing.T) {
	t.Parallel()
	const connections = 2 * slice
	f := newFanout(t.Fatalf, "a")
	for range connections {
		f.join("a", -1)
	}
	f.keys.post("a", false)
	f.loop.do(func(l *loop) { l.drainAll(make(chan struct{}, 1)) })
	f.keys.post("a", false)
	f.join("a", -1)
	for len(f.loop.chores) > 0 {
		f.deliver()
		f.loop.work(slice)
	}
	for fd, r := range f.readers {
		if late := fd > connections; !late && r.seen != message.MidStep || f.loop.find(r.id).state != lingering {
			t.Fatalf("connection %d has seen messages up to %d, want the first; it is %+v, want it told to go", fd, r.seen, f.loop.find(r.id))
		}
	}
}

// While very many connections are closed, another one is served: over real sockets, a turn at a time.
func TestOthersAreServedWhileManyAreClosed(t *testing.T) {
	t.Parallel()
	for _, engine := range engineRows(t)[:3] {
		for name, closeMany := range map[string]func(*channel.Hub, *loop){
			"kick":  func(hub *channel.Hub, _ *loop) { hub.Kick(gone(), "a") },
			"drain": func(_ *channel.Hub, l *loop) { l.do(func(l *loop) { l.drainAll(make(chan struct{}, 1)) }) },
		} {
			t.Run(engine.name+" "+name, func(t *testing.T) {
				t.Parallel()
				g, hub, ln := newTestGateway(t, engine.engine)
				t.Cleanup(func() { g.Run(gone()) })
				l := g.loops[0]
				pair := socketPairs(t)
				for range 2*slice + 100 {
					subscriber(t, pair, g, ln, "a")
				}
				other := subscriber(t, pair, g, ln, "other")
				closeMany(hub, l)
				l.turn()

				io.WriteString(other, "h")
				l.poll.wait(false)
				l.turn()
				answered := make(chan struct{})
				var looking sync.WaitGroup
				looking.Go(func() { // as the loop would look again, whenever what was read comes
					for ; !isClosed(answered); time.Sleep(time.Millisecond) {
						l.Flush()
					}
				})
				defer looking.Wait()
				defer close(answered)
				answer := make([]byte, len(wire.TextHeartbeat))
				if _, err := io.ReadFull(other, answer); err != nil || string(answer) != wire.TextHeartbeat {
					t.Errorf("the heartbeat of another connection was answered with %q, %v", answer, err)
				}
				l.mu.Lock()
				defer l.mu.Unlock()
				if len(l.chores) == 0 {
					t.Error("all were closed before the heartbeat was answered")
				}
			})
		}
	}
}

// gone returns a context that has ended.
func gone() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// subscriber returns the peer's end of a connection of g that is subscribed to key, although no loop runs.
func subscriber(t *testing.T, pair func() (ours, peer net.Conn), g *Gateway, ln *Listener, key string) net.Conn {
	t.Helper()
	ours, peer := pair()
	peer.SetDeadline(time.Now().Add(10 * time.Second))
	g.open.Add(1)
	g.adopt(ln, ours, origin{}, func(l *loop, c *conn) { l.subscribe(c, wire.Sub{Key: key, Heartbeat: time.Minute}, 0) })
	if _, err := io.ReadFull(peer, make([]byte, len(wire.TextHeartbeat))); err != nil {
		t.Fatal(err)
	}
	return peer
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
