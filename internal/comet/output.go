package comet

import (
	"net"
	"slices"
)

// queue has output that waits until a connection can take it. The slices are shared with
// other connections: they are never changed.
type queue struct {
	chunks   []chunk // never empty
	messages int     // in chunks
	bytes    int     // in those chunks that have messages

	own    int // bytes that nobody else holds
	shared int // bytes that others may wait for, too
}

// chunk is some bytes and how many messages end in it; 0: it does not count as waiting, for what
// made it has a bound of its own.
type chunk struct {
	bytes    []byte
	messages int32
	own      uint32 // how much memory nobody else has a part of
	of       *held  // what others may hold, too; nil: nobody does
}

func (q *queue) put(s *scales, c chunk) {
	q.chunks = append(q.chunks, c)
	q.messages += int(c.messages)
	if c.messages > 0 {
		q.bytes += len(c.bytes)
	}
	if q.own += int(c.own); c.of != nil {
		q.shared += len(c.bytes)
		s.hold(c.of)
	}
}

// letGo takes c, what is left of it, off the account.
func (q *queue) letGo(s *scales, c *chunk) {
	q.messages -= int(c.messages)
	if c.messages > 0 {
		q.bytes -= len(c.bytes)
	}
	if q.own -= int(c.own); c.of != nil {
		q.shared -= len(c.bytes)
		s.release(c.of)
	}
}

// lend returns the first bytes, at most so many, for somebody to write. The chunks that they are of
// do not count as waiting any more.
func (q *queue) lend(most int) (bufs net.Buffers) {
	for i := 0; i < len(q.chunks) && most > 0; i++ {
		c := &q.chunks[i]
		if c.messages > 0 {
			q.bytes -= len(c.bytes)
			q.messages -= int(c.messages)
			c.messages = 0
		}
		n := min(most, len(c.bytes))
		bufs = append(bufs, c.bytes[:n])
		most -= n
	}
	return bufs
}

// written takes the first n bytes out and tells whether anything is left.
func (q *queue) written(s *scales, n int) (left bool) {
	whole := 0
	for n > 0 {
		c := &q.chunks[whole]
		if n < len(c.bytes) {
			q.cut(c, n)
			break
		}
		q.letGo(s, c)
		n -= len(c.bytes)
		whole++
	}
	q.chunks = slices.Delete(q.chunks, 0, whole)
	return len(q.chunks) > 0
}

// cut takes the first n bytes of c out, not all of it.
func (q *queue) cut(c *chunk, n int) {
	if c.messages > 0 {
		q.bytes -= n
	}
	if c.of != nil {
		q.shared -= n
	}
	c.bytes = c.bytes[n:]
}

// forget lets go of all that waits.
func (q *queue) forget(s *scales) {
	for i := range q.chunks {
		q.letGo(s, &q.chunks[i])
	}
	q.chunks = nil
}

// waits returns how much waits in q, which may be nil: who fell behind is closed with nothing on its way.
func (q *queue) waits() (bytes, messages int) {
	if q == nil {
		return 0, 0
	}
	return q.bytes, q.messages
}

// rest returns all bytes that are left, one after the other.
func (q *queue) rest() (all []byte) {
	if q != nil {
		for i := range q.chunks {
			all = append(all, q.chunks[i].bytes...)
		}
	}
	return all
}

// engine moves the bytes of connections. There are two: they differ in reading, writing
// and waking, and in nothing else.
type engine interface {
	// read goes on or stops reading c, as its flag paused says.
	read(c *conn)
	// flush goes on with c.out, now or when there is room; the loop's written is told.
	flush(l *loop, c *conn)
	// shutdown tells the peer that nothing more comes.
	shutdown(l *loop, c *conn)
	// close closes the socket. c is removed next.
	close(l *loop, c *conn)
	// detach takes the socket out of the engine. c is removed next.
	detach(l *loop, c *conn) (net.Conn, error)
	// keepAlive has the system find out when the peer has gone without a word: c has no heartbeat.
	keepAlive(c *conn)
	// peer returns the address of the other end, for the log.
	peer(c *conn) string
}

// engine returns what moves c's bytes.
func (l *loop) engine(c *conn) engine {
	if c.fd < 0 {
		return c.aux.net
	}
	return l.poll
}

// overfull tells whether so much more would be too much. Where nothing waits there is room for
// any one message.
func (l *loop) overfull(c *conn, bytes, messages int) bool {
	limits := l.g.limits.Load()
	return messages > 0 && c.out.messages > 0 &&
		(c.out.bytes+bytes > limits.MaxPendingBytes || c.out.messages+messages > limits.MaxPendingMessages)
}

// written is told by the engine: n bytes of c.out have left, or the connection has failed.
func (l *loop) written(c *conn, n int, err error) {
	if err != nil {
		l.close(c, Failed)
		return
	}
	left := c.out.written(&l.scales, n)
	if !left {
		c.out = nil
	}
	l.weigh(c)
	if left {
		if n > 0 {
			l.readsSlowly(c)
		}
		return
	}
	if l.sendLatest(c); c.state == free {
		return
	}
	switch {
	case c.state == flushing:
		l.linger(c)
	case c.resuming() != nil:
		l.readMissed(c)
	case c.state == served:
		l.goesOn(c, c.aux.serving)
	}
}

// readsSlowly gives c more time to read what waits for it.
func (l *loop) readsSlowly(c *conn) {
	switch c.state {
	case flushing:
		l.wheel.set(&l.conns, c, l.in(flushTimeout))
	case served:
		l.wheel.set(&l.conns, c, l.in(l.g.cfg.IdleTimeout))
	}
}
