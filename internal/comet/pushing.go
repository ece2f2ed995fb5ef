package comet

import (
	"slices"

	"gopush/internal/channel"
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
// What is posted by the way is flushed when all that was read has been gone through.

// Pusher judges a request: what does it push, and how are the receipts answered? answer appends to dst;
// last: nothing follows on the connection. No pushes: net/http is to have the request. A Pusher keeps nothing of r, and
// does not block.
type Pusher func(peer string, r *http1.Request) (pushes []message.Push, answer func(dst []byte, receipts []message.Receipt, last bool) []byte)

// ServePushes has the loops serve the requests that p takes, on an admin listener.
func (ln *Listener) ServePushes(p Pusher) { ln.pusher.Store(&p) }

// Bounds of what one connection may have under way. Past them nothing more of it is read until half of that is answered.
const (
	maxPushBody   = 32 << 10 // a larger body is for net/http
	pushesAtOnce  = 1024     // and one request
	pushBytes     = 256 << 10
	maxSpareCalls = 1024

	maxSpareAnswers = 64 << 10
)

// pushing is the state of a connection that pushes over HTTP.
type pushing struct {
	pusher Pusher
	peer   string // IP:PORT

	calls  []*pushCall // under way, in the order of the requests
	pushes int         // of calls
	bytes  int         // of calls

	full    bool   // that was too much; until it is half of it
	crowded bool   // the loop tells when there is room for what is posted
	partial bool   // the next request is not whole yet
	leaving bool   // the next request is for net/http
	ended   bool   // the peer sends no more
	why     Reason // it is closed when all is answered; 0: it goes on
	ready   bool   // it is in pushers.ready
}

// pushCall is a request under way.
type pushCall struct {
	loop   *loop
	conn   id
	answer func(dst []byte, receipts []message.Receipt, last bool) []byte
	pushes int
	bytes  int
	done   bool

	receipts []message.Receipt       // the loop's once done
	told     func([]message.Receipt) // tell, which may be anybody's call
	came     func(*loop)             // take, for the inbox
}

// pushers is what a loop has for its connections that push.
type pushers struct {
	request   http1.Request // scratch
	answers   frames        // being sent
	posted    channel.SinkSet
	ready     []id            // connections that can go on
	crowd     []id            // connections that wait for room
	admitting bool            // somebody waits for it
	underWay  int             // calls
	stopped   bool            // no more are begun
	idle      chan<- struct{} // told when none is under way; nil: nobody waits for it
	spare     []*pushCall
}

// beginPushing has c, whose first head is whole, serve pushes from now on, if b begins with a strict request.
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
	for used < len(b) && l.mayStart(c, p) {
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
	l.rearrange(c, p, b[used:])
	return used
}

// mayStart tells whether the next request of c may be carried out now. If not, c will be ready when it may.
func (l *loop) mayStart(c *conn, p *pushing) bool {
	switch {
	case p.pushes >= pushesAtOnce || p.bytes >= pushBytes:
		p.full = true
	case p.pushes <= pushesAtOnce/2 && p.bytes <= pushBytes/2:
		p.full = false
	}
	return !p.full && c.out == nil && !p.leaving && p.why == 0 && !l.pushers.stopped && !l.waitsForRoom(c, p)
}

// request carries out the request that b begins with and returns its size; 0: it is not whole, or not strict.
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
	l.pushers.underWay++
	p.calls = append(p.calls, call)
	p.pushes += call.pushes
	p.bytes += call.bytes
	return n, true
}

func (l *loop) newCall() *pushCall {
	if n := len(l.pushers.spare); n > 0 {
		call := l.pushers.spare[n-1]
		l.pushers.spare = l.pushers.spare[:n-1]
		return call
	}
	call := &pushCall{loop: l}
	call.told, call.came = call.tell, call.take
	return call
}

func (l *loop) giveBack(call *pushCall) {
	call.receipts, call.answer, call.done = nil, nil, false
	if len(l.pushers.spare) < maxSpareCalls {
		l.pushers.spare = append(l.pushers.spare, call)
	}
}

// end forgets a call that was under way.
func (l *loop) end(call *pushCall) {
	l.giveBack(call)
	l.pushers.underWay--
	l.tellIdle()
}

// endPushes begins no more pushes, and idle is told when those under way are answered.
func (l *loop) endPushes(idle chan<- struct{}) {
	l.pushers.stopped, l.pushers.idle = true, idle
	l.tellIdle()
}

func (l *loop) tellIdle() {
	if l.pushers.idle != nil && l.pushers.underWay == 0 {
		l.pushers.idle <- struct{}{}
		l.pushers.idle = nil
	}
}

// whyEnd returns why a connection is closed when what it pushed is answered; 0: it goes on.
func (l *loop) whyEnd(p *pushing) Reason {
	if p.why == 0 && l.pushers.stopped {
		return Shutdown
	}
	return p.why
}

// tell brings the receipts to the loop, which is flushed by whoever calls.
func (call *pushCall) tell(receipts []message.Receipt) {
	call.receipts = receipts
	call.loop.inbox.put(item{do: call.came})
}

// take has the receipts answered in their turn.
func (call *pushCall) take(l *loop) {
	call.done = true
	if c := l.find(call.conn); c == nil || c.state != pushesHTTP {
		call.answer(nil, call.receipts, true) // it is counted
		l.end(call)
	} else if p := c.aux.pushing; p.calls[0] == call {
		l.goesOn(c, p)
	}
}

// goesOn has c looked at again before the loop's turn ends.
func (l *loop) goesOn(c *conn, p *pushing) {
	if !p.ready {
		p.ready = true
		l.pushers.ready = append(l.pushers.ready, c.id)
	}
}

// goOn has connections that push go on, and tells whether there were any.
func (l *loop) goOn() bool {
	ready := l.pushers.ready
	for _, id := range ready {
		if c := l.find(id); c != nil && c.state == pushesHTTP {
			l.proceed(c, c.aux.pushing)
		}
	}
	l.pushers.ready = l.pushers.ready[:copy(l.pushers.ready, l.pushers.ready[len(ready):])]
	return len(ready) > 0
}

// proceed answers what has its receipts, in order, and goes on with what was read of c.
func (l *loop) proceed(c *conn, p *pushing) {
	p.ready = false
	if l.settle(c); c.state != pushesHTTP {
		return
	}
	from := len(l.pushers.answers.bytes)
	n := 0
	for ; n < len(p.calls) && p.calls[n].done; n++ {
		call := p.calls[n]
		last := l.whyEnd(p) != 0 && n == len(p.calls)-1
		l.pushers.answers.bytes = call.answer(l.pushers.answers.bytes, call.receipts, last)
		p.pushes -= call.pushes
		p.bytes -= call.bytes
		l.end(call)
	}
	p.calls = slices.Delete(p.calls, 0, n)
	l.sendAnswers(c, from)
	if c.in != nil {
		l.input(c, nil)
	} else {
		l.rearrange(c, p, nil)
	}
}

// sendAnswers sends c the answers that begin at from. They are bounded by what may be under way, and nothing
// more of c is read before they have left.
func (l *loop) sendAnswers(c *conn, from int) {
	if answers := &l.pushers.answers; len(answers.bytes) > from {
		l.sendFrames(c, answers.bytes[from:], 0, answers)
	}
}

// rearrange decides how c goes on: rest was read and not carried out.
func (l *loop) rearrange(c *conn, p *pushing, rest []byte) {
	if c.state != pushesHTTP || len(p.calls) == 0 && l.leaves(c, p, rest) {
		return
	}
	l.read(c, !p.ended && l.mayStart(c, p))
	if !p.partial {
		l.wheel.set(&l.conns, c, l.in(l.g.cfg.IdleTimeout))
	}
}

// read has c read or not.
func (l *loop) read(c *conn, on bool) {
	if on != (c.flags&paused == 0) {
		c.flags ^= paused
		l.engine(c).read(c)
	}
}

// lastAnswers has c closed when what it pushed is answered; false: it is.
func (l *loop) lastAnswers(c *conn, why Reason) bool {
	p := c.aux.pushing
	p.why = why
	l.read(c, !p.ended && len(p.calls) == 0)
	return len(p.calls) > 0
}

// leaves ends the serving of c, all of whose requests are answered, if it is time to.
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
		return false
	case p.leaving || p.partial && p.ended:
		l.handOver(c, rest)
	case len(rest) == 0:
		l.close(c, PeerClosed)
	default:
		return false
	}
	return true
}

// flushPosted lets go what requests have posted to other sinks.
func (l *loop) flushPosted() {
	if posted := l.pushers.posted; posted != 0 {
		l.pushers.posted = 0
		l.g.cfg.Keys.Flush(posted)
	}
}

// recycle forgets the answers, which have been sent or are held on to.
func (f *frames) recycle() {
	if f.shared || cap(f.bytes) > maxSpareAnswers {
		f.bytes, f.shared = nil, false
	}
	f.bytes = f.bytes[:0]
}

// noMore is told that c's peer sends no more. What it pushed is carried out and answered.
func (l *loop) noMore(c *conn) {
	if c.state != pushesHTTP {
		l.close(c, PeerClosed)
		return
	}
	p := c.aux.pushing
	p.ended = true
	l.proceed(c, p)
}

// overdue is told that c has had time enough.
func (l *loop) overdue(c *conn) {
	p := c.aux.pushing
	switch {
	case c.out != nil:
		l.close(c, Slow)
	case len(p.calls) > 0 || p.crowded:
		l.wheel.set(&l.conns, c, l.in(l.g.cfg.IdleTimeout))
	default:
		l.closePolitely(c, HTTPTimeout)
	}
}

// waitsForRoom tells whether a loop has no room for what is posted. c will be ready when all have.
func (l *loop) waitsForRoom(c *conn, p *pushing) bool {
	keys := l.g.cfg.Keys
	if !keys.Crowded() {
		return false
	}
	if !p.crowded {
		p.crowded = true
		l.pushers.crowd = append(l.pushers.crowd, c.id)
	}
	if !l.pushers.admitting {
		l.pushers.admitting = l.g.pool.run(func() {
			keys.Admit()
			l.do((*loop).admitCrowd)
		})
	}
	return true
}

func (l *loop) admitCrowd() {
	l.pushers.admitting = false
	for _, id := range l.pushers.crowd {
		if c := l.find(id); c != nil && c.state == pushesHTTP {
			c.aux.pushing.crowded = false
			l.goesOn(c, c.aux.pushing)
		}
	}
	l.pushers.crowd = l.pushers.crowd[:0]
}
