package test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// gate is an address that leads to a server and can be held, as a network that delays, or shut, as one that is cut.
type gate struct {
	ln net.Listener
	to string

	in, out atomic.Int64 // bytes to the server, and from it

	mu    sync.Mutex
	moved *sync.Cond // on mu: held or shut has changed
	held  bool       // nothing comes from the server
	shut  bool
	conns map[net.Conn]bool
	done  sync.WaitGroup
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	ln, err := net.Listen("tcp", loopbackHost()+":0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{ln: ln, to: to, conns: map[net.Conn]bool{}}
	g.moved = sync.NewCond(&g.mu)
	g.done.Go(g.accept)
	t.Cleanup(func() {
		ln.Close()
		g.cut()
		g.done.Wait()
	})
	return g
}

func (g *gate) addr() string { return g.ln.Addr().String() }

// hold keeps back what comes from the server, until release.
func (g *gate) hold() { g.set(func() { g.held = true }) }

// cut ends all connections and lets no more in, until release.
func (g *gate) cut() {
	g.set(func() {
		g.shut = true
		for c := range g.conns {
			c.Close()
		}
	})
}

// drop ends all connections; new ones may come.
func (g *gate) drop() {
	g.cut()
	g.release()
}

func (g *gate) release() { g.set(func() { g.held, g.shut = false, false }) }

func (g *gate) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
	g.moved.Broadcast()
}

func (g *gate) accept() {
	for {
		c, err := g.ln.Accept()
		if err != nil {
			return
		}
		g.done.Go(func() { g.serve(c) })
	}
}

// serve joins c with the server; who ends a side ends both.
func (g *gate) serve(c net.Conn) {
	defer c.Close()
	server, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer server.Close()
	if !g.enter(c, server) {
		return
	}
	defer g.leave(c, server)
	var back sync.WaitGroup
	back.Go(func() {
		g.carry(c, server, &g.out, true)
		c.Close()
	})
	g.carry(server, c, &g.in, false)
	server.Close()
	back.Wait()
}

func (g *gate) enter(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		g.conns[c] = true
	}
	return !g.shut
}

func (g *gate) leave(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		delete(g.conns, c)
	}
}

// carry passes on what from says, and counts it.
func (g *gate) carry(to, from net.Conn, bytes *atomic.Int64, holds bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if holds {
			g.pass()
		}
		bytes.Add(int64(n))
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

// pass waits while the gate is held.
func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.held && !g.shut {
		g.moved.Wait()
	}
}
