package comet

import (
	"context"
	"math"
	"slices"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire"
)

// resume is the state of a connection that reads from the store what it missed.
//
// It is subscribed already: what is posted meanwhile is held, within bounds. It reads the store
// page by page, each when the one before has left. When the store was read up to what had been
// released then, and no stored message beyond had to be dropped, what is held follows the last
// page without a gap, and the connection is live. A connection sees mids in order all along:
// pages and held messages are merged, and what both have is sent once.
type resume struct {
	position int64              // all stored messages up to it have been queued, or are gone
	lost     int64              // mid of the last stored message that was dropped from held; it is in the store
	held     []*message.Message // by mid
	newest   int64              // mid of the last message that was held, also when it is no more
	bytes    int                // of held
	reading  bool               // a page is being read
	begun    bool               // the first page has come
	told     bool               // that messages are gone
	beyond   bool               // the device came with a mid that nobody can have given it
	hungry   bool               // it waits for room to read the next page
	page     int                // bytes of the last page, as it was sent; the next is taken to be as large
	behind   bool               // the connection was live, and did not read
}

// Bounds of what is held back for one connection that reads what it missed. Past them the
// oldest are dropped: stored ones are read from the store instead, live-only ones are lost and counted.
const (
	heldMessages = 256
	heldBytes    = 256 << 10
)

// resumeAt begins to read what c missed after mid. c is subscribed with seen = barrier.
func (l *loop) resumeAt(c *conn, mid int64) {
	r := &resume{position: mid}
	if newest := max(c.seen, l.g.cfg.Keys.Furthest()); mid > newest {
		r.position, r.beyond = newest, true
	}
	c.more().resume = r
	c.seen = r.position
	l.weigh(c)
	l.readMissed(c)
}

// readMissed has the next page read, unless one is or the last has not left.
func (l *loop) readMissed(c *conn) {
	r := c.resuming()
	if r.reading || r.hungry || c.out != nil || c.closing() {
		return
	}
	if !l.hasRoom(r) {
		l.waitForRoom(c, r)
		return
	}
	r.reading = true
	l.weigh(c)
	l.scales.publish() // at once: other loops look for room, too
	id, key, position, first := c.id, l.groups.at(c.ref).channel.Key(), r.position, !r.begun
	queued := l.admit(func() joined {
		ctx, cancel := context.WithTimeout(context.Background(), l.g.cfg.StoreTimeout)
		page, err := l.g.cfg.Keys.Resume(ctx, key, position, first)
		cancel()
		return joined{func(l *loop) {
			if c := l.find(id); c != nil && c.resuming() == r {
				l.missed(c, r, page, err)
			}
		}, effortToJoin + pageBytes(&page)/effortJoinBytes}
	})
	if !queued {
		l.closePolitely(c, ResumeFailed)
	}
}

// pageBytes is how much payload page has.
func pageBytes(page *channel.Page) (n int) {
	for i := range page.Messages {
		n += len(page.Messages[i].Payload)
	}
	return n
}

// missed queues a page for c, and makes it live if that was all.
func (l *loop) missed(c *conn, r *resume, page channel.Page, err error) {
	r.reading = false
	defer l.weighAgain(c.id)
	if err != nil {
		l.g.cfg.Log.Debug("resume failed", "key", l.groups.at(c.ref).channel.Key(), "err", err)
		l.closePolitely(c, ResumeFailed)
		return
	}
	if r.behind && c.variant&wire.Prev == 0 && r.misses(&page) {
		l.close(c, Slow) // it came without a MID: it would not understand to be told, and sees no prev
		return
	}
	l.holdPosted(c, r)
	out := l.appendPage(nil, c, r, &page)
	live := page.Last && r.lost <= r.position
	if live {
		out = l.appendHeld(out, c, r, math.MaxInt64)
		if goesLive {
			c.aux.resume = nil
			c.tidy()
		}
	}
	if r.page = cap(out); len(out) > 0 {
		l.send(c, out, 0) // bounded by the page and by what may be held
	}
	if live {
		return
	}
	if l.settle(c); c.state != free {
		l.readMissed(c)
	}
}

// misses tells whether anything is gone before or between the messages of page.
func (r *resume) misses(page *channel.Page) bool {
	after := r.position
	for i := range page.Messages {
		if page.Messages[i].Prev > after {
			return true
		}
		after = page.Messages[i].Mid
	}
	return page.Gap
}

// appendPage appends the messages of a page and the held ones between them.
func (l *loop) appendPage(out []byte, c *conn, r *resume, page *channel.Page) []byte {
	if tellsGaps && (page.Gap || r.beyond) && !r.told {
		out = wire.AppendGap(out, c.variant, page.From)
		r.told = true
	}
	r.begun = true
	for i := range page.Messages {
		m := &page.Messages[i]
		out = l.appendHeld(out, c, r, m.Mid)
		out = l.appendMissed(out, c, m)
		r.position = m.Mid
	}
	if page.Last {
		r.position = max(r.position, page.Upto)
	}
	return out
}

// appendHeld appends the held messages below mid, and forgets them.
func (l *loop) appendHeld(out []byte, c *conn, r *resume, mid int64) []byte {
	n := 0
	for ; n < len(r.held) && r.held[n].Mid < mid; n++ {
		out = l.appendMissed(out, c, r.held[n])
		r.bytes -= len(r.held[n].Payload)
	}
	r.held = slices.Delete(r.held, 0, n)
	return out
}

func (l *loop) appendMissed(out []byte, c *conn, m *message.Message) []byte {
	if joinsSeam && m.Mid <= c.seen {
		return out
	}
	c.seen = m.Mid
	l.g.Stats.Resent.Add(1)
	return l.encoder.AppendFrame(out, c.variant, m)
}

// holdPosted holds what is on its way to c's group: it was posted before the page that has come
// was read, so that it may belong before messages of the page.
func (l *loop) holdPosted(c *conn, r *resume) {
	if w := l.groups.at(c.ref).walk; w != nil {
		l.hold(r, w.now)
		l.hold(r, w.later)
	}
}

// hold keeps messages back until what is missed before them has been read. Those that are held
// already come again, by the walk.
func (l *loop) hold(r *resume, messages []*message.Message) {
	for _, m := range messages {
		if m.Mid > r.newest {
			r.newest = m.Mid
			r.bytes += len(m.Payload)
			r.held = append(r.held, m)
		}
	}
	for len(r.held) > heldMessages || (r.bytes > heldBytes && len(r.held) > 1) {
		l.dropHeld(r)
	}
}

func (l *loop) dropHeld(r *resume) {
	dropped := r.held[0]
	r.held = slices.Delete(r.held, 0, 1)
	r.bytes -= len(dropped.Payload)
	if dropped.Stored() {
		r.lost = dropped.Mid
	} else {
		l.g.Stats.DroppedLive.Add(1)
	}
}
