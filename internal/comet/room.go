package comet

import (
	"slices"
	"time"
	"unsafe"

	"gopush/internal/message"
)

// A connection that resumes reads a page of what it missed only where there is room for it: the last quarter of max_memory_bytes
// is for live messages. Those that find none wait in a line. Where for a while nobody of the line got any, those that hold most are
// closed until there is some: who does not read what he asked for must not keep others from theirs.

const (
	pageReserve  = 80 << 10 // bytes that a page counts for at least until it has come: channel reads 64 KiB of payload
	hungerLook   = 20 * time.Millisecond
	hungerLimit  = 5 * time.Second
	resumesShare = 4 // the part of the memory that resumes leave free, one in so many
)

// hungry are the resumes that wait for room, the first to come first.
type hungry struct {
	line  []id
	since time.Time // that nobody of the line got any
}

// size returns how many bytes r holds, those of a page that is being read included.
func (r *resume) size() (n int) {
	n = int(unsafe.Sizeof(*r)) + r.bytes + cap(r.held)*int(unsafe.Sizeof((*message.Message)(nil)))
	if r.reading {
		n += r.nextPage()
	}
	return n
}

// nextPage returns how many bytes the next page of r is taken to have.
func (r *resume) nextPage() int { return max(r.page, pageReserve) }

// roomForResumes is how much connections may hold for another page to be read.
func (g *Gateway) roomForResumes() int64 {
	most := g.maxMemory()
	return most - most/resumesShare
}

// hasRoom tells whether the next page of r may be read.
func (l *loop) hasRoom(r *resume) bool {
	held := l.g.Held() - l.scales.held.Load() + l.scales.total
	return held+int64(r.nextPage()) <= l.g.roomForResumes() || held == 0
}

// waitForRoom has c read on when there is room.
func (l *loop) waitForRoom(c *conn, r *resume) {
	r.hungry = true
	if len(l.hungry.line) == 0 {
		l.hungry.since = time.Now()
	}
	l.hungry.line = append(l.hungry.line, c.id)
	l.g.Stats.Hungry.Add(1)
}

// resumeHungry has those read for whom there is room, so many at most, and makes some if there was none for long. It tells
// whether it is to go on in the next turn.
func (l *loop) resumeHungry(budget int) (more bool) {
	h := &l.hungry
	fed := 0
	for ; fed < len(h.line) && fed < budget; fed++ {
		c := l.waits(h.line[fed])
		if c == nil {
			continue
		}
		if !l.hasRoom(c.aux.resume) {
			break
		}
		c.aux.resume.hungry = false
		l.readMissed(c)
	}
	l.g.Stats.Hungry.Add(-int64(fed))
	h.line = slices.Delete(h.line, 0, fed)
	if len(h.line) > 2*int(l.load.Load()) {
		l.forgetGone()
	}
	switch {
	case len(h.line) == 0:
		h.line = nil
		return false
	case fed == budget:
		return true
	case fed > 0:
		h.since = time.Now()
	case time.Since(h.since) > hungerLimit:
		more = l.shed(l.g.roomForResumes()-pageReserve, budget)
	}
	l.wakeAt(time.Now().Add(hungerLook))
	return more
}

// waits returns the connection with id if it waits for room still, or nil.
func (l *loop) waits(id id) *conn {
	if c := l.find(id); c != nil && c.resuming() != nil && c.resuming().hungry {
		return c
	}
	return nil
}

// forgetGone takes those out of the line who have gone.
func (l *loop) forgetGone() {
	before := len(l.hungry.line)
	l.hungry.line = slices.DeleteFunc(l.hungry.line, func(id id) bool { return l.waits(id) == nil })
	l.g.Stats.Hungry.Add(int64(len(l.hungry.line) - before))
}

// weighAgain weighs the connection with id, if it is there still.
func (l *loop) weighAgain(id id) {
	if c := l.find(id); c != nil {
		l.weigh(c)
	}
}
