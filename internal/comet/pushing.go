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

// beginPushing has c, whose first head is whole, push from now on if b begins with a strict request.
func (l *loop) beginPushing(c *conn, b []byte) bool {
	pusher := l.g.all()[c.from].pusher.Load()
	if pusher == nil {
		return false
	}
	if _, strict := http1.Parse(&l.calls.request, b, l.pushLimits()); !strict {
		return false
	}
	c.more().serving = &serving{pusher: *pusher, peer: l.peer(c)}
	c.state = served
	return true
}

func (l *loop) pushLimits() http1.Limits {
	return http1.Limits{MaxHead: l.g.limits.Load().MaxHeadBytes, MaxBody: maxPushBody}
}

// request carries out the request that b begins with and returns its size; 0: it is not whole, or
// not for a loop.
func (l *loop) request(c *conn, p *serving, b []byte) (n int, next next) {
	if l.waitsForRoom(c, p) {
		return 0, later
	}
	r := &l.calls.request
	n, strict := http1.Parse(r, b, l.pushLimits())
	switch {
	case !strict:
		return 0, others
	case n == 0:
		return 0, incomplete
	}
	pushes, answer := p.pusher(p.peer, r)
	if len(pushes) == 0 {
		return 0, others
	}
	l.g.Stats.PushRequests.Add(1)
	l.calls.effort += len(pushes) * effortOfPush
	call := l.newCall()
	receipts, posted := l.g.cfg.Keys.Start(l.id, pushes, call.told)
	l.calls.posted |= posted
	if receipts != nil && len(p.calls) == 0 {
		l.calls.answers.bytes = answer(l.calls.answers.bytes, receipts, false)
		l.giveBack(call)
		return n, goOn
	}
	call.conn, call.answer, call.pushes, call.bytes = c.id, answer, len(pushes), n
	if receipts != nil {
		call.receipts, call.done = receipts, true
	}
	l.putUnderWay(p, call)
	return n, goOn
}

// behindPost returns b without the line ends that some clients send behind the body of a POST. net/http
// ignores as many, where it has seen the POST.
func behindPost(b []byte) []byte {
	for n := 0; n < 4 && len(b) > 0 && (b[0] == '\r' || b[0] == '\n'); n++ {
		b = b[1:]
	}
	return b
}
