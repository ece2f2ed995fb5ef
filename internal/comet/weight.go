package comet

import (
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"
)

// What connections hold has a bound in all, max_memory_bytes: output that waits, input that is not a whole command yet,
// requests under way, what is read for those that resume. Past it the heaviest connections are closed until all is below, and
// never a light one while a heavier one is there.
//
//	something waits ─> weigh: the total of the loop, the class of the connection ─> the turn ends ─> publish ─┬─ below the bound
//	                                                                                                           └─ shed, from the highest class
//
// Only connections that hold something are on the scales; an idle one costs nothing there. A loop counts for itself, and tells the others
// its total and its highest class once a turn: nothing that loops share is written while messages are delivered.

// scales has the connections of a loop that hold something.
type scales struct {
	total   int64 // bytes that they hold, those that several share once
	classes [numClasses][]uint32
	filled  [numClasses / 64]uint64 // classes that have connections, a bit each
	look    bool                    // the bound is to be looked at though the total is as it was: more are to go, or it was changed

	// For other loops, as of the last turn.
	held     atomic.Int64
	heaviest atomic.Int32 // class; 0: nobody holds anything
}

// weight is what is remembered of a connection on the scales.
type weight struct {
	bytes uint32 // that it alone holds; part of the loop's total
	place uint32 // in its class
	class uint8  // 0: it is not on the scales
}

// A class is a quarter of a power of two: connections of one class differ by a quarter at most, and count as equal.
const numClasses = 128

// classOf returns the class of a connection that holds n bytes.
func classOf(n int) uint8 {
	if n < 4 {
		return uint8(min(n, 1))
	}
	top := bits.Len(uint(n)) - 1
	return uint8(min(top*4+n>>(top-2)&3, numClasses-1))
}

// held is memory that connections of a loop share: it counts once, as long as any of them needs it.
type held struct {
	size int // bytes
	refs int
}

func (s *scales) hold(h *held) {
	if h.refs++; h.refs == 1 {
		s.total += int64(h.size)
	}
}

func (s *scales) release(h *held) {
	if h.refs--; h.refs == 0 {
		s.total -= int64(h.size)
	}
}

// What the allocator has for a few small things, about.
const (
	sizeOfQueue = int(unsafe.Sizeof(queue{}))
	sizeOfChunk = int(unsafe.Sizeof(chunk{}))
	sizeOfInput = 32 // a slice of its own
)

// holds returns how many bytes c alone holds: what is allocated, not what is in use.
func (c *conn) holds() (n int) {
	if c.in != nil {
		n += sizeOfInput + cap(*c.in)
	}
	if c.out != nil {
		n += sizeOfQueue + sizeOfChunk*cap(c.out.chunks) + c.out.own
	}
	if c.aux == nil {
		return n
	}
	if c.aux.part != nil {
		n += c.aux.part.Size()
	}
	if c.aux.resume != nil {
		n += c.aux.resume.size()
	}
	if c.aux.latest != nil {
		n += c.aux.latest.size()
	}
	if c.aux.serving != nil {
		n += c.aux.serving.bytes
	}
	if c.aux.secure != nil {
		n += c.aux.secure.holds()
	}
	return n
}

// weigh is told that c may hold more or less than before.
func (l *loop) weigh(c *conn) {
	n, shared := c.holds(), 0
	if n > 0 && c.out != nil {
		shared = c.out.shared
	}
	if n == 0 && (c.aux == nil || c.aux.weight.class == 0) {
		return
	}
	w := &c.more().weight
	l.scales.total += int64(n) - int64(w.bytes)
	w.bytes = uint32(n)
	if class := classOf(n + shared); class != w.class {
		l.takeOff(w)
		if class > 0 {
			l.putOn(c, class)
		}
	}
	c.tidy()
}

func (l *loop) putOn(c *conn, class uint8) {
	s := &l.scales
	c.aux.weight.class, c.aux.weight.place = class, uint32(len(s.classes[class]))
	s.classes[class] = append(s.classes[class], c.index)
	s.filled[class/64] |= 1 << (class % 64)
}

func (l *loop) takeOff(w *weight) {
	s := &l.scales
	if w.class == 0 {
		return
	}
	list := &s.classes[w.class]
	last := uint32(len(*list) - 1)
	if moved := (*list)[last]; w.place != last {
		(*list)[w.place] = moved
		l.conns.at(moved).aux.weight.place = w.place
	}
	if *list = (*list)[:last]; last == 0 {
		*list = nil
		s.filled[w.class/64] &^= 1 << (w.class % 64)
	}
	w.class, w.place = 0, 0
}

// unweigh takes c, which is about to be forgotten, off the scales with all that it holds.
func (l *loop) unweigh(c *conn) {
	if c.out != nil {
		c.out.forget(&l.scales)
	}
	if c.aux != nil {
		l.scales.total -= int64(c.aux.weight.bytes)
		c.aux.weight.bytes = 0
		l.takeOff(&c.aux.weight)
	}
}

// top returns the highest class that has connections; 0: none has.
func (s *scales) top() int32 {
	for i, word := range slices.Backward(s.filled[:]) {
		if word != 0 {
			return int32(i*64 + bits.Len64(word) - 1)
		}
	}
	return 0
}

// publish tells other loops what this one holds, and whether that has changed.
func (s *scales) publish() (changed bool) {
	if changed = s.held.Load() != s.total; changed {
		s.held.Store(s.total)
	}
	if top := s.top(); top != s.heaviest.Load() {
		s.heaviest.Store(top)
	}
	return changed
}

// Held returns how many bytes connections hold in all.
func (g *Gateway) Held() (sum int64) {
	for _, l := range g.loops {
		sum += l.scales.held.Load()
	}
	return sum
}

// maxMemory returns how much connections may hold in all.
func (g *Gateway) maxMemory() int64 {
	if most := g.limits.Load().MaxMemory; most > 0 {
		return most
	}
	return 1 << 62
}

// keepWithin ends a turn: connections are closed if all hold too much, and those that wait for room read if there is some.
// It tells whether there is more to do.
func (l *loop) keepWithin(budget int) (more bool) {
	changed := l.scales.publish() || l.scales.look
	if l.scales.look = false; changed && l.g.Held() > l.g.maxMemory() {
		more = l.shed(l.g.maxMemory(), budget)
	}
	if len(l.hungry.line) > 0 {
		more = l.resumeHungry(budget) || more
	}
	return more
}

// growthStep is how much more a loop's connections may hold before the bound is looked at within a turn.
const growthStep = 1 << 20

// keepGrowing keeps the bound while what comes into the inbox makes connections hold more: readers of the net engine bring the next piece
// as soon as one is taken, so that a turn has no end while they do.
func (l *loop) keepGrowing() {
	if l.scales.total-l.scales.held.Load() > growthStep {
		l.keepWithin(slice)
	}
}

// shed closes the heaviest connections, so many at most, until all hold no more than most. Where another loop has a heavier
// one it is that loop's turn. It tells whether it is to go on in the next turn of this one.
func (l *loop) shed(most int64, budget int) (more bool) {
	for l.scales.publish(); l.g.Held() > most; l.scales.publish() {
		top, other := l.scales.top(), l.g.heaviest()
		switch {
		case top < other.scales.heaviest.Load():
			other.inbox.put(item{do: func(l *loop) { l.shed(most, budget) }})
			other.poll.wake()
			return false
		case top == 0:
			return false
		case budget == 0:
			l.scales.look = true
			return true
		}
		list := l.scales.classes[top]
		c := l.conns.at(list[len(list)-1])
		l.g.tellShed(l, c)
		l.close(c, Memory)
		budget--
	}
	return false
}

// heaviest returns the loop that has the heaviest connection.
func (g *Gateway) heaviest() *loop {
	return slices.MaxFunc(g.loops, func(a, b *loop) int {
		return int(a.scales.heaviest.Load() - b.scales.heaviest.Load())
	})
}

// tellShed logs that c is closed, and that others were, at most once a second.
func (g *Gateway) tellShed(l *loop, c *conn) {
	now := time.Now().UnixNano()
	last := g.shedLogged.Load()
	if now-last >= int64(time.Second) && g.shedLogged.CompareAndSwap(last, now) {
		g.cfg.Log.Warn("connections hold more than max_memory_bytes: those that hold most are closed",
			"max_memory_bytes", g.limits.Load().MaxMemory, "held", g.Held(), "closed", g.Stats.Closed[Memory].Load()+1,
			"peer", l.peer(c), "bytes", c.aux.weight.bytes)
	}
}
