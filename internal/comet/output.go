package comet

import "net"

// queue has output that waits until a connection can take it. The slices are shared with
// other connections: they are never changed.
type queue struct {
	chunks   []chunk
	bytes    int // in chunks
	messages int // in chunks
}

// chunk is some bytes and how many messages end in it.
type chunk struct {
	bytes    []byte
	messages int
}

func (q *queue) put(b []byte, messages int) {
	q.chunks = append(q.chunks, chunk{b, messages})
	q.bytes += len(b)
	q.messages += messages
}

// written takes the first n bytes out.
func (q *queue) written(n int) {
	q.bytes -= n
	i := 0
	for ; i < len(q.chunks) && n >= len(q.chunks[i].bytes); i++ {
		n -= len(q.chunks[i].bytes)
		q.messages -= q.chunks[i].messages
	}
	rest := copy(q.chunks, q.chunks[i:])
	clear(q.chunks[rest:])
	if q.chunks = q.chunks[:rest]; n > 0 {
		q.chunks[0].bytes = q.chunks[0].bytes[n:]
	}
}

// engine moves the bytes of connections. There are two: they differ in reading, writing
// and waking, and in nothing else.
type engine interface {
	// write writes what the connection takes at once and returns how much that was.
	write(c *conn, b []byte) (int, error)
	// flush goes on with c.out, now or when there is room; the loop's written is told.
	flush(l *loop, c *conn)
	// shutdown tells the peer that nothing more comes.
	shutdown(l *loop, c *conn)
	// close closes the socket. c is removed next.
	close(l *loop, c *conn)
	// detach takes the socket out of the engine. c is removed next.
	detach(l *loop, c *conn) (net.Conn, error)
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

// send writes b, in which so many messages end, to c behind what waits for it already. It
// tells whether b is held on to; the caller must not change it then.
func (l *loop) send(c *conn, b []byte, messages int) (held bool) {
	if c.out == nil {
		n, err := l.engine(c).write(c, b)
		if err != nil {
			l.close(c, Failed)
			return false
		}
		if n == len(b) {
			return false
		}
		b = b[n:]
		c.out = new(queue)
	} else if l.overfull(c, len(b), messages) {
		l.close(c, Slow)
		return false
	}
	c.out.put(b, messages)
	l.engine(c).flush(l, c)
	return true
}

// overfull tells whether so much more would be too much. What a resume reads is bounded by
// the page, and does not count.
func (l *loop) overfull(c *conn, bytes, messages int) bool {
	limits := l.g.limits.Load()
	return messages > 0 && c.resuming() == nil &&
		(c.out.bytes+bytes > limits.MaxPendingBytes || c.out.messages+messages > limits.MaxPendingMessages)
}

// written is told by the engine: n bytes of c.out have left, or the connection has failed.
func (l *loop) written(c *conn, n int, err error) {
	if err != nil {
		l.close(c, Failed)
		return
	}
	c.out.written(n)
	if c.out.bytes > 0 {
		return
	}
	c.out = nil
	switch {
	case c.state == flushing:
		l.linger(c)
	case c.resuming() != nil:
		l.readMissed(c)
	}
}
