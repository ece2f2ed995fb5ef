package comet

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"gopush/internal/wire/proxy"
)

// The net.Conn engine: for systems without epoll. A goroutine reads each
// connection and hands what it read to the loop, one piece at a time; another writes while
// there is something to write. Both end when the connection is closed.

const (
	netReadBuffer = 4 << 10   // what the reader of one connection reads at a time
	netWrite      = 256 << 10 // what its writer writes at a time: how far it got is known in between
)

// acceptRetry is how long to wait after an accept that failed: no busy loop, and no listener
// that ends.
const acceptRetry = 100 * time.Millisecond

// netConn moves the bytes of one connection. It is an engine.
type netConn struct {
	nc      net.Conn
	id      id        // set by addNet before the reader starts, never changed
	taken   chan bool // the loop is done with what was read: is it also with nc?
	held    bool      // the reader waits until the connection is read on; owned by the loop
	writing bool      // a writer is at work; owned by the loop
	ended   bool      // the loop has done with nc, or somebody else has it; owned by the loop
}

// listenNet accepts from socket until stop.
func (g *Gateway) listenNet(ln *Listener, socket net.Listener, tlsConfig *tls.Config) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	g.wg.Go(func() { g.acceptNet(ctx, ln, socket, tlsConfig) })
	return func() {
		cancel()
		socket.Close()
	}
}

func (g *Gateway) acceptNet(ctx context.Context, ln *Listener, socket net.Listener, tlsConfig *tls.Config) {
	for {
		if !g.awaitRoom(ctx, ln.kind) {
			return
		}
		nc, err := socket.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				nc.Close()
			}
			return
		case err != nil:
			g.acceptFailed(err)
			select {
			case <-ctx.Done():
			case <-time.After(acceptRetry):
			}
		default:
			g.placeNet(ctx, ln, nc, tlsConfig)
		}
	}
}

// placeNet gives an accepted connection to a loop, if it may come in: with TLS when its handshake has ended.
func (g *Gateway) placeNet(ctx context.Context, ln *Listener, nc net.Conn, tlsConfig *tls.Config) {
	o, first, ok := g.receive(ln.kind, remoteAddrPort(nc))
	switch {
	case !ok:
		nc.Close()
	case tlsConfig != nil:
		g.wg.Go(func() { g.handshakeTLS(ctx, ln, nc, tlsConfig, o, first) })
	default:
		g.adoptNew(ln, nc, o, first)
	}
}

// remoteAddrPort returns the address of nc's peer; not valid: it is no TCP.
func remoteAddrPort(nc net.Conn) netip.AddrPort {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return unmapped(tcp.AddrPort())
}

// handshakeTLS does what may block, then gives the connection to a loop.
func (g *Gateway) handshakeTLS(ctx context.Context, ln *Listener, plain net.Conn, tlsConfig *tls.Config, o origin, first state) {
	ctx, cancel := context.WithTimeout(ctx, g.limits.Load().FirstPacketTimeout)
	defer cancel()
	if first == announced {
		var why Reason
		if plain, o, why = g.awaitIntroduction(ctx, ln.kind, plain); why != 0 {
			g.giveUp(plain, &o, why)
			return
		}
	}
	nc := tls.Server(plain, tlsConfig)
	if err := nc.HandshakeContext(ctx); err != nil {
		g.cfg.Log.Debug("TLS handshake failed", "peer", o.remote(plain), "err", err)
		g.giveUp(nc, &o, HandshakeFailed)
		return
	}
	g.countHandshake(nc)
	g.adoptNew(ln, nc, o, sniffing)
}

// giveUp closes a connection that is no loop's yet.
func (g *Gateway) giveUp(nc net.Conn, o *origin, why Reason) {
	nc.Close()
	g.open.Add(-1)
	g.Stats.Closed[why].Add(1)
	g.discount(o)
}

// awaitIntroduction reads the PROXY header of nc, which a trusted proxy may send first, and returns a connection with all that came behind it.
func (g *Gateway) awaitIntroduction(ctx context.Context, kind Kind, nc net.Conn) (_ net.Conn, o origin, why Reason) {
	defer context.AfterFunc(ctx, func() { nc.SetReadDeadline(time.Now()) })()
	var b []byte
	for {
		b = slices.Grow(b, netReadBuffer)
		n, err := nc.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if n == 0 && err != nil {
			return nc, o, FirstPacketTimeout
		}
		h, err := proxy.Parse(b)
		switch {
		case err == proxy.ErrNone && !g.limits.Load().RequireProxyHeader:
		case err != nil:
			return nc, o, BadProxyHeader
		case h.Size == 0:
			continue
		default:
			o, why = g.originOf(kind, &h)
		}
		return Begun(nc, b[h.Size:]), o, why
	}
}

// adoptNew makes nc, which comes from o, a connection of a loop, in state first.
func (g *Gateway) adoptNew(ln *Listener, nc net.Conn, o origin, first state) {
	g.lightest().do(func(l *loop) {
		if c := l.addNet(ln, nc); c != nil {
			c.state = first
			l.setOrigin(c, o)
		} else {
			g.discount(&o)
		}
	})
}

// awaitRoom waits until another connection may be accepted; false: ctx has ended.
func (g *Gateway) awaitRoom(ctx context.Context, kind Kind) bool {
	for !g.mayAccept(kind) {
		g.Stats.AcceptPaused.Add(1)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(acceptPause):
		}
	}
	return true
}

// acceptFailed counts an accept that failed and logs it at most once a second.
func (g *Gateway) acceptFailed(err error) {
	g.Stats.AcceptFailed.Add(1)
	now := time.Now().UnixNano()
	last := g.acceptLogged.Load()
	if now-last >= int64(time.Second) && g.acceptLogged.CompareAndSwap(last, now) {
		g.cfg.Log.Error("accept failed: connections wait until it works; raise the descriptor limit or lower max_connections",
			"err", err, "failed", g.Stats.AcceptFailed.Load(), "open", g.open.Load())
	}
}

// addNet makes nc a connection of l and starts its reader; nil if the loop takes no more.
func (l *loop) addNet(from *Listener, nc net.Conn) *conn {
	c := l.add(from, -1)
	n := &netConn{nc: nc, id: c.id, taken: make(chan bool, 1)}
	c.more().net = n
	if l.closed {
		l.close(c, Shutdown)
		return nil
	}
	l.g.wg.Go(func() { n.serve(l) })
	return c
}

// serve hands what comes to the loop until the connection ends or is somebody else's.
func (n *netConn) serve(l *loop) {
	buf := make([]byte, netReadBuffer)
	for {
		k, err := n.nc.Read(buf)
		l.do(func(l *loop) {
			l.gotNet(n, buf[:k], err)
			n.letGo(l)
		})
		if ended := <-n.taken; ended || err != nil {
			return
		}
	}
}

// letGo has the reader read on, unless the connection is paused.
func (n *netConn) letGo(l *loop) {
	c := l.find(n.id)
	if n.held = !n.ended && c != nil && c.flags&paused != 0; !n.held {
		n.taken <- n.ended
	}
}

func (n *netConn) read(c *conn) {
	if n.held && c.flags&paused == 0 {
		n.release()
	}
}

// release lets a reader go that is held.
func (n *netConn) release() {
	if n.held {
		n.held = false
		n.taken <- n.ended
	}
}

func (l *loop) gotNet(n *netConn, data []byte, err error) {
	c := l.find(n.id)
	if n.ended || c == nil {
		n.ended = true
		return
	}
	if len(data) > 0 && c.state != lingering {
		if l.input(c, data); n.ended {
			return
		}
	}
	switch {
	case err == nil:
	case readReason(err) == PeerClosed && c.state == flushing: // a writer is at work; then c lingers
	case readReason(err) == PeerClosed:
		l.noMore(c)
	default:
		l.close(c, Failed)
	}
}

func readReason(err error) Reason {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return PeerClosed
	}
	return Failed
}

// flush has a writer write some of c.out, unless one writes already. What it has waits no more
// than what is in the system's buffer.
func (n *netConn) flush(l *loop, c *conn) {
	if n.writing {
		return
	}
	n.writing = true
	bufs := c.out.lend(netWrite)
	l.g.wg.Go(func() {
		k, err := bufs.WriteTo(n.nc)
		l.do(func(l *loop) { l.wroteNet(n, int(k), err) })
	})
}

func (l *loop) wroteNet(n *netConn, k int, err error) {
	n.writing = false
	c := l.find(n.id)
	if c == nil || n.ended {
		return
	}
	if l.written(c, k, err); !n.ended && c.out != nil {
		n.flush(l, c)
	}
}

// shutdown and close may wait for TLS to say goodbye, so they are not for the loop.
func (n *netConn) shutdown(l *loop, _ *conn) {
	if half, ok := n.nc.(interface{ CloseWrite() error }); ok {
		l.g.wg.Go(func() { half.CloseWrite() })
	}
}

func (n *netConn) close(l *loop, _ *conn) {
	n.ended = true
	n.release()
	l.g.wg.Go(func() { n.nc.Close() })
}

// detach is called while the reader waits for the loop: it reads no more.
func (n *netConn) detach(*loop, *conn) (net.Conn, error) {
	n.ended = true
	n.release()
	return n.nc, nil
}

// keepAlive has nothing to do: package net has it on by default.
func (n *netConn) keepAlive(*conn) {}

func (n *netConn) peer(*conn) string { return n.nc.RemoteAddr().String() }
