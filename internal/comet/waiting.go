package comet

import (
	"container/heap"
	"context"
	"slices"
	"time"

	"gopush/internal/message"
	"gopush/internal/redis"
)

// A read that waits (XREAD or XREADGROUP with BLOCK) follows its keys as a subscriber does: it has neither a goroutine
// nor a timer of its own.
//
//	follow the keys ─> look into the store ─┬─ found: the reply
//	                        ^               └─ nothing: blocked ─┬─ something is stored: the reply, from what was posted
//	                        └── something came meanwhile         └─ time is up: none
//
// After the reply it goes on following for a while: a reader that asks again for what comes next, as most do, waits
// without a look into the store.

// followOn is for how long keys are followed when nobody waits for them.
const followOn = 10 * time.Second

// waiting is a read that waits, or did.
type waiting struct {
	*redis.Waiting
	conn  id
	state waitState
	after []int64 // as in redis.Waiting; resolved
	news  bool    // something was stored since the store was looked into last, or since the reply
	mute  bool    // nobody is answered
	late  bool    // time was up while the store was looked into: what it gives to a group's consumer must reach it

	until time.Time // zero: there is no end
	place int       // in the loop's deadlines; -1: not there
}

type waitState uint8

const (
	follower waitState = iota // nobody waits
	looking                   // into the store
	blocked
)

// become puts wt into another state. Those that wait are counted.
func (l *loop) become(wt *waiting, s waitState) {
	switch waits := s != follower; {
	case waits && wt.state == follower:
		l.g.Stats.Blocked.Add(1)
	case !waits && wt.state != follower:
		l.g.Stats.Blocked.Add(-1)
	}
	wt.state = s
}

// beginWait carries out a read that waits for messages.
func (l *loop) beginWait(c *conn, p *serving, step *redis.Step) {
	r, w := p.redis, step.Wait
	l.calls.effort += effortOfPush + len(w.Keys)*effortOfName
	p.busy = true
	if l.waitsAgain(r, w, step.Mute) {
		l.block(r.wait)
		return
	}
	l.endFollowing(c, r)
	wt := &waiting{Waiting: w, conn: c.id, after: slices.Clone(w.After), mute: step.Mute, place: -1}
	r.wait = wt
	uptodate, err := l.follow(c, r, wt)
	switch {
	case err != nil:
	case uptodate:
		l.block(wt)
	case !l.look(wt):
		err = errBusy
	}
	if err != nil {
		p.busy = false
		l.endFollowing(c, r)
		if !step.Mute {
			l.calls.answers.bytes = r.server.AppendError(l.calls.answers.bytes, err)
		}
	}
}

// waitsAgain tells whether w asks for what comes after the last reply: its keys are followed, and nothing was stored since.
func (l *loop) waitsAgain(r *redisConn, w *redis.Waiting, mute bool) bool {
	wt := r.wait
	if wt == nil || wt.news || w.Append == nil || wt.Append == nil || !slices.Equal(w.Keys, wt.Keys) {
		return false
	}
	for i, after := range w.After {
		if after != wt.after[i] && after != message.LastMid {
			return false
		}
	}
	wt.Waiting, wt.mute = w, mute
	return true
}

// follow has wt told of what is stored for its keys. uptodate: nothing that it waits for is stored yet.
func (l *loop) follow(c *conn, r *redisConn, wt *waiting) (uptodate bool, err error) {
	uptodate = wt.Append != nil
	for i, key := range wt.Keys {
		s, last, known, err := l.join(c, r, subscriptionName{name: key}, follows)
		if err != nil {
			return false, err
		}
		s.nth = uint16(i)
		if !uptodate {
			continue
		}
		if known && wt.after[i] == message.LastMid {
			wt.after[i] = last
		}
		uptodate = known && last <= wt.after[i]
	}
	return uptodate, nil
}

// endFollowing has c follow nothing any more, and wait for nothing.
func (l *loop) endFollowing(c *conn, r *redisConn) {
	if r.wait == nil {
		return
	}
	l.noDeadline(r.wait)
	l.become(r.wait, follower)
	if r.wait.Group != "" {
		l.leaveLine(r, r.wait, true)
	}
	r.wait = nil
	for i := len(r.many) - 1; i >= 0; i-- {
		if r.many[i].how&follows != 0 {
			l.part(c, r, i, follows)
		}
	}
}

// look has the store looked into, unless too much waits for that. What comes meanwhile has it looked into again.
func (l *loop) look(wt *waiting) bool {
	l.become(wt, looking)
	wt.news = false
	l.setDeadline(wt)
	try, after := wt.Try, slices.Clone(wt.after)
	return l.g.pool.run(func() {
		ctx, cancel := context.WithTimeout(context.Background(), l.g.cfg.StoreTimeout)
		reply, found := try(ctx, nil, after)
		cancel()
		l.do(func(l *loop) { l.looked(wt, reply, found, after) })
	})
}

// lookAgain looks because something came. It sends nothing: whoever calls may be in the middle of a batch.
func (l *loop) lookAgain(r *redisConn, wt *waiting) {
	if !l.look(wt) {
		reply := r.server.AppendError(nil, errBusy)
		l.do(func(l *loop) { l.looked(wt, reply, true, nil) })
	}
}

// looked takes what the store had.
func (l *loop) looked(wt *waiting, reply []byte, found bool, after []int64) {
	c := l.find(wt.conn)
	if c == nil {
		return
	}
	r := c.speaksRedis()
	if r == nil || r.wait != wt || wt.state != looking {
		return
	}
	if !found {
		copy(wt.after, after)
	}
	switch {
	case found:
		wt.news = true // what the reply has is not known here
		l.answerWait(c, c.aux.serving, wt, reply, true)
	case wt.news:
		l.lookAgain(r, wt)
	case wt.late:
		l.answerWait(c, c.aux.serving, wt, wt.None, false)
	default:
		l.block(wt)
		if wt.Group != "" {
			l.standInLine(r, wt)
			l.foundNothing(r, wt)
		}
	}
}

// block waits for something to be stored, or for the deadline.
func (l *loop) block(wt *waiting) {
	l.become(wt, blocked)
	l.setDeadline(wt)
}

// stored tells c of messages that came to group ref, of the nth key that it follows.
func (l *loop) stored(c *conn, r *redisConn, ref uint32, nth int, messages []*message.Message) {
	wt := r.wait
	after := int64(0)
	if wt.Append != nil {
		after = wt.after[nth]
	}
	l.found = storedAfter(l.found[:0], messages, after)
	switch {
	case len(l.found) == 0:
	case wt.state != blocked:
		wt.news = true
	case wt.Append == nil:
		l.storedInLine(ref, wt, l.found[len(l.found)-1].Mid)
	case !chained(l.found, after):
		l.lookAgain(r, wt)
	default:
		l.answerFound(c, r, wt, nth)
	}
	clear(l.found)
}

// chained tells whether messages are all that was stored after mid, as each tells of the one before it. Else one came to light below a live-only
// message that had been released, and was posted to nobody.
func chained(messages []*message.Message, mid int64) bool {
	for _, m := range messages {
		if m.Prev > mid {
			return false
		}
		mid = m.Mid
	}
	return true
}

// answerFound replies with l.found, which has come for the nth key.
func (l *loop) answerFound(c *conn, r *redisConn, wt *waiting, nth int) {
	if l.settle(c); c.state != served {
		return
	}
	l.reply = wt.Waiting.Append(l.reply[:0], nth, l.found)
	wt.after[nth] = l.found[len(l.found)-1].Mid
	l.answerWait(c, c.aux.serving, wt, l.reply, true)
	if cap(l.reply) > maxSpareAnswers {
		l.reply = nil
	}
}

// answerWait ends the wait of c with a reply, which is copied; found tells that it was given something. The keys are followed on.
func (l *loop) answerWait(c *conn, p *serving, wt *waiting, reply []byte, found bool) {
	if l.settle(c); c.state != served {
		return
	}
	l.noDeadline(wt)
	wt.late = false
	l.become(wt, follower)
	if wt.Group != "" {
		l.leaveLine(p.redis, wt, found)
	}
	p.busy = false
	if !wt.mute {
		from := len(l.calls.answers.bytes)
		l.calls.answers.bytes = append(l.calls.answers.bytes, reply...)
		l.sendAnswers(c, from)
	}
	if c.in != nil {
		l.goesOn(c, p)
	} else {
		l.arrange(c, p, nil)
	}
}

// setDeadline has the wait end in time.
func (l *loop) setDeadline(wt *waiting) {
	if wt.Block == 0 || wt.place >= 0 || wt.late {
		return
	}
	wt.until = time.Now().Add(wt.Block)
	heap.Push(&l.deadlines, wt)
	l.wakeAt(l.deadlines[0].until)
}

func (l *loop) noDeadline(wt *waiting) {
	if wt.place >= 0 {
		heap.Remove(&l.deadlines, wt.place)
	}
}

// endWaits answers those whose time is up, at most so many, and tells whether any are left.
func (l *loop) endWaits(budget int) (more bool) {
	for ; len(l.deadlines) > 0; budget-- {
		wt := l.deadlines[0]
		if time.Now().Before(wt.until) {
			l.wakeAt(wt.until)
			return false
		}
		if budget == 0 {
			return true
		}
		l.noDeadline(wt)
		if wt.state == looking {
			wt.late = true
		} else if c := l.find(wt.conn); c != nil {
			l.answerWait(c, c.aux.serving, wt, wt.None, false)
		}
	}
	return false
}

// deadlines has waits by when they end; it is a heap.
type deadlines []*waiting

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].until.Before(d[j].until) }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

// Push implements heap.Interface.
func (d *deadlines) Push(x any) {
	wt := x.(*waiting)
	wt.place = len(*d)
	*d = append(*d, wt)
}

// Pop implements heap.Interface.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	wt := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	wt.place = -1
	return wt
}
