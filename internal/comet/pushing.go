package comet

import (
	"gopush/internal/message"
	"gopush/internal/wire/http1"
)

// A connection of an admin listener that sends pushes in the strictest form of HTTP/1.1 stays with its
// loop, which carries them out without waiting:
//
//	read ─> http1.Parse ─> Pusher ─> Keys.Start ─┬─ receipts at once ──────────┬─> answers, in order, in one write
//	              └─ not plainly a push          └─ later, through the inbox ──┘
//	                   └─> when all before it is answered: net/http, for good
//
// What is posted on the way is flushed when all that was read has been gone through.

// Pusher judges a request of peer, "IP:PORT": what does it push, and how are the receipts answered? answer
// appends to dst; last: nothing follows on the connection. No pushes: net/http is to have the request. A Pusher
// keeps nothing of r and does not block.
type Pusher func(peer string, r *http1.Request) (pushes []message.Push, answer func(dst []byte, receipts []message.Receipt, last bool) []byte)

// ServePushes has the loops serve the requests of ln, an admin listener, that p takes.
func (ln *Listener) ServePushes(p Pusher) { ln.pusher.Store(&p) }

// maxPushBody is the largest body that a loop serves, in bytes.
const maxPushBody = 32 << 10

// Bounds of what one connection may have under way, and one request. Past them nothing more is
// begun, and nothing read, until half of that is answered.
const (
	maxPushesUnderWay = 1024
	maxBytesUnderWay  = 256 << 10 // of requests
)

// pushing is the state of a connection that pushes over HTTP.
type pushing struct {
	pusher Pusher
	peer   string // IP:PORT

	calls  []*pushCall // under way, in the order of their requests
	pushes int         // of calls
	bytes  int         // of calls

	full    bool   // it came to the bounds, and not yet back to half of them
	crowded bool   // it waits for room for what is posted
	ready   bool   // it is to be looked at before the loop's turn ends, or in the next one
	partial bool   // the next request is not whole yet
	leaving bool   // the next request is for net/http
	ended   bool   // the peer sends no more
	why     Reason // it is closed when all is answered; 0: it goes on
}

// beginPushing has c, whose first head is whole, push from now on if b begins with a strict request.
func (l *loop) beginPushing(c *conn, b []byte) bool {
	pusher := l.g.all()[c.from].pusher.Load()
	if pusher == nil {
		return false
	}
	if _, strict := http1.Parse(&l.pushers.request, b, l.pushLimits()); !strict {
		return false
	}
	c.more().pushing = &pushing{pusher: *pusher, peer: l.engine(c).peer(c)}
	c.state = pushesHTTP
	return true
}

func (l *loop) pushLimits() http1.Limits {
	return http1.Limits{MaxHead: l.g.limits.Load().MaxHeadBytes, MaxBody: maxPushBody}
}

// requests carries out the requests that b begins with, as far as that may be now.
func (l *loop) requests(c *conn, b []byte) (used int) {
	p := c.aux.pushing
	if l.settle(c); c.state == free {
		return 0
	}
	from, waited := len(l.pushers.answers.bytes), p.partial
	p.partial = false
	for used < len(b) && l.mayStart(c, p) && !l.waitsForTurn(c, p) {
		n, strict := l.request(c, p, b[used:])
		if n == 0 {
			p.partial, p.leaving = strict, !strict
			break
		}
		used += n
	}
	if p.partial && (used > 0 || !waited) {
		l.wheel.set(&l.conns, c, l.in(l.g.cfg.ReadTimeout))
	}
	l.sendAnswers(c, from)
	l.arrange(c, p, b[used:])
	return used
}

// request carries out the request that b begins with and returns its size; 0: it is not whole, or
// not for a loop.
func (l *loop) request(c *conn, p *pushing, b []byte) (n int, strict bool) {
	r := &l.pushers.request
	n, strict = http1.Parse(r, b, l.pushLimits())
	if n == 0 || !strict {
		return 0, strict
	}
	pushes, answer := p.pusher(p.peer, r)
	if len(pushes) == 0 {
		return 0, false
	}
	l.g.Stats.PushRequests.Add(1)
	l.pushers.begun += len(pushes)
	call := l.newCall()
	receipts, posted := l.g.cfg.Keys.Start(l.id, pushes, call.told)
	l.pushers.posted |= posted
	if receipts != nil && len(p.calls) == 0 {
		l.pushers.answers.bytes = answer(l.pushers.answers.bytes, receipts, false)
		l.giveBack(call)
		return n, true
	}
	call.conn, call.answer, call.pushes, call.bytes = c.id, answer, len(pushes), n
	if receipts != nil {
		call.receipts, call.done = receipts, true
	}
	l.putUnderWay(p, call)
	return n, true
}

// mayStart tells whether the next request of c may be carried out now. If not, c goes on when it may.
func (l *loop) mayStart(c *conn, p *pushing) bool {
	switch {
	case p.pushes >= maxPushesUnderWay || p.bytes >= maxBytesUnderWay:
		p.full = true
	case p.pushes <= maxPushesUnderWay/2 && p.bytes <= maxBytesUnderWay/2:
		p.full = false
	}
	return !p.full && c.out == nil && !p.leaving && l.whyEnd(p) == 0 && !l.waitsForRoom(c, p)
}

// whyEnd returns why a connection is closed when what it pushed is answered; 0: it goes on.
func (l *loop) whyEnd(p *pushing) Reason {
	if p.why == 0 && l.pushers.stopped {
		return Shutdown
	}
	return p.why
}

// arrange decides how c goes on. rest is what was read and is not used yet.
func (l *loop) arrange(c *conn, p *pushing, rest []byte) {
	if c.state != pushesHTTP || len(p.calls) == 0 && l.leaves(c, p, rest) {
		return
	}
	// While something of c could begin, it may be handed over: then nobody must be reading.
	more := len(rest) > 0 && !p.partial
	l.read(c, !p.ended && !more && l.mayStart(c, p))
	if !p.partial {
		l.wheel.set(&l.conns, c, l.in(l.g.cfg.IdleTimeout))
	}
}

// leaves ends the serving of c, for which nothing is under way, if it is time to.
func (l *loop) leaves(c *conn, p *pushing, rest []byte) bool {
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
	case p.leaving, p.partial && p.ended:
		l.handOver(c, behindPost(rest))
	case len(rest) == 0:
		l.close(c, PeerClosed)
	default:
		return false
	}
	return true
}

// behindPost returns b without the line ends that some clients send behind the body of a POST. net/http
// ignores as many, where it has seen the POST.
func behindPost(b []byte) []byte {
	for n := 0; n < 4 && len(b) > 0 && (b[0] == '\r' || b[0] == '\n'); n++ {
		b = b[1:]
	}
	return b
}

// read has c read, or not.
func (l *loop) read(c *conn, on bool) {
	if on != (c.flags&paused == 0) {
		c.flags ^= paused
		l.engine(c).read(c)
	}
}

// noMore is told that c's peer sends no more. What it pushed is carried out and answered.
func (l *loop) noMore(c *conn) {
	if c.state != pushesHTTP {
		l.close(c, PeerClosed)
		return
	}
	c.aux.pushing.ended = true
	l.proceed(c, c.aux.pushing)
}

// lastAnswers has c closed when what it pushed is answered; false: it is.
func (l *loop) lastAnswers(c *conn, why Reason) bool {
	p := c.aux.pushing
	p.why = why
	l.read(c, !p.ended && len(p.calls) == 0)
	return len(p.calls) > 0
}

// overdue is told that c's deadline has come.
func (l *loop) overdue(c *conn) {
	p := c.aux.pushing
	switch {
	case c.out != nil:
		l.close(c, Slow)
	case len(p.calls) > 0 || p.crowded:
		l.wheel.set(&l.conns, c, l.in(l.g.cfg.IdleTimeout))
		l.goesOn(c, p)
	default:
		l.closePolitely(c, HTTPTimeout)
	}
}
