package comet

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"time"
)

// TLS on a connection whose socket its loop has: crypto/tls stands between the socket and the session, without a
// goroutine.
//
//	socket ─> decrypt ─> unread ─> tls.Conn.Read ─> input
//	send ─> seal ─> tls.Conn.Write ─> the loop's sealed ─> batch ─> socket
//
// crypto/tls is given what is there, record by record. When that is used up it gets an error that is temporary, and
// its read can be gone on with when there is more: of a record that came in part, too. A handshake cannot; it has a goroutine
// (handshake.go). A connection that is handed over takes all this along, and then it waits for its socket as others do.

// secure is the connection below crypto/tls. It belongs to its loop, to the goroutine of its handshake until that has
// ended, and to whoever has it when it was detached.
type secure struct {
	conn    *tls.Conn
	records records    // where crypto/tls is in what it was given
	unread  []byte     // of the peer, that crypto/tls has not been given
	out     *loop      // whose sealed gets what crypto/tls writes
	shaking *handshake // nil: it has ended
	ended   bool       // the peer sends no more
	behind  bool       // crypto/tls may have more than it was asked for
	away    *away      // not nil: it is detached
}

// away is the socket of a connection that is no loop's.
type away struct {
	net.Conn
	unsent []byte // goes before all that is written
}

// nothing is what a read is answered when there is nothing yet: crypto/tls forgets an error that is temporary.
type nothing struct{}

func (nothing) Error() string   { return "nothing has come" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// Read gives crypto/tls what is there, at most up to the end of a record's head or of the record: so it never keeps more
// than one.
func (s *secure) Read(p []byte) (n int, err error) {
	if s.shaking != nil {
		return s.shaking.read(s, p)
	}
	if len(s.unread) == 0 {
		if s.away != nil {
			n, err = s.away.Read(p)
			s.records.pass(p[:n])
			return n, err
		}
		if s.ended {
			return 0, io.EOF
		}
		return 0, nothing{}
	}
	n = s.records.take(p, s.unread)
	if s.unread = s.unread[n:]; len(s.unread) == 0 {
		s.unread = nil
	}
	return n, nil
}

// Write takes what crypto/tls sends, which keeps p.
func (s *secure) Write(p []byte) (int, error) {
	switch {
	case s.shaking != nil:
		s.shaking.out = append(s.shaking.out, p...)
	case s.away != nil:
		return s.away.write(p)
	default:
		s.out.sealed.bytes = append(s.out.sealed.bytes, p...)
	}
	return len(p), nil
}

func (a *away) write(p []byte) (int, error) {
	if unsent := a.unsent; unsent != nil {
		a.unsent = nil
		if _, err := a.Conn.Write(unsent); err != nil {
			return 0, err
		}
	}
	return a.Conn.Write(p)
}

// Close closes the socket of one that is detached. A loop closes its own.
func (s *secure) Close() error {
	if s.away != nil {
		return s.away.Close()
	}
	return nil
}

func (s *secure) LocalAddr() net.Addr {
	if s.away != nil {
		return s.away.LocalAddr()
	}
	return &net.TCPAddr{}
}

func (s *secure) RemoteAddr() net.Addr {
	if s.away != nil {
		return s.away.RemoteAddr()
	}
	return &net.TCPAddr{}
}

func (s *secure) SetDeadline(t time.Time) error     { return s.deadline(net.Conn.SetDeadline, t) }
func (s *secure) SetReadDeadline(t time.Time) error { return s.deadline(net.Conn.SetReadDeadline, t) }

func (s *secure) SetWriteDeadline(t time.Time) error { return s.deadline(net.Conn.SetWriteDeadline, t) }

func (s *secure) deadline(set func(net.Conn, time.Time) error, t time.Time) error {
	if s.away == nil {
		return nil // a loop never waits
	}
	return set(s.away.Conn, t)
}

// secureOf returns what is below nc if that is a TLS connection which was a loop's before it was detached, or nil.
func secureOf(nc net.Conn) *secure {
	if conn, ok := nc.(*tls.Conn); ok {
		s, _ := conn.NetConn().(*secure)
		return s
	}
	return nil
}

// detach makes a connection of s that waits for socket. unsent has not left yet.
func (s *secure) detach(socket net.Conn, unsent []byte) net.Conn {
	s.unread = bytes.Clone(s.unread)
	s.away = &away{socket, unsent}
	s.out = nil
	return s.conn
}

// attach makes c, whose socket was detached with s, speak TLS as before.
func (l *loop) attach(c *conn, s *secure) {
	unsent := s.away.unsent
	s.out, s.away, s.behind = l, nil, true
	c.more().secure = s
	if len(unsent) > 0 {
		l.send(c, unsent, 0)
	}
	c.flags |= secured
}

// comes takes what was read from c's socket. The bytes are the caller's.
func (l *loop) comes(c *conn, b []byte) {
	if c.flags&secured != 0 {
		l.decrypt(c, b)
	} else {
		l.input(c, b)
	}
}

// comesNoMore is told that nothing more comes from c's socket.
func (l *loop) comesNoMore(c *conn) {
	switch s := c.speaksTLS(); {
	case s == nil || c.closing():
		l.noMore(c)
	case s.shaking != nil:
		s.shaking.end()
		l.read(c, false)
	default:
		s.ended = true
		l.decrypt(c, nil)
	}
}

// speaksTLS returns what c has of TLS; nil: it speaks none, or nothing has come yet.
func (c *conn) speaksTLS() *secure {
	if c.aux == nil {
		return nil
	}
	return c.aux.secure
}

// maxPlain is the most that a TLS record carries (RFC 8446 section 5.1): so crypto/tls keeps nothing of one.
const maxPlain = 16 << 10

// decrypt takes what was read from c. The bytes are the caller's.
func (l *loop) decrypt(c *conn, b []byte) {
	if c.closing() {
		return
	}
	s, id := c.aux.secure, c.id
	if len(s.unread) > 0 {
		b = append(s.unread, b...)
	}
	s.unread = b
	for c.flags&paused == 0 && !c.closing() {
		from := len(l.sealed.bytes)
		n, err := s.conn.Read(l.opened)
		l.sendSealed(c, from)
		if n > 0 && l.find(id) != nil {
			l.input(c, l.opened[:n])
		}
		if l.find(id) == nil {
			return // closed, or somebody else's
		}
		if err != nil {
			s.behind = false
			l.readFailed(c, err)
			break
		}
	}
	if l.find(id) != nil {
		s.unread = bytes.Clone(s.unread)
		s.behind = s.behind || len(s.unread) > 0 || s.ended
		l.g.tlsBuffers.release(s.conn)
		l.weigh(c)
	}
}

// holds returns how many bytes s holds that an idle one does not.
func (s *secure) holds() (n int) {
	if s.shaking != nil {
		return handshakeSize
	}
	if s.records.got > 0 || s.records.left > 0 {
		n = recordHead + int(s.records.size()) + bytes.MinRead
	}
	return n + cap(s.unread)
}

// readFailed goes on with c, of which crypto/tls has no more.
func (l *loop) readFailed(c *conn, err error) {
	switch {
	case err == error(nothing{}):
	case err == io.EOF:
		l.noMore(c)
	default:
		l.close(c, Failed)
	}
}

// decryptAgain has the loop look at what it has of c, which is read again.
func (l *loop) decryptAgain(c *conn) {
	if c.flags&secured != 0 && c.aux.secure.behind {
		l.behind = append(l.behind, c.id)
	}
}

// decryptMore goes on with connections that were not read for a while.
func (l *loop) decryptMore() {
	behind := l.behind
	l.behind = nil
	for _, id := range behind {
		if c := l.find(id); c != nil && c.flags&paused == 0 {
			l.decrypt(c, nil)
		}
	}
}

// What is encrypted in a turn, for all connections together.
const (
	maxSealed      = 256 << 10 // bytes, past which the batch leaves
	maxSpareSealed = 2 * maxSealed
)

// seal is send for a connection that speaks TLS.
func (l *loop) seal(c *conn, b []byte, messages int) {
	if c.flags&batched != 0 && !l.sealedLast(c) || len(l.sealed.bytes) >= maxSealed {
		l.sendBatch()
	}
	switch {
	case c.state == free:
		return
	case c.out != nil && l.overfull(c, len(b), messages):
		l.close(c, Slow)
		return
	}
	from := len(l.sealed.bytes)
	if _, err := c.aux.secure.conn.Write(b); err != nil {
		l.sealed.bytes = l.sealed.bytes[:from]
		l.close(c, Failed)
		return
	}
	l.sendFrom(c, from, messages)
}

// sealedLast tells whether what came last into the batch is c's, and stands at the end of sealed.
func (l *loop) sealedLast(c *conn) bool {
	last := &l.batch[len(l.batch)-1]
	return last.conn == c.index && last.frames == &l.sealed
}

// sendFrom sends what stands in sealed from there on, all of it c's. Of what the batch has for c it comes last.
func (l *loop) sendFrom(c *conn, from, messages int) {
	b := l.sealed.bytes[from:]
	switch {
	case c.out != nil:
		l.wait(c, bytes.Clone(b), messages, nil)
		l.sealed.bytes = l.sealed.bytes[:from]
	case c.flags&batched != 0:
		last := &l.batch[len(l.batch)-1]
		last.bytes = l.sealed.bytes[from-len(last.bytes):]
		last.messages += int32(messages)
	default:
		l.enterBatch(c, b, messages, &l.sealed)
	}
}

// sendSealed sends what crypto/tls itself had to say since from: alerts, answers to updates of keys.
func (l *loop) sendSealed(c *conn, from int) {
	if own := bytes.Clone(l.sealed.bytes[from:]); len(own) > 0 {
		l.sealed.bytes = l.sealed.bytes[:from]
		l.sendPlain(c, own, 1, nil)
	}
}

// goodbye tells the peer of a connection that speaks TLS that nothing more comes. c may be closed by it.
func (l *loop) goodbye(c *conn) {
	if c.flags&secured == 0 || c.out != nil {
		return
	}
	from := len(l.sealed.bytes)
	_ = c.aux.secure.conn.CloseWrite() // what it writes is what counts
	l.sendSealed(c, from)
	l.settle(c)
}
