package test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// relay is an address that stays while the nodes behind it come and go.
type relay struct {
	ln net.Listener
	to atomic.Pointer[string] // address of the node

	mu    sync.Mutex
	conns []net.Conn
	done  sync.WaitGroup
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{ln: ln}
	r.to.Store(&to)
	r.done.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

func (r *relay) addr() string { return r.ln.Addr().String() }

func (r *relay) accept() {
	for {
		c, err := r.ln.Accept()
		if err != nil {
			return
		}
		r.done.Go(func() { r.serve(c) })
	}
}

// serve joins c with the node; who ends a side ends both.
func (r *relay) serve(c net.Conn) {
	defer c.Close()
	n, err := net.Dial("tcp", *r.to.Load())
	if err != nil {
		return // there is no node now: the client sees that the connection is closed
	}
	defer n.Close()
	r.mu.Lock()
	r.conns = append(r.conns, c, n)
	r.mu.Unlock()
	r.done.Go(func() {
		_, _ = io.Copy(n, c)
		n.Close()
	})
	_, _ = io.Copy(c, n)
}

// close ends the relay and all that goes through it.
func (r *relay) close() {
	r.ln.Close()
	r.mu.Lock()
	for _, c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.done.Wait()
}
