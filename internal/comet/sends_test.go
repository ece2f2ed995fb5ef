package comet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/comet"
)

// slowly is a device's connection that takes little at a time, so that the gateway's sends are
// taken in part.
type slowly struct{ net.Conn }

func (c slowly) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), 1+rand.IntN(16<<10))]) }

// subscribeSlowly subscribes a device that takes little at a time, and whose system does.
func subscribeSlowly(addr string) (*device, error) {
	d, err := subscribe(addr, "k", -1)
	if err != nil {
		return nil, err
	}
	err = d.Conn.(*net.TCPConn).SetReadBuffer(32 << 10)
	d.Conn = slowly{d.Conn}
	d.r.Reset(d.Conn)
	return d, err
}

// textOf returns message i, large and of a kind of its own.
func textOf(i int) string { return strings.Repeat(fmt.Sprintf("%03d;", i), 10<<10) }

// Sockets that take a part, sockets that are reset meanwhile, sockets that never read: all others get
// every message, whole and in order.
func TestABroadcastGetsThroughWhateverSocketsDo(t *testing.T) {
	const slow, leaving, messages = 10, 10, 25
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := start(t, engine, func(c *comet.Config) { c.Limits.MaxPendingBytes = 1 << 30 })
		var reading sync.WaitGroup
		for i := range slow + leaving {
			d, err := subscribeSlowly(g.addr)
			if err != nil {
				t.Fatal(err)
			}
			n := messages
			if i >= slow {
				n = rand.IntN(messages)
			}
			reading.Go(func() {
				defer d.Close() // with input that was not read: a reset
				for i := range n {
					if _, _, text, _, err := d.next(); err != nil || text != textOf(i) {
						t.Errorf("message %d is %.20q (%d bytes), %v", i, text, len(text), err)
						return
					}
				}
			})
		}
		for i := range messages {
			g.push(t, "k", `"`+textOf(i)+`"`, 0)
		}
		reading.Wait()
		eventuallyGone(t, g)
	})
}

// Who never reads is closed at the bound, and nobody else waits for it.
func TestWhoNeverReadsIsClosedAndDelaysNobody(t *testing.T) {
	engines(t, func(t *testing.T, engine comet.Engine) {
		g := start(t, engine, func(c *comet.Config) { c.Limits.MaxPendingBytes = 64 << 10 })
		silent, err := subscribeSlowly(g.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		reader, err := subscribe(g.addr, "k", -1)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		for i := 0; g.Stats.Closed[comet.Slow].Load() == 0; i++ {
			if i == 1000 {
				t.Fatalf("%d messages of %d bytes wait for a connection that never reads", i, len(textOf(i)))
			}
			g.push(t, "k", `"`+textOf(i)+`"`, 0)
			if _, _, text, _, err := reader.next(); err != nil || text != textOf(i) {
				t.Fatalf("message %d is %.20q, %v", i, text, err)
			}
		}
	})
}

// eventuallyGone waits until no connection is open.
func eventuallyGone(t *testing.T, g *gateway) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for g.Connections() > 0 {
		select {
		case <-ctx.Done():
			t.Fatalf("%d connections are open when all have left", g.Connections())
		case <-time.After(time.Millisecond):
		}
	}
}
