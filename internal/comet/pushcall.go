package comet

import (
	"bytes"
	"slices"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire/http1"
)

// pushers is what a loop has for its connections that push.
type pushers struct {
	request  http1.Request   // scratch
	answers  frames          // that are in the batch
	posted   channel.SinkSet // to be flushed
	ready    []id            // connections to look at before the turn ends
	later    []id            // connections to look at in the next turn
	begun    int             // pushes of this turn
	spare    []*pushCall
	underWay int             // calls of all connections
	stopped  bool            // no more are begun
	idle     chan<- struct{} // told when none is under way; nil: nobody waits for it

	crowd     []id // connections that wait for room
	admitting bool // for which somebody waits
}

// pushesATurn is how many pushes a loop begins in a turn, and those of one request: behind them it looks at its
// other connections. A few bytes can ask for very many.
const pushesATurn = 256

// What a burst leaves behind.
const (
	maxSpareCalls   = 1024
	maxSpareAnswers = 64 << 10 // bytes
)

// pushCall is the pushes of a request, under way.
type pushCall struct {
	loop   *loop // set by newCall, never changed, as told and came are
	conn   id
	answer func(dst []byte, receipts []message.Receipt, last bool) []byte
	pushes int
	bytes  int  // of the request
	done   bool // receipts are there

	receipts []message.Receipt       // the loop's once done
	told     func([]message.Receipt) // tell
	came     func(*loop)             // take
}

// newCall returns a call whose told may be given away.
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

// giveBack keeps a call that nobody will tell any more for another request.
func (l *loop) giveBack(call *pushCall) {
	call.receipts, call.answer, call.done = nil, nil, false
	if len(l.pushers.spare) < maxSpareCalls {
		l.pushers.spare = append(l.pushers.spare, call)
	}
}

// putUnderWay has call answered when it is done and all before it are.
func (l *loop) putUnderWay(p *pushing, call *pushCall) {
	p.calls = append(p.calls, call)
	p.pushes += call.pushes
	p.bytes += call.bytes
	l.pushers.underWay++
}

// tell brings the receipts to the loop, which whoever calls will flush. Anyone may call it.
func (call *pushCall) tell(receipts []message.Receipt) {
	call.receipts = receipts
	call.loop.inbox.put(item{do: call.came})
}

// take has the receipts answered in their turn.
func (call *pushCall) take(l *loop) {
	call.done = true
	if c := l.find(call.conn); c == nil {
		call.answer(nil, call.receipts, true) // it is counted
		l.end(call)
	} else if p := c.aux.pushing; p.calls[0] == call {
		l.goesOn(c, p)
	}
}

// abandon ends those calls of a connection that is closed which are done, and only waited for others
// before them. take ends the others.
func (l *loop) abandon(p *pushing) {
	for _, call := range p.calls {
		if call.done {
			call.answer(nil, call.receipts, true) // it is counted
			l.end(call)
		}
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

// goesOn has c looked at before the loop's turn ends.
func (l *loop) goesOn(c *conn, p *pushing) {
	if !p.ready {
		p.ready = true
		l.pushers.ready = append(l.pushers.ready, c.id)
	}
}

// newTurn lets pushes begin again, and has those connections looked at for which there were too many.
func (l *loop) newTurn() {
	l.pushers.begun = 0
	l.pushers.ready = append(l.pushers.ready, l.pushers.later...)
	l.pushers.later = l.pushers.later[:0]
}

// waitsForTurn tells whether enough pushes have begun in this turn. c goes on in the next one.
func (l *loop) waitsForTurn(c *conn, p *pushing) bool {
	if l.pushers.begun < pushesATurn {
		return false
	}
	if !p.ready {
		p.ready = true
		l.pushers.later = append(l.pushers.later, c.id)
	}
	return true
}

// goOn looks at the connections that can go on, and tells whether there were any.
func (l *loop) goOn() bool {
	ready := l.pushers.ready
	for _, id := range ready {
		if c := l.find(id); c != nil && c.state == pushesHTTP {
			l.proceed(c, c.aux.pushing)
		}
	}
	l.pushers.ready = slices.Delete(l.pushers.ready, 0, len(ready))
	return len(ready) > 0
}

// proceed answers what is done, in order, and goes on with what was read of c.
func (l *loop) proceed(c *conn, p *pushing) {
	p.ready = false
	if l.settle(c); c.state == free {
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
		l.arrange(c, p, nil)
	}
}

// sendAnswers sends c the answers that begin at from. What is under way bounds them, and nothing more of
// c is begun before they have left.
func (l *loop) sendAnswers(c *conn, from int) {
	switch answers := &l.pushers.answers; {
	case len(answers.bytes) == from:
	case c.out != nil: // a few bytes are not to hold the answers of the whole turn
		l.send(c, bytes.Clone(answers.bytes[from:]), 0)
	default:
		l.sendFrames(c, answers.bytes[from:], 0, answers)
	}
}

// flushPosted lets go what requests have posted. It may do some work of other loops, with the lock of
// this one held: they never wait for each other's.
func (l *loop) flushPosted() {
	if posted := l.pushers.posted; posted != 0 {
		l.pushers.posted = 0
		l.g.cfg.Keys.Flush(posted)
	}
}

// waitsForRoom tells whether there is no room for what is posted. c goes on when there is.
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
