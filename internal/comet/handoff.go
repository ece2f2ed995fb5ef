package comet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"

	"gopush/internal/wire/ws"
)

// handed is a connection on its way from a loop to net/http.
type handed struct {
	begun
	g      *Gateway
	origin origin // counts until the connection is closed
	once   sync.Once

	written atomic.Int64 // bytes
}

func (c *handed) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// Written returns how many bytes were written to the connection since net/http has it.
func (c *handed) Written() int64 { return c.written.Load() }

// Close closes the connection and gives its place free.
func (c *handed) Close() error {
	c.once.Do(func() {
		c.g.open.Add(-1)
		c.g.discount(&c.origin)
	})
	return c.Conn.Close()
}

// RemoteAddr returns the address that the connection comes from.
func (c *handed) RemoteAddr() net.Addr { return c.origin.remote(c.Conn) }

// handOver gives c's socket to net/http, with all that was read of it.
func (l *loop) handOver(c *conn, unread []byte) {
	ln := l.g.all()[c.from]
	if nc, o := l.detach(c); nc != nil {
		l.g.Stats.HandedToHTTP.Add(1)
		ln.push(&handed{begun: begun{nc, bytes.Clone(unread)}, g: l.g, origin: o})
	}
}

// detach takes c's socket out of the loop, or returns nil: it has failed. Its origin counts still.
func (l *loop) detach(c *conn) (net.Conn, origin) {
	if l.settle(c); c.state == free {
		return nil, origin{}
	}
	nc, err := l.engine(c).detach(l, c)
	if err == nil && c.flags&secured != 0 {
		nc = c.aux.secure.detach(nc, c.out.rest())
	}
	o := l.takeOrigin(c)
	l.remove(c)
	if err != nil {
		l.g.open.Add(-1)
		l.g.Stats.Closed[Failed].Add(1)
		l.g.discount(&o)
		return nil, origin{}
	}
	return nc, o
}

// Subscribe serves GET /sub on a connection that net/http has: a handshake after other
// requests on a kept-alive connection. The connection goes back to a loop.
func (ln *Listener) Subscribe() http.Handler {
	g := ln.g
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hint, why := g.unwelcome(); why != 0 {
			g.Stats.Closed[why].Add(1)
			writeRefusal(w, awayHTTP(hint, why))
			return
		}
		reply, deflate, err := g.acceptWS(r)
		if err != nil {
			refusal, why := refusalOf(err)
			g.Stats.Closed[why].Add(1)
			writeRefusal(w, refusal)
			return
		}
		o, refused := g.forwardedFor(r, requestPeer(r))
		if refused != nil {
			g.Stats.Closed[refused.why].Add(1)
			writeRefusal(w, refused.answer())
			return
		}
		if err := ln.takeBack(w, reply, deflate, r.URL.Query(), o); err != nil {
			g.discount(&o)
			g.cfg.Log.Debug("handshake not taken over", "err", err)
		}
	})
}

func writeRefusal(w http.ResponseWriter, refusal *ws.HandshakeError) {
	if refusal.Status == http.StatusUpgradeRequired {
		w.Header().Set("Sec-WebSocket-Version", "13")
	}
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", refusal.RetryAfterSeconds())
	}
	w.Header().Set("Connection", "close")
	http.Error(w, refusal.Reason, refusal.Status)
}

// requestPeer returns the address that r came from; not valid: it is not known.
func requestPeer(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return unmapped(a).Addr()
}

// takeBack makes net/http's connection a loop's again, and has it subscribe. It comes from o, if that says anything.
func (ln *Listener) takeBack(w http.ResponseWriter, reply []byte, deflate bool, query url.Values, o origin) error {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return errors.ErrUnsupported
	}
	nc, buffered, err := hijacker.Hijack()
	if err != nil {
		return err
	}
	unread, _ := io.ReadAll(io.LimitReader(buffered.Reader, int64(buffered.Reader.Buffered())))
	if h, ok := nc.(*handed); ok {
		unread = append(unread, bytes.Clone(h.unread)...)
		nc = h.Conn // it keeps its place among the open connections
		if o == (origin{}) {
			o = h.origin
		} else {
			ln.g.discount(&h.origin)
		}
	}
	ln.g.adopt(ln, nc, o, func(l *loop, c *conn) {
		if l.upgraded(c, reply, deflate, query); c.state != free {
			l.input(c, unread)
		}
	})
	return nil
}

// adopt makes nc a connection of a loop, which then is told to begin with it. It is counted as
// open already.
func (g *Gateway) adopt(from *Listener, nc net.Conn, o origin, begin func(*loop, *conn)) {
	l, s := g.lightest(), secureOf(nc)
	if s != nil {
		nc = s.away.Conn
	}
	fd, err := g.takeDescriptor(nc)
	switch {
	case err != nil:
		nc.Close()
		g.open.Add(-1)
		g.Stats.Closed[Failed].Add(1)
		g.discount(&o)
	default:
		l.do(func(l *loop) {
			c := l.take(from, fd, nc)
			if c == nil {
				g.discount(&o)
				return
			}
			l.setOrigin(c, o)
			if s != nil {
				l.attach(c, s)
			}
			id := c.id
			if begin(l, c); s != nil && l.find(id) != nil {
				l.decrypt(c, nil)
			}
		})
	}
}

// take makes fd, or else nc, a connection of l; nil if that cannot be.
func (l *loop) take(from *Listener, fd int, nc net.Conn) *conn {
	if fd >= 0 {
		return l.addEpoll(from, fd)
	}
	return l.addNet(from, nc)
}
