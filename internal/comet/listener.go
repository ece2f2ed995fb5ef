package comet

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// Listener is an address that is listened on. As a net.Listener it gives the connections that
// turned out to speak plain HTTP, for an http.Server to serve; their queue is bounded by
// max_connections.
type Listener struct {
	g        *Gateway
	kind     Kind
	number   uint8 // in g.listeners
	addr     net.Addr
	tls      *tls.Config // nil: plain; set by ListenOn, never changed
	stop     func()      // ends the accepting and nothing else
	stopOnce sync.Once
	pusher   atomic.Pointer[Pusher]       // nil: net/http serves what pushes, too
	redis    atomic.Pointer[redisService] // nil: it speaks no Redis
	guests   guests

	mu     sync.Mutex
	filled sync.Cond
	queue  []net.Conn // guarded by mu
	closed bool       // guarded by mu
}

// maxListeners is what a connection can remember.
const maxListeners = 256

// Listen listens on addr for peers of kind. With TLS every connection speaks it; it is never guessed.
func (g *Gateway) Listen(ctx context.Context, kind Kind, addr string, tlsConfig *tls.Config) (*Listener, error) {
	var lc net.ListenConfig
	socket, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return g.ListenOn(kind, socket, tlsConfig)
}

// ListenOn is Listen on a socket that listens already, which is the gateway's from now on.
func (g *Gateway) ListenOn(kind Kind, socket net.Listener, tlsConfig *tls.Config) (*Listener, error) {
	ln := &Listener{g: g, kind: kind, addr: socket.Addr(), tls: tlsConfig, stop: func() {}}
	ln.filled.L = &ln.mu
	if err := g.number(ln); err != nil {
		socket.Close()
		return nil, err
	}
	if !g.usesEpoll() {
		ln.stop = g.listenNet(ln, socket, tlsConfig)
		return ln, nil
	}
	stop, err := g.listenEpoll(ln, socket)
	if err != nil {
		return nil, err
	}
	ln.stop = stop
	return ln, nil
}

func (g *Gateway) number(ln *Listener) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.listeners) == maxListeners {
		return errors.New("more than 256 addresses")
	}
	ln.number = uint8(len(g.listeners))
	g.listeners = append(g.listeners, ln)
	return nil
}

func (g *Gateway) all() []*Listener {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.listeners[:len(g.listeners):len(g.listeners)]
}

// Addr returns the address that ln got.
func (ln *Listener) Addr() net.Addr { return ln.addr }

// push gives c to Accept.
func (ln *Listener) push(c net.Conn) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.closed {
		c.Close()
		return
	}
	ln.queue = append(ln.queue, c)
	ln.filled.Signal()
}

// Accept returns the next connection that speaks HTTP, or net.ErrClosed.
func (ln *Listener) Accept() (net.Conn, error) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	for len(ln.queue) == 0 && !ln.closed {
		ln.filled.Wait()
	}
	if len(ln.queue) == 0 {
		return nil, net.ErrClosed
	}
	c := ln.queue[0]
	ln.queue[0] = nil
	ln.queue = ln.queue[1:]
	return c, nil
}

// Close ends Accept once the queue is empty. The socket is the gateway's and stays.
func (ln *Listener) Close() error {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.closed = true
	ln.filled.Broadcast()
	return nil
}

func (g *Gateway) usesEpoll() bool { return haveEpoll && g.cfg.Engine != EngineNet }
