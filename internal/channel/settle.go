package channel

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// settle releases what was stored of w, and the live-only messages between, in order; fails
// what was not stored; and has the rest wait for the next turn.
func (h *Hub) settle(w *work) (touched SinkSet) {
	w.bucket.mu.Lock()
	defer w.bucket.mu.Unlock()
	touched, fenced := h.settlePushes(w)
	if fenced {
		from := w.channel.stored
		w.bucket.mu.Unlock()
		h.Flush(touched)
		touched = 0
		h.seeOthers(w.place, from)
		w.bucket.mu.Lock()
	}
	return touched | h.reschedule(w.place)
}

// seeOthers releases what another owner has stored after mid from.
func (h *Hub) seeOthers(at place, from int64) {
	h.Stats.Fenced.Add(1)
	ctx, cancel := h.untilTimeout(at)
	defer cancel()
	at.bucket.mu.Lock()
	final := h.final(at.channel, nil)
	at.bucket.mu.Unlock()
	_ = h.catchUp(ctx, at, from, final) // what is not seen now meets ErrOrder again
}

// reschedule has the pushes that wait in the channel go on, or sets it free. The bucket is locked.
func (h *Hub) reschedule(at place) (touched SinkSet) {
	c := at.channel
	if c.state.certain() {
		touched = h.releaseFirst(at, nil)
	}
	switch {
	case !c.waits() && c.state&behind != 0 && c.listeners() > 0 && h.loading.put(c):
		h.loading.wake()
	case !c.waits():
		touched |= h.free(at)
	case !h.ready(at, h.clock.now()) && h.loading.put(c):
		h.loading.wake()
	default:
		h.appending.again(c)
	}
	return touched
}

// free ends the scheduling of the channel, in which no push waits. The bucket is locked.
func (h *Hub) free(at place) (touched SinkSet) {
	c := at.channel
	c.state &^= scheduled
	if c.state&behind == 0 {
		touched = h.releaseHeld(c, math.MaxInt64)
	}
	if c.state&(behind|doubtful) != 0 {
		h.lookLater(c)
	}
	c.tidy()
	at.bucket.forget(at.hash, c)
	return touched
}

// settlePushes goes through w's pushes in order. fenced: someone else appended, so
// the pushes from there on are back in the channel's queue. So are those that chain to a duplicate, and live-only ones after one of
// which nobody knows whether it is stored: if it is, it is to be released before them.
func (h *Hub) settlePushes(w *work) (touched SinkSet, fenced bool) {
	var broken error    // what the first stored push failed with: the later ones chain to it
	repeated := false   // a push was a duplicate: so do they
	var back []*pending //
	for i, p := range w.pushes {
		touched |= p.call.from
		if p.push.Expire == 0 {
			if errors.Is(broken, ErrUnknown) || broken != nil && w.channel.doubt() > 0 {
				back = append(back, p)
			} else {
				touched |= h.releaseLive(w.channel, p)
			}
			continue
		}
		if p.repeats {
			p.answerDuplicate()
			continue
		}
		e, err := w.nextResult()
		first := duplicateOf(err)
		switch {
		case err == nil:
			touched |= h.settleStored(w.channel, p, e)
		case first > w.channel.stored && broken == nil && p.fenced < maxFenced:
			w.requeueFrom(i, first) // somebody else stored it: it is to be released before it is answered
			return touched, true
		case first > 0:
			p.repeatsAs(first)
			p.answerDuplicate()
			repeated = true
		case isOwned(err) && broken == nil && p.fenced < maxFenced:
			w.channel.state |= unowned
			w.requeueFrom(i, 0)
			return touched, false
		case errors.Is(err, ErrOrder) && broken == nil && repeated:
			w.requeueFrom(i, 0)
			return touched, false
		case errors.Is(err, ErrOrder) && broken == nil && p.fenced < maxFenced:
			w.requeueFrom(i, 0)
			return touched, true
		default:
			if isUnknown(err) {
				h.clock.doubt(e.Owner)
			}
			broken = w.channel.settleFailed(p, err, broken)
		}
	}
	w.requeue(back)
	return touched, false
}

// nextResult takes the next entry and what became of it out of w.
func (w *work) nextResult() (e *Entry, err error) {
	e, err = &w.entries[0], w.results[0]
	w.entries, w.results = w.entries[1:], w.results[1:]
	return e, err
}

// settleStored releases a message that is in the store.
func (h *Hub) settleStored(c *Channel, p *pending, e *Entry) (touched SinkSet) {
	switch {
	case h.cfg.Owns == nil:
	case h.elsewhere(c.key):
		h.strays.add(c.key)
	default:
		h.recent.add(c.key, p.since)
	}
	m := &e.Message
	if c.listeners() > 0 || h.matches(c.key) {
		posted := e.Message // the batch uses its entries again
		m = &posted
	}
	touched, subscribers := h.release(c, m)
	p.done(m.Mid, true, subscribers)
	return touched
}

// settleFailed answers a push that was not stored now. broken is what the first of them failed
// with, nil before; with p, it is what is returned.
func (c *Channel) settleFailed(p *pending, err, broken error) error {
	maybe := errors.Is(err, ErrUnknown)
	err = firstError(err, broken)
	c.failStored(p, err, maybe)
	return cmp.Or(broken, err)
}

// firstError returns what an entry failed with: its own error, or, where it only failed
// because an earlier one had, that one's.
func firstError(err, broken error) error {
	if errors.Is(err, ErrOrder) && broken != nil {
		return broken
	}
	if errors.Is(err, ErrOrder) {
		return fmt.Errorf("%w: another node keeps appending to this key", ErrUnavailable)
	}
	return err
}

// fallIntoDoubt notes that nobody knows whether the message mid is stored. The bucket is locked.
func (c *Channel) fallIntoDoubt(mid int64) {
	x := c.more()
	if c.state&doubtful == 0 || mid < x.doubt {
		x.doubt = mid
	}
	c.state |= doubtful
}

// doubt returns the first mid of those of which nobody knows whether they are stored; 0: there is none above all that is known.
func (c *Channel) doubt() int64 {
	if c.state&doubtful == 0 || c.extra.doubt <= c.newest() {
		return 0
	}
	return c.extra.doubt
}

// failStored fails a push that was not stored, or maybe was: then it was not skipped, whatever became of those before it.
func (c *Channel) failStored(p *pending, err error, maybe bool) {
	if errors.Is(err, ErrUnknown) {
		c.fallIntoDoubt(p.mid)
		if c.state&relayed != 0 {
			c.state |= behind
		}
	}
	if maybe || !p.skipped() {
		p.fail(err)
	}
}

// requeue puts pushes of w back in front of what came meanwhile, without their mids.
func (w *work) requeue(pushes []*pending) {
	if len(pushes) == 0 {
		return
	}
	for _, p := range pushes {
		p.fenced++
		if !p.repeats {
			p.mid = 0
		}
	}
	x := w.channel.more()
	x.queue = slices.Concat(pushes, x.queue)
}
