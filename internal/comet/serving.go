package comet

// A connection whose requests its loop carries out is served: pushes over HTTP, commands of Redis. What it asks for may
// take a while, such as a push that is to be stored; its requests are begun in their order, and the answers leave in it.
//
//	input ─> requests ─> next ─┬─ answered at once ────────────────┬─> answers, in order, in one write
//	                           └─ a call: later, through the inbox ┘

// Bounds of what one connection may have under way, and one request. Past them nothing more is
// begun, and nothing read, until half of that is answered.
const (
	maxPushesUnderWay = 1024
	maxBytesUnderWay  = 256 << 10 // of requests
)

// serving is the state of a connection that is served.
type serving struct {
	pusher Pusher     // of one that pushes over HTTP
	peer   string     // IP:PORT of one that pushes over HTTP
	redis  *redisConn // of one that speaks Redis

	calls  []*call // under way, in the order of their requests
	pushes int     // of calls
	bytes  int     // of calls

	full    bool   // it came to the bounds, and not yet back to half of them
	crowded bool   // it waits for room for what is posted
	busy    bool   // a call or a read that waits lets nothing else begin
	ready   bool   // it is to be looked at before the loop's turn ends, or in the next one
	partial bool   // the next request is not whole yet
	leaving bool   // the next request is for net/http
	ended   bool   // the peer sends no more
	why     Reason // it is closed when all is answered; 0: it goes on
}

// requests carries out the requests that b begins with, as far as that may be now.
func (l *loop) requests(c *conn, b []byte) (used int) {
	p := c.aux.serving
	if l.settle(c); c.state == free {
		return 0
	}
	from, waited := len(l.calls.answers.bytes), p.partial
	p.partial = false
	next := goOn
	for next == goOn && used < len(b) && l.mayStart(c, p) && !l.waitsForTurn(c, p) {
		n := 0
		if p.redis != nil {
			n, next = l.command(c, p, b[used:])
		} else {
			n, next = l.request(c, p, b[used:])
		}
		used += n
	}
	p.partial, p.leaving = next == incomplete, p.leaving || next == others
	if p.partial && (used > 0 || !waited) {
		l.wheel.set(&l.conns, c, l.in(l.g.cfg.ReadTimeout))
	}
	l.sendAnswers(c, from)
	l.arrange(c, p, b[used:])
	return used
}

// next says what comes after a request was looked at.
type next uint8

const (
	goOn       next = iota // the next request
	incomplete             // more bytes have to come
	later                  // the same request, when something has ended that it waits for
	others                 // it is for net/http
)

// mayStart tells whether the next request of c may be carried out now. If not, c goes on when it may.
func (l *loop) mayStart(c *conn, p *serving) bool {
	switch {
	case p.pushes >= maxPushesUnderWay || p.bytes >= maxBytesUnderWay:
		p.full = true
	case p.pushes <= maxPushesUnderWay/2 && p.bytes <= maxBytesUnderWay/2:
		p.full = false
	}
	return !p.full && !p.busy && c.out == nil && !p.leaving && l.whyEnd(p) == 0
}

// whyEnd returns why a connection is closed when what it pushed is answered; 0: it goes on.
func (l *loop) whyEnd(p *serving) Reason {
	if p.why == 0 && l.calls.stopped {
		return Shutdown
	}
	return p.why
}

// arrange decides how c goes on. rest is what was read and is not used yet.
func (l *loop) arrange(c *conn, p *serving, rest []byte) {
	if c.state != served || len(p.calls) == 0 && l.leaves(c, p, rest) {
		return
	}
	l.weigh(c)
	if p.redis != nil {
		l.arrangeRedis(c, p, rest)
		return
	}
	// While something of c could begin, it may be handed over: then nobody must be reading.
	more := len(rest) > 0 && !p.partial
	l.read(c, !p.ended && !more && l.mayStart(c, p) && !l.waitsForRoom(c, p))
	if !p.partial {
		l.wheel.set(&l.conns, c, l.in(l.g.cfg.IdleTimeout))
	}
}

// leaves ends the serving of c, for which nothing is under way, if it is time to.
func (l *loop) leaves(c *conn, p *serving, rest []byte) bool {
	if l.whyEnd(p) == 0 && !p.leaving && !p.ended {
		return false // without a look at the batch, so that answers of several connections leave together
	}
	switch l.settle(c); {
	case c.state == free:
	case l.whyEnd(p) != 0:
		l.read(c, !p.ended)
		l.finish(c, l.whyEnd(p))
	case c.out != nil:
		return false // c goes on when it has left
	case p.ended && (len(rest) == 0 || p.redis != nil && (p.partial || p.busy)):
		l.close(c, PeerClosed)
	case p.leaving, p.partial && p.ended:
		l.handOver(c, behindPost(rest))
	default:
		return false
	}
	return true
}

// read has c read, or not.
func (l *loop) read(c *conn, on bool) {
	if on != (c.flags&paused == 0) {
		c.flags ^= paused
		l.engine(c).read(c)
		if on {
			l.decryptAgain(c)
		}
	}
}

// noMore is told that c's peer sends no more. What it pushed is carried out and answered.
func (l *loop) noMore(c *conn) {
	if c.state != served {
		l.close(c, PeerClosed)
		return
	}
	c.aux.serving.ended = true
	l.proceed(c, c.aux.serving)
}

// lastAnswers has c closed when what it pushed is answered; false: it is.
func (l *loop) lastAnswers(c *conn, why Reason) bool {
	p := c.aux.serving
	p.why = why
	l.read(c, !p.ended && len(p.calls) == 0)
	return len(p.calls) > 0
}

// overdue is told that c's deadline has come.
func (l *loop) overdue(c *conn) {
	p := c.aux.serving
	switch {
	case c.out != nil:
		l.close(c, Slow)
	case p.redis != nil:
		l.overdueRedis(c, p)
	case len(p.calls) > 0 || p.crowded:
		l.wheel.set(&l.conns, c, l.in(l.g.cfg.IdleTimeout))
		l.goesOn(c, p)
	default:
		l.closePolitely(c, HTTPTimeout)
	}
}
