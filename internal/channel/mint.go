package channel

import (
	"errors"
	"fmt"
	"time"

	"gopush/internal/message"
)

// Mids come from three places, and each key's only grow.
//
//	the clock       above all of the bucket; below the mid limit
//	the push        explicit: above the key's newest; it may be far behind the clock, or ahead of it
//	the key itself  where its newest is ahead of clock and bucket: the next one; if live only, below the mid limit
//	                where it is in doubt: the next one, live only, below all of which nobody knows whether they are stored
//
// What comes from the clock is remembered in bucket.last, so that no key has it twice. What is ahead of it is not, or one
// explicit mid would take all keys of the bucket with it; nor does it move the mid limit, or it would take all
// keys of the node with it after a restart. It need not: it is stored, and the store is asked before
// a key's pushes have mids. Only a live-only message that is ahead with its key is known to nobody but the
// devices that hold it: the limit is moved above it first, and bucket.forget keeps it.

const (
	maxAhead  = time.Hour // of the clock, for explicit mids
	exactMids = 1 << 53   // above it only multiples of message.MidStep are exact in a double
)

// newest returns a mid that no known one of the key is above.
func (c *Channel) newest() int64 { return max(c.released, c.stored) }

// mint gives p a mid above newest, the newest one of its key. It fails with errLimit if the mid limit has to be
// moved first, and with message.ErrMid or ErrMidAhead. The bucket is locked.
func (h *Hub) mint(b *bucket, newest int64, p *pending, now time.Time) error {
	if p.push.Mids != (message.Span{}) {
		return p.mintExplicit(newest, now)
	}
	if newest > b.last && newest > h.clock.time(now) {
		return h.mintAhead(newest, p)
	}
	mid, ok := h.clock.next(now, max(newest, b.last))
	if !ok {
		return errLimit
	}
	p.mid, b.last = mid, mid
	return nil
}

// mintLive gives p, which is live only, a mid as mint does, or, if nobody subscribes to c, as mintUnseen does: so that it stands in the
// way of no explicit mid, and needs no mid limit that is ahead of the clock. The bucket is locked.
func (h *Hub) mintLive(b *bucket, c *Channel, newest int64, p *pending, now time.Time) error {
	if c.subscribers() > 0 {
		p.unseen = false
		if c.state&unowned != 0 {
			return errUnowned
		}
		if doubt := c.doubt(); doubt > 0 && newest == c.newest() {
			return h.mintBelow(doubt, max(newest, h.clock.floor.Load()), p)
		}
		return h.mintOwned(b, c, newest, p, now)
	}
	if !h.mintUnseen(b, p, now) {
		return errLimit
	}
	p.unseen = p.mid <= newest
	return nil
}

// mintOwned is mint for c, whose key is this node's, unless it leaves the epoch in which it is at the moment: then it fails with errUnowned.
func (h *Hub) mintOwned(b *bucket, c *Channel, newest int64, p *pending, now time.Time) error {
	err := h.mint(b, newest, p, now)
	if errors.Is(err, errLimit) && h.clock.entering() {
		c.state |= unowned // in a moment all are
		return errUnowned
	}
	return err
}

// mintBelow gives p, which is live only, the mid after newest, or fails it where that is not below doubt: if that is stored it comes to light later, and
// who had seen a mid above it would never be sent it.
func (h *Hub) mintBelow(doubt, newest int64, p *pending) error {
	if align(newest+message.MidStep) >= doubt {
		return errDoubt
	}
	return h.mintAhead(newest, p)
}

// overtake has nobody see those live-only pushes that are to be released before mid is, and have mids that are
// not below: nobody subscribed when they got them.
func overtake(waiting []*pending, mid int64) {
	for _, p := range waiting {
		if p.push.Expire == 0 && p.mid >= mid {
			p.unseen = true
		}
	}
}

// mintAhead gives p the mid after newest, which may be ahead of the clock.
func (h *Hub) mintAhead(newest int64, p *pending) error {
	mid := align(newest + message.MidStep)
	if p.push.Expire == 0 && mid > h.clock.limit.Load() {
		return errLimit
	}
	p.mid = mid
	return nil
}

// mintExplicit gives p the first mid of those it asks for that is above newest.
func (p *pending) mintExplicit(newest int64, now time.Time) error {
	mid := max(p.push.Mids.First, newest+1)
	if mid > exactMids {
		mid = align(mid + message.MidStep - 1)
	}
	switch {
	case mid > p.push.Mids.Last:
		return fmt.Errorf("%w, which is %s", message.ErrMid, message.FormatID(newest))
	case mid > mostAhead(now):
		return fmt.Errorf("%w: %s, more than %v", message.ErrMidAhead, message.FormatID(mid), maxAhead)
	}
	p.mid = mid
	return nil
}

// mostAhead returns the last mid that may be asked for.
func mostAhead(now time.Time) int64 { return message.MidAt(now.Add(maxAhead)) }

// mostMid returns a mid that the mid limit must not be below for the pushes that wait in the channel to have
// mids, but for the clock. The bucket is locked.
func (at place) mostMid(now time.Time) int64 {
	need, own, most := at.bucket.last, at.channel.newest(), mostAhead(now)
	heard := at.channel.subscribers() > 0
	for _, p := range at.channel.extra.queue {
		need += message.MidStep
		own = max(own+message.MidStep, min(p.push.Mids.Last, most))
		if p.push.Expire == 0 && heard {
			need = max(need, own)
		}
	}
	return need
}

// mintUnseen gives a live-only message that nobody subscribes to by its key a mid. Where it is not seen by a
// pattern either, any mid will do. The bucket is locked.
func (h *Hub) mintUnseen(b *bucket, p *pending, now time.Time) bool {
	mid, ok := h.clock.next(now, b.last)
	if ok {
		b.last = mid
	}
	p.mid = b.last
	return ok || !h.matches(p.push.Key)
}
