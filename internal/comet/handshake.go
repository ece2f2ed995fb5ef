package comet

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// A TLS handshake waits for the peer in the middle, so it has a goroutine. It begins when the peer's first record is there
// whole: who connects and says nothing costs none.
//
//	socket ─> loop ─> give ─> handshake.read ─> crypto/tls ─> out ─> loop ─> socket
//
// How many are under way is bounded by the pool of handshakes; how many calculate at once by the processors, so
// that many of them do not stand before a loop.

// maxHandshakes is how many handshakes are under way at once; others wait, as long as first_packet_timeout allows.
const maxHandshakes = 4096

// maxHandshakeBytes is how much is read ahead of a handshake.
const maxHandshakeBytes = 64 << 10

// handshakeSize is about what a handshake takes, its goroutine included.
const handshakeSize = 32 << 10

// handshake is the state of a connection while it shakes hands.
type handshake struct {
	loop    *loop
	id      id            // of the connection
	running chan struct{} // has room for those that calculate
	out     []byte        // to be sent when the goroutine waits; owned by the goroutine, by the loop when it has ended

	mu      sync.Mutex
	came    sync.Cond
	in      []byte // of the peer; guarded by mu, owned by the loop when the goroutine has ended
	ended   bool   // the peer sends no more; guarded by mu
	aborted bool   // guarded by mu
}

// errNoTLS is why what speaks something else is closed.
var errNoTLS = errors.New("the first bytes are no TLS")

// beginsTLS tells whether b begins as TLS does, and whether the first record is whole.
func beginsTLS(b []byte) (whole bool, err error) {
	const typeHandshake, maxRecord = 22, 16 << 10
	if b[0] != typeHandshake || len(b) > 1 && b[1] != 3 {
		return false, errNoTLS
	}
	if len(b) < recordHead {
		return false, nil
	}
	size := int(binary.BigEndian.Uint16(b[3:]))
	if size > maxRecord {
		return false, errNoTLS
	}
	return len(b) >= recordHead+size, nil
}

// shake takes what came from c while it shakes hands.
func (l *loop) shake(c *conn, b []byte) int {
	if c.speaksTLS() == nil {
		whole, err := beginsTLS(b)
		if err != nil {
			l.handshakeFailed(c, err)
			return 0
		}
		if !whole {
			return 0
		}
		if !l.beginHandshake(c) {
			l.close(c, HandshakeFailed)
			return 0
		}
	}
	if waiting := c.aux.secure.shaking.give(b); waiting > maxHandshakeBytes {
		l.read(c, false)
	}
	return len(b)
}

// beginHandshake has the handshake of c done; false: too many wait already.
func (l *loop) beginHandshake(c *conn) bool {
	h := &handshake{loop: l, id: c.id, running: l.g.calculating}
	h.came.L = &h.mu
	s := &secure{out: l, shaking: h}
	s.conn = tls.Server(s, l.g.all()[c.from].tls)
	c.more().secure = s
	l.weigh(c)
	return l.g.handshakes.run(func() { h.do(s.conn) })
}

// do shakes hands.
func (h *handshake) do(conn *tls.Conn) {
	h.calculate()
	err := conn.Handshake()
	<-h.running
	h.loop.do(func(l *loop) { l.shaken(h, err) })
}

// give adds to what came and returns how much of it waits.
func (h *handshake) give(b []byte) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.in = append(h.in, b...)
	h.came.Signal()
	return len(h.in)
}

// end has the handshake know that nothing more comes.
func (h *handshake) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.came.Signal()
}

// abort ends the handshake: its connection is closed.
func (h *handshake) abort() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.aborted = true
	h.came.Signal()
}

// read reads for crypto/tls, in the goroutine of the handshake.
func (h *handshake) read(s *secure, p []byte) (int, error) {
	if !h.has() {
		h.wait()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.aborted:
		return 0, net.ErrClosed
	case len(h.in) == 0: // ended
		return 0, io.EOF
	}
	n := s.records.take(p, h.in)
	h.in = h.in[n:]
	return n, nil
}

func (h *handshake) has() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.in) > 0 || h.ended || h.aborted
}

// wait sends what is to be sent, then waits for the peer, and meanwhile lets others calculate.
func (h *handshake) wait() {
	<-h.running
	out := h.out
	h.out = nil
	h.loop.do(func(l *loop) { l.sendHandshake(h.id, out) })
	h.mu.Lock()
	for len(h.in) == 0 && !h.ended && !h.aborted {
		h.came.Wait()
	}
	h.mu.Unlock()
	h.calculate()
}

// calculate waits until it may.
func (h *handshake) calculate() {
	j := &h.loop.g.joining
	j.begin()
	h.running <- struct{}{}
	j.end()
}

// sendHandshake sends out, and has the connection read, whose handshake waits for it.
func (l *loop) sendHandshake(id id, out []byte) {
	c := l.find(id)
	if c == nil || c.state != handshaking {
		return
	}
	if len(out) > 0 {
		l.send(c, out, 0)
	}
	if c.state == handshaking {
		l.read(c, true)
	}
}

// shaken goes on with a connection whose handshake has ended.
func (l *loop) shaken(h *handshake, err error) {
	if l.sendHandshake(h.id, h.out); err != nil {
		if c := l.find(h.id); c != nil && c.state == handshaking {
			c.aux.secure = nil // it has ended: while c lingers it holds nothing
			l.weigh(c)
			l.handshakeFailed(c, err)
		}
		return
	}
	c := l.find(h.id)
	if c == nil || c.state != handshaking {
		return
	}
	s := c.aux.secure
	s.shaking, s.unread, s.ended = nil, h.in, h.ended
	l.g.countHandshake(s.conn)
	c.state = sniffing
	c.flags |= secured
	l.wheel.set(&l.conns, c, l.in(l.g.limits.Load().FirstPacketTimeout))
	l.decrypt(c, nil)
}

func (g *Gateway) countHandshake(conn *tls.Conn) {
	g.Stats.Handshakes.Add(1)
	if conn.ConnectionState().DidResume {
		g.Stats.HandshakesResumed.Add(1)
	}
}

// abortHandshake ends the goroutine of c's handshake, if it has one.
func (l *loop) abortHandshake(c *conn) {
	if s := c.speaksTLS(); s != nil {
		s.shaking.abort()
	}
}

// handshakeFailed closes c. What crypto/tls had to say of it has been sent.
func (l *loop) handshakeFailed(c *conn, err error) {
	l.g.cfg.Log.Debug("TLS handshake failed", "peer", l.peer(c), "err", err)
	l.finish(c, HandshakeFailed)
}
