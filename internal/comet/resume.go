package comet

import (
	"context"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire"
)

// resume is the state of a connection that reads from the store what it missed.
//
// It is subscribed already: what is posted meanwhile is held, within bounds. It reads the store
// page by page, each when the one before has left. When the store was read to its end and
// no stored message that was held had to be dropped, what is held follows the last page
// without a gap, and the connection is live. A connection sees mids in order all along:
// pages and held messages are merged, and what both have is sent once.
type resume struct {
	position int64 // all stored messages up to it have been queued
	lost     int64 // mid of the last stored message that was dropped from held; it is in the store
	held     []*message.Message
	bytes    int  // of held
	reading  bool // a page is being read
	begun    bool // the first page has come
	told     bool // that messages are gone
	beyond   bool // the device came with a mid that nobody can have given it
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
	if newest := max(c.seen, l.g.cfg.Keys.Position()); mid > newest {
		r.position, r.beyond = newest, true
	}
	c.more().resume = r
	c.seen = r.position
	l.readMissed(c)
}

// readMissed has the next page read, unless one is or the last has not left.
func (l *loop) readMissed(c *conn) {
	r := c.resuming()
	if r.reading || c.out != nil || c.closing() {
		return
	}
	r.reading = true
	id, key, position, first := c.id, c.channel.Key(), r.position, !r.begun
	l.g.pool.run(func() {
		ctx, cancel := context.WithTimeout(context.Background(), l.g.cfg.StoreTimeout)
		page, err := l.g.cfg.Keys.Resume(ctx, key, position, first)
		cancel()
		l.do(func(l *loop) {
			if c := l.find(id); c != nil && c.resuming() == r {
				l.missed(c, r, page, err)
			}
		})
	})
}

// missed queues a page for c, and makes it live if that was all.
func (l *loop) missed(c *conn, r *resume, page channel.Page, err error) {
	r.reading = false
	if err != nil {
		l.g.cfg.Log.Debug("resume failed", "key", c.channel.Key(), "err", err)
		l.closePolitely(c, ResumeFailed)
		return
	}
	var out []byte
	if (page.Gap || r.beyond) && !r.told {
		out = wire.AppendGap(out, c.variant, page.From)
		r.told = true
	}
	r.begun = true
	n := 0
	for i := range page.Messages {
		m := &page.Messages[i]
		out, n = l.appendHeld(out, c, r, m.Mid, n)
		out, n = l.appendMissed(out, c, m, n)
		r.position = m.Mid
	}
	live := page.Last && r.lost <= r.position
	if live {
		out, n = l.appendHeld(out, c, r, 1<<63-1, n)
		c.aux.resume = nil
		c.tidy()
	}
	l.sendMissed(c, out, n, live)
}

func (l *loop) sendMissed(c *conn, out []byte, messages int, live bool) {
	l.g.Stats.Resent.Add(int64(messages))
	if len(out) > 0 {
		// Counted as no message: what a page brings is bounded by the page.
		l.send(c, out, 0)
	}
	if !live && c.state != free {
		l.readMissed(c)
	}
}

// appendHeld appends the held messages below mid, and forgets them.
func (l *loop) appendHeld(out []byte, c *conn, r *resume, mid int64, n int) ([]byte, int) {
	i := 0
	for ; i < len(r.held) && r.held[i].Mid < mid; i++ {
		out, n = l.appendMissed(out, c, r.held[i], n)
		r.bytes -= len(r.held[i].Payload)
	}
	r.held = r.held[i:]
	return out, n
}

func (l *loop) appendMissed(out []byte, c *conn, m *message.Message, n int) ([]byte, int) {
	if m.Mid <= c.seen {
		return out, n
	}
	c.seen = m.Mid
	return l.encoder.AppendFrame(out, c.variant, m), n + 1
}

// hold keeps m back until what is missed before it has been read.
func (l *loop) hold(r *resume, m *message.Message) {
	r.held = append(r.held, m)
	r.bytes += len(m.Payload)
	for len(r.held) > heldMessages || (r.bytes > heldBytes && len(r.held) > 1) {
		dropped := r.held[0]
		r.held = r.held[1:]
		r.bytes -= len(dropped.Payload)
		if dropped.Stored() {
			r.lost = dropped.Mid
		} else {
			l.g.Stats.DroppedLive.Add(1)
		}
	}
}
