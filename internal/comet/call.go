package comet

import (
	"bytes"
	"context"
	"slices"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis"
	"gopush/internal/wire/http1"
)

// calls is what a loop has for the connections that it serves.
type calls struct {
	request  http1.Request   // scratch
	answers  frames          // that are in the batch
	posted   channel.SinkSet // to be flushed
	ready    []id            // connections to look at before the turn ends
	later    []id            // connections to look at in the next turn
	effort   int             // of this turn
	spare    []*call
	underWay int             // calls of all connections
	stopped  bool            // no more are begun
	idle     chan<- struct{} // told when none is under way; nil: nobody waits for it

	crowd     []id // connections that wait for room
	admitting bool // for which somebody waits
}

// effortATurn is how much a loop begins in a turn, and one request: behind that it looks at its other
// connections. A few bytes can ask for very much.
const (
	effortATurn  = 256 * effortOfPush
	effortOfPush = 8
	effortOfName = 4  // to subscribe to one, or not any more
	effortBytes  = 64 // of answers that are there at once, for each unit
)

// What a burst leaves behind.
const (
	maxSpareCalls   = 1024
	maxSpareAnswers = 64 << 10 // bytes
)

// call is a request under way.
type call struct {
	loop   *loop // set by newCall, never changed, as told and came are
	conn   id
	answer func(dst []byte, receipts []message.Receipt, last bool) []byte // nil: reply is the answer
	pushes int
	bytes  int  // of the request
	alone  bool // nothing else of the connection is begun meanwhile
	again  bool // its command comes again, and is answered then
	mute   bool // nobody is answered
	done   bool // receipts or reply are there

	receipts []message.Receipt // the loop's once done, as reply and then are
	reply    []byte
	then     func(*redis.Session)    // nil: nothing
	one      [1]message.Push         // of a command
	work     work                    // of a command; to be done when the calls before it have been answered
	told     func([]message.Receipt) // tell
	came     func(*loop)             // take
}

// work makes the reply of a command somewhere where it may block, as redis.Step.Work says.
type work func(ctx context.Context, dst []byte) (reply []byte, then func(*redis.Session))

// newCall returns a call whose told may be given away.
func (l *loop) newCall() *call {
	if n := len(l.calls.spare); n > 0 {
		call := l.calls.spare[n-1]
		l.calls.spare = l.calls.spare[:n-1]
		return call
	}
	call := &call{loop: l}
	call.told, call.came = call.tell, call.take
	return call
}

// calledAgain is what a call is before it is used again.
func calledAgain(c *call) call { return call{loop: c.loop, told: c.told, came: c.came} }

// giveBack keeps a call that nobody will tell any more for another request.
func (l *loop) giveBack(call *call) {
	*call = calledAgain(call)
	if len(l.calls.spare) < maxSpareCalls {
		l.calls.spare = append(l.calls.spare, call)
	}
}

// putUnderWay has call answered when it is done and all before it are.
func (l *loop) putUnderWay(p *serving, call *call) {
	p.calls = append(p.calls, call)
	p.pushes += call.pushes
	p.bytes += call.bytes
	l.calls.underWay++
}

// tell brings the receipts to the loop, which whoever calls will flush. Anyone may call it.
func (call *call) tell(receipts []message.Receipt) {
	call.receipts = receipts
	call.loop.inbox.put(item{do: call.came})
}

// take has the receipts answered in their turn.
func (call *call) take(l *loop) {
	call.done = true
	if c := l.find(call.conn); c == nil {
		call.append(nil, true) // it is counted
		l.end(call)
	} else {
		l.came(c, call)
	}
}

// came has c go on if it waits for call.
func (l *loop) came(c *conn, call *call) {
	p := c.aux.serving
	if call.alone {
		p.busy = false
	}
	if call.then != nil {
		call.then(p.redis.session)
		l.vary(c, p.redis) // HELLO 3 AUTH
	}
	if call.again && l.hearsClosed(c, p.redis) {
		l.closePolitely(c, Kicked)
	}
	if p.calls[0] == call {
		l.goesOn(c, p)
	}
}

// append appends the answer.
func (call *call) append(dst []byte, last bool) []byte {
	switch {
	case call.mute:
		return dst
	case call.answer == nil:
		return append(dst, call.reply...)
	}
	return call.answer(dst, call.receipts, last)
}

// abandon ends those calls of a connection that is closed which only waited for others before them: to be answered, or
// to begin. take ends the others.
func (l *loop) abandon(p *serving) {
	for _, call := range p.calls {
		if call.done || call.work != nil {
			call.append(nil, true) // it is counted
			l.end(call)
		}
	}
}

// end forgets a call that was under way.
func (l *loop) end(call *call) {
	l.giveBack(call)
	l.calls.underWay--
	l.tellIdle()
}

// endPushes begins no more pushes, and idle is told when those under way are answered.
func (l *loop) endPushes(idle chan<- struct{}) {
	l.calls.stopped, l.calls.idle = true, idle
	l.tellIdle()
}

func (l *loop) tellIdle() {
	if l.calls.idle != nil && l.calls.underWay == 0 {
		l.calls.idle <- struct{}{}
		l.calls.idle = nil
	}
}

// goesOn has c looked at before the loop's turn ends.
func (l *loop) goesOn(c *conn, p *serving) {
	if !p.ready {
		p.ready = true
		l.calls.ready = append(l.calls.ready, c.id)
	}
}

// newTurn lets pushes begin again, and has those connections looked at for which there were too many.
func (l *loop) newTurn() {
	l.calls.effort = 0
	l.calls.ready = append(l.calls.ready, l.calls.later...)
	l.calls.later = l.calls.later[:0]
}

// waitsForTurn tells whether enough has begun in this turn. c goes on in the next one.
func (l *loop) waitsForTurn(c *conn, p *serving) bool {
	if l.calls.effort < effortATurn {
		return false
	}
	if !p.ready {
		p.ready = true
		l.calls.later = append(l.calls.later, c.id)
	}
	return true
}

// goOn looks at the connections that can go on, and tells whether there were any.
func (l *loop) goOn() bool {
	ready := l.calls.ready
	for _, id := range ready {
		if c := l.find(id); c != nil && c.state == served {
			l.proceed(c, c.aux.serving)
		}
	}
	l.calls.ready = slices.Delete(l.calls.ready, 0, len(ready))
	return len(ready) > 0
}

// proceed answers what is done, in order, and goes on with what was read of c.
func (l *loop) proceed(c *conn, p *serving) {
	p.ready = false
	if l.settle(c); c.state == free {
		return
	}
	from := len(l.calls.answers.bytes)
	n := 0
	for ; n < len(p.calls) && p.calls[n].done; n++ {
		call := p.calls[n]
		last := l.whyEnd(p) != 0 && n == len(p.calls)-1
		l.calls.answers.bytes = call.append(l.calls.answers.bytes, last)
		p.pushes -= call.pushes
		p.bytes -= call.bytes
		l.end(call)
	}
	if p.calls = slices.Delete(p.calls, 0, n); len(p.calls) > 0 && p.calls[0].work != nil {
		l.beginHead(p)
	}
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
	switch answers := &l.calls.answers; {
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
	if posted := l.calls.posted; posted != 0 {
		l.calls.posted = 0
		l.g.cfg.Keys.Flush(posted)
	}
}

// waitsForRoom tells whether there is no room for what is posted. c goes on when there is.
func (l *loop) waitsForRoom(c *conn, p *serving) bool {
	keys := l.g.cfg.Keys
	if !keys.Crowded() {
		return false
	}
	if !p.crowded {
		p.crowded = true
		l.calls.crowd = append(l.calls.crowd, c.id)
	}
	if !l.calls.admitting {
		l.calls.admitting = l.g.pool.run(func() {
			keys.Admit()
			l.do((*loop).admitCrowd)
		})
	}
	return true
}

func (l *loop) admitCrowd() {
	l.calls.admitting = false
	for _, id := range l.calls.crowd {
		if c := l.find(id); c != nil && c.state == served {
			c.aux.serving.crowded = false
			l.goesOn(c, c.aux.serving)
		}
	}
	l.calls.crowd = l.calls.crowd[:0]
}
