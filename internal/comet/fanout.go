package comet

import (
	"slices"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire"
)

// group has the connections of a loop that subscribe to one channel.
type group struct {
	channel *channel.Channel // nil: the group is not in use
	one     uint32           // the only connection, when many is nil; 0: none
	many    *members         // all connections, when there are several
	walk    *walk            // messages on their way to them; nil: none
}

// walk delivers messages to a group, in the order of its connections in memory, in slices. What
// is posted meanwhile waits and goes out joined, one write for each connection.
//
// A connection that joins meanwhile needs nothing of what is being delivered, whether the walk has
// passed its place or not: its barrier is above.
type walk struct {
	now    []*message.Message        // being delivered
	later  []*message.Message        // to be delivered next
	began  time.Time                 // when the first connection got now; not known of a single one
	at     uint32                    // connections from this place on still wait for now; 0: none do
	frames [wire.NumVariants]*frames // nil: not needed yet
}

// frames are messages encoded for one variant, one after the other in one buffer.
type frames struct {
	bytes  []byte
	starts []int // where the frame of each message begins
	held   *held // what connections hold on to of bytes; nil: nobody does
}

// hold tells that a connection holds on to bytes.
func (f *frames) hold() *held {
	if f.held == nil {
		f.held = &held{size: cap(f.bytes)}
	}
	return f.held
}

// maxSpareFrame bounds the buffers that a walk keeps for its next messages.
const maxSpareFrame = 4 << 10

// joinBytes and joinMessages bound what goes out in one write.
const (
	joinBytes    = 64 << 10
	joinMessages = 256
)

func (g *group) empty() bool { return g.one == 0 && g.many == nil }

// next returns the first connection that is not below from; 0: there is none, as in no group.
func (g *group) next(from uint32) uint32 {
	switch {
	case g == nil:
		return 0
	case g.many != nil:
		return g.many.next(from)
	case g.one >= from:
		return g.one
	}
	return 0
}

// join adds a connection to the group.
func (g *group) join(index uint32) {
	switch {
	case g.many != nil:
		g.many.add(index)
	case g.one != 0:
		g.many = new(members)
		g.many.add(g.one)
		g.many.add(index)
		g.one = 0
	default:
		g.one = index
	}
}

// leave takes a connection out.
func (g *group) leave(index uint32) {
	if g.many == nil {
		g.one = 0
		return
	}
	if g.many.remove(index); g.many.size == 1 {
		g.one, g.many = g.many.next(1), nil
	}
}

// enqueue has a message delivered by its group's walk.
func (l *loop) enqueue(it *item) {
	g := l.group(it.channel, it.ref)
	if g == nil || l.draining {
		l.inbox.delivered(cost(it.message)) // all have left since it was posted, or are told to go
		return
	}
	if g.walk == nil {
		g.walk = l.newWalk()
		l.setOut(it.ref, g)
	}
	g.walk.later = append(g.walk.later, it.message)
}

func (l *loop) newWalk() *walk {
	if n := len(l.spareWalks); n > 0 {
		w := l.spareWalks[n-1]
		l.spareWalks = l.spareWalks[:n-1]
		return w
	}
	return new(walk)
}

// walk goes on with what is to be delivered for about budget writes, each group in its turn,
// and tells whether anything is left.
func (l *loop) walk(budget int) (more bool) {
	l.rise()
	for budget > 0 && len(l.walks) > 0 {
		budget = l.round(budget)
	}
	l.sendBatch()
	if l.delivered > 0 {
		l.g.Stats.Delivered.Add(l.delivered)
		l.delivered = 0
	}
	return len(l.walks) > 0
}

// round gives each group a turn while the budget lasts, and returns what is left of it.
func (l *loop) round(budget int) int {
	n, kept := 0, len(l.walks)
	for ; n < kept && budget > 0; n++ {
		ref := l.walks[n]
		g := l.groups.at(ref)
		budget -= l.step(ref, g, min(budget, slice/4))
		if g.walk.at > 0 {
			l.walks = append(l.walks, ref)
			continue
		}
		if l.passed(g); len(g.walk.later) > 0 {
			l.setOut(ref, g)
		} else {
			l.endWalk(ref, g)
		}
	}
	l.walks = slices.Delete(l.walks, 0, n)
	return budget
}

// step delivers to at most budget connections of g and returns how many there were, at least one.
func (l *loop) step(ref uint32, g *group, budget int) (n int) {
	w := g.walk
	if w.at == 0 {
		if len(w.now) > 0 {
			l.sendBatch() // it may have frames of w
		}
		w.next(&l.inbox)
		if w.at = 1; g.many != nil {
			w.began = time.Now()
		}
	}
	for index := g.next(w.at); n < budget && index != 0; index = g.next(w.at) {
		w.at = index + 1
		l.deliver(l.conns.at(index), ref, g, w)
		n++
	}
	if g.next(w.at) == 0 {
		w.at = 0
	}
	return max(n, 1)
}

// next turns to the messages that came meanwhile, as many as are to be joined.
func (w *walk) next(b *inbox) {
	w.finish(b)
	n, bytes := 0, 0
	for n < len(w.later) && n < joinMessages && (n == 0 || bytes < joinBytes) {
		bytes += len(w.later[n].Payload)
		n++
	}
	w.now = append(w.now, w.later[:n]...)
	w.later = slices.Delete(w.later, 0, n)
}

// finish forgets the messages that were delivered.
func (w *walk) finish(b *inbox) {
	bytes := int64(0)
	for _, m := range w.now {
		bytes += cost(m)
	}
	if bytes > 0 {
		b.delivered(bytes)
	}
	clear(w.now)
	w.now = w.now[:0]
	for _, f := range w.frames {
		if f != nil {
			f.reset(maxSpareFrame)
		}
	}
}

// reset forgets the frames, which have been sent or are held on to, and keeps their buffer if it has at most so
// many bytes.
func (f *frames) reset(most int) {
	if f.held != nil || cap(f.bytes) > most {
		f.bytes, f.held = nil, nil
	}
	f.bytes, f.starts = f.bytes[:0], f.starts[:0]
}

// endWalk gives the walk of g back, once its frames have left, and the group if nobody is left in it.
func (l *loop) endWalk(ref uint32, g *group) {
	l.ended = append(l.ended, g.walk)
	g.walk = nil
	if g.empty() {
		l.freeGroup(ref, g)
	}
}

// recycle keeps walks that have ended for other groups. None of their frames is in the batch.
func (l *loop) recycle() {
	for _, w := range l.ended {
		w.finish(&l.inbox)
		if len(l.spareWalks) < maxSpareWalks && cap(w.later) <= maxSpareItems {
			l.spareWalks = append(l.spareWalks, w)
		}
	}
	clear(l.ended)
	l.ended = l.ended[:0]
}

// maxSpareWalks bounds what many messages to many keys leave behind.
const maxSpareWalks = 256

// group returns the group that c has or had by the name of ref, or nil if all have left since.
func (l *loop) group(c *channel.Channel, ref uint32) *group {
	if g := l.groups.find(ref); g != nil && g.channel == c {
		return g
	}
	return nil
}

// freeGroup gives a group back. The fresh one is always one of the lowest, so that it is in nobody's way.
func (l *loop) freeGroup(ref uint32, g *group) {
	*g = group{}
	l.groups.give(max(ref, l.fresh))
	l.fresh = min(ref, l.fresh)
}

// deliver queues w's messages for c, or keeps them back while c is reading what it missed.
func (l *loop) deliver(c *conn, ref uint32, g *group, w *walk) {
	switch {
	case c.closing():
	case c.state == served && c.ref != ref:
		l.deliverRedis(c, ref, g, w)
	case c.state != served && c.resuming() != nil:
		l.hold(c.resuming(), w.now)
		l.weigh(c)
	default:
		l.deliverSince(c, &c.seen, c.variant, ref, g, w)
	}
}

// deliverSince queues those of w's messages for c that are above seen.
func (l *loop) deliverSince(c *conn, seen *int64, v wire.Variant, ref uint32, g *group, w *walk) {
	first := 0
	for first < len(w.now) && w.now[first].Mid <= *seen {
		first++
	}
	if first == len(w.now) {
		return
	}
	before := *seen
	*seen = w.now[len(w.now)-1].Mid
	l.sendWalk(c, v, ref, g, w, first, before)
}

// sendWalk queues w's messages for c from the first on. before is the mid up to which c has what is stored.
func (l *loop) sendWalk(c *conn, v wire.Variant, ref uint32, g *group, w *walk, first int, before int64) {
	f := w.frames[v]
	if f == nil {
		f = new(frames)
		w.frames[v] = f
	}
	if len(f.starts) == 0 {
		l.encode(f, v, g, w.now)
	}
	if c.out != nil || c.flags&batched != 0 {
		if p := l.policyOf(g); p != SlowClose {
			if l.settle(c); c.out != nil {
				l.sendSlowly(c, p, v, ref, w, first, before)
				return
			}
		}
	}
	l.delivered += int64(len(w.now) - first)
	l.sendFrames(c, f.bytes[f.starts[first]:], len(w.now)-first, f)
}

func (l *loop) encode(f *frames, v wire.Variant, g *group, messages []*message.Message) {
	for _, m := range messages {
		f.starts = append(f.starts, len(f.bytes))
		if g.channel.Pattern() {
			f.bytes = l.encoder.AppendPatternFrame(f.bytes, v, g.channel.Key(), m)
		} else {
			f.bytes = l.encoder.AppendFrame(f.bytes, v, m)
		}
	}
}
