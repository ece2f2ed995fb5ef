package comet

import (
	"slices"
	"time"

	"gopush/internal/channel"
	"gopush/internal/wire"
	"gopush/internal/wire/ws"
)

// How long a peer may take to read some more of our last bytes, and to close after them.
const (
	flushTimeout  = 5 * time.Second
	lingerTimeout = 2 * time.Second
)

// text sends a protocol text, such as a heartbeat's answer, in c's dialect.
func (l *loop) text(c *conn, text string) {
	l.send(c, wire.AppendText(nil, c.variant, text), 1)
}

// refuse tells c's peer what is wrong in its dialect, and closes.
func (l *loop) refuse(c *conn, text string, why Reason) {
	if l.text(c, text); c.state != free {
		l.closePolitely(c, why)
	}
}

// refuseHTTP answers a head that cannot be accepted, and closes.
func (l *loop) refuseHTTP(c *conn, refusal *ws.HandshakeError, why Reason) {
	if l.send(c, refusal.Response(), 1); c.state != free {
		l.closePolitely(c, why)
	}
}

// closePolitely closes c after what waits for it has left: a WebSocket gets a close frame, and
// the peer gets time to read, since closing a socket with unread input destroys what was sent.
func (l *loop) closePolitely(c *conn, why Reason) {
	switch {
	case c.state == served && l.lastAnswers(c, why):
		return
	case c.state == handshaking:
		l.close(c, why)
		return
	}
	if c.webSocket() && c.flags&closeSent == 0 {
		l.closeWS(c, closeCode(why), why.String(), why)
		return
	}
	l.finish(c, why)
}

// closeWS sends a close frame, if none was sent, and closes.
func (l *loop) closeWS(c *conn, code int, reason string, why Reason) {
	if c.flags&closeSent == 0 {
		c.flags |= closeSent
		l.send(c, ws.AppendClose(nil, code, reason), 1)
	}
	if c.state != free {
		l.finish(c, why)
	}
}

// closeCode is the WebSocket code for a reason to close.
func closeCode(why Reason) int {
	switch why {
	case Shutdown, Draining:
		return ws.CloseGoingAway
	case ResumeFailed, AuthFailed, Busy: // a slow one gets none: its queue is full
		return ws.CloseTryLater
	case TooLong:
		return ws.CloseTooBig
	default:
		return ws.ClosePolicy
	}
}

// finish lets what waits for c leave, then lingers.
func (l *loop) finish(c *conn, why Reason) {
	if l.settle(c); c.closing() {
		return
	}
	c.why = why
	l.unsubscribe(c)
	if c.out == nil {
		l.linger(c)
		return
	}
	c.state = flushing
	l.wheel.set(&l.conns, c, l.in(flushTimeout))
}

// linger tells the peer that nothing more comes and waits a little for it to close.
func (l *loop) linger(c *conn) {
	switch l.goodbye(c); {
	case c.state == free:
		return
	case c.out != nil: // it did not leave at once; then c lingers
		c.state = flushing
		l.wheel.set(&l.conns, c, l.in(flushTimeout))
		return
	}
	c.state = lingering
	l.engine(c).shutdown(l, c)
	l.wheel.set(&l.conns, c, l.in(lingerTimeout))
}

// tagOf returns the tag of the token by which c may subscribe to ch.
func (c *conn) tagOf(ch *channel.Channel) uint64 {
	if r := c.speaksRedis(); r != nil {
		return r.session.Tag(ch.Key())
	}
	return c.tag
}

// kick closes the connections of a group, all or those with a tag of tags, and tells closed how
// many there were.
func (l *loop) kick(ch *channel.Channel, ref uint32, tags []uint64, closed chan<- int) {
	at, end, kicked := uint32(1), l.conns.top, 0
	l.begin(func(budget int) bool {
		for ; budget > 0; budget-- {
			if at = l.group(ch, ref).next(at); at == 0 || at > end {
				closed <- kicked
				return false
			}
			if c := l.conns.at(at); len(tags) == 0 || slices.Contains(tags, c.tagOf(ch)) {
				l.closePolitely(c, Kicked)
				kicked++
			}
			at++
		}
		return true
	})
}

// drainAll tells every connection to go, once what was posted has been delivered, and left when
// all have gone. What is posted from now on comes too late, and so does who subscribes.
func (l *loop) drainAll(left chan<- struct{}) {
	l.draining, l.leaving, l.calls.stopped = true, left, true
	next := uint32(1)
	l.begin(func(budget int) bool {
		if l.delivering() {
			return true
		}
		for ; next <= l.conns.top && budget > 0; next++ {
			if c := l.conns.find(next); c != nil && c.state != free {
				l.closePolitely(c, Shutdown)
				budget--
			}
		}
		if next <= l.conns.top {
			return true
		}
		l.tellLeft()
		return false
	})
}

// tellLeft tells whoever drains the loop that its last connection has gone.
func (l *loop) tellLeft() {
	if l.leaving != nil && l.load.Load() == 0 {
		l.leaving <- struct{}{}
		l.leaving = nil
	}
}
