package comet

import (
	"slices"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire"
)

// group has the connections of a loop that subscribe to one channel.
type group struct {
	channel *channel.Channel // nil: the group is not in use
	one     uint32           // the only connection, when many is nil
	many    *[]uint32        // all connections, in the order they came but for gaps closed from the end
	walk    *walk            // messages on their way to them; nil: none
}

// walk delivers messages to a group, from the last connection to the first, in slices. What
// is posted meanwhile waits and goes out joined, one write for each connection.
//
// A connection that leaves is replaced by the last one, which the walk may so meet again: its
// seen mid keeps it from getting anything twice. One that joins comes after the place where the
// walk is, and needs nothing of it: its barrier is above.
type walk struct {
	now    []*message.Message // being delivered
	later  []*message.Message // to be delivered next
	left   int                // connections below this place still wait for now
	frames [wire.NumVariants]frames
}

// frames are messages encoded for one variant, one after the other in one buffer.
type frames struct {
	bytes  []byte
	starts []int // where the frame of each message begins
	shared bool  // a connection holds on to bytes
}

// maxSpareFrame bounds the buffers that a walk keeps for its next messages.
const maxSpareFrame = 4 << 10

// joinBytes and joinMessages bound what goes out in one write.
const (
	joinBytes    = 64 << 10
	joinMessages = 256
)

func (g *group) size() int {
	switch {
	case g.many != nil:
		return len(*g.many)
	case g.one != 0:
		return 1
	}
	return 0
}

func (g *group) at(i int) uint32 {
	if g.many != nil {
		return (*g.many)[i]
	}
	return g.one
}

// join adds c to the group.
func (g *group) join(c *conn) {
	c.pos = uint32(g.size())
	switch {
	case g.many != nil:
		*g.many = append(*g.many, c.index)
	case g.one != 0:
		g.many = &[]uint32{g.one, c.index}
	default:
		g.one = c.index
	}
}

// leave takes c out; the last connection takes its place.
func (g *group) leave(conns *slab[conn], c *conn) {
	if g.many == nil {
		g.one = 0
		return
	}
	many := *g.many
	last := many[len(many)-1]
	many[c.pos] = last
	conns.at(last).pos = c.pos
	if *g.many = many[:len(many)-1]; len(many)-1 == 1 {
		g.one, g.many = (*g.many)[0], nil
	} else if cap(many) > 64 && len(many) < cap(many)/4 {
		*g.many = slices.Clone(*g.many)
	}
}

// enqueue has a message delivered by its group's walk.
func (l *loop) enqueue(it *item) {
	g := l.groups.at(it.ref)
	if g.channel != it.channel {
		l.inbox.delivered(cost(it.message)) // all have left since it was posted
		return
	}
	if g.walk == nil {
		g.walk = l.newWalk()
		l.walks = append(l.walks, it.ref)
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
	for budget > 0 && len(l.walks) > 0 {
		budget = l.round(budget)
	}
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
		budget -= l.step(g, min(budget, slice/4))
		if g.walk.left > 0 || len(g.walk.later) > 0 {
			l.walks = append(l.walks, ref)
		} else {
			l.endWalk(ref, g)
		}
	}
	l.walks = l.walks[:copy(l.walks, l.walks[n:])]
	return budget
}

// step delivers to at most budget connections of g and returns how many there were, at least one.
func (l *loop) step(g *group, budget int) (n int) {
	w := g.walk
	if w.left == 0 {
		w.next(&l.inbox)
		w.left = g.size()
	}
	for ; n < budget; n++ {
		if w.left = min(w.left, g.size()); w.left == 0 { // some may have left
			break
		}
		w.left--
		l.deliver(l.conns.at(g.at(w.left)), w)
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
	rest := copy(w.later, w.later[n:])
	clear(w.later[rest:])
	w.later = w.later[:rest]
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
	for i := range w.frames {
		w.frames[i].reset()
	}
}

func (f *frames) reset() {
	if f.shared || cap(f.bytes) > maxSpareFrame {
		f.bytes, f.shared = nil, false
	}
	f.bytes, f.starts = f.bytes[:0], f.starts[:0]
}

// endWalk keeps the walk for another group, and gives the group back if nobody is left in it.
func (l *loop) endWalk(ref uint32, g *group) {
	g.walk.finish(&l.inbox)
	if len(l.spareWalks) < maxSpareWalks && cap(g.walk.later) <= maxSpareItems {
		l.spareWalks = append(l.spareWalks, g.walk)
	}
	g.walk = nil
	if g.size() == 0 {
		l.freeGroup(ref, g)
	}
}

// maxSpareWalks bounds what many messages to many keys leave behind.
const maxSpareWalks = 64

func (l *loop) freeGroup(ref uint32, g *group) {
	*g = group{}
	l.groups.give(ref)
}

// deliver queues w's messages for c, or keeps them back while c is reading what it missed.
func (l *loop) deliver(c *conn, w *walk) {
	switch {
	case c.closing():
	case c.resuming() != nil:
		l.hold(c.resuming(), w.now)
	default:
		l.deliverNow(c, w)
	}
}

func (l *loop) deliverNow(c *conn, w *walk) {
	first := 0
	for first < len(w.now) && w.now[first].Mid <= c.seen {
		first++
	}
	if first == len(w.now) {
		return
	}
	f := &w.frames[c.variant]
	if len(f.starts) == 0 {
		l.encode(f, c.variant, w.now)
	}
	c.seen = w.now[len(w.now)-1].Mid
	l.delivered += int64(len(w.now) - first)
	if l.send(c, f.bytes[f.starts[first]:], len(w.now)-first) {
		f.shared = true
	}
}

func (l *loop) encode(f *frames, v wire.Variant, messages []*message.Message) {
	for _, m := range messages {
		f.starts = append(f.starts, len(f.bytes))
		f.bytes = l.encoder.AppendFrame(f.bytes, v, m)
	}
}
