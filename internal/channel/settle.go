package channel

import (
	"errors"
	"fmt"
	"slices"

	"gopush/internal/message"
)

// settle releases what was stored of w, and the live-only messages between, in order; fails
// what was not stored; and has the rest wait for the next turn.
func (h *Hub) settle(w *work) (touched SinkSet) {
	w.bucket.mu.Lock()
	touched, fenced := h.settlePushes(w)
	from := w.channel.stored
	w.bucket.mu.Unlock()
	if fenced {
		h.Flush(touched)
		touched = 0
		h.Stats.Fenced.Add(1)
		ctx, cancel := h.untilTimeout(w)
		_ = h.catchUp(ctx, w, from) // what is not seen now meets ErrOrder again
		cancel()
	}
	w.bucket.mu.Lock()
	defer w.bucket.mu.Unlock()
	h.reschedule(w)
	return touched
}

// reschedule hands w's channel back to the appenders if pushes wait in it, else sets it free.
func (h *Hub) reschedule(w *work) {
	c := w.channel
	if x := c.extra; x != nil && len(x.queue) > 0 {
		h.appenders.again(c)
		return
	}
	if x := c.extra; x != nil && len(x.slots) == 0 {
		c.extra = nil
	}
	c.state &^= scheduled
	w.bucket.forget(w.hash, c)
}

// settlePushes goes through w's pushes in order. fenced: someone else appended, so
// the pushes from there on are back in the channel's queue. So are live-only ones after one of
// which nobody knows whether it is stored: if it is, it is to be released before them.
func (h *Hub) settlePushes(w *work) (touched SinkSet, fenced bool) {
	var broken error // what the first stored push failed with: the later ones chain to it
	var back []*pending
	for i, p := range w.pushes {
		touched |= p.call.from
		if p.push.Expire == 0 {
			if errors.Is(broken, ErrUnknown) {
				back = append(back, p)
			} else {
				touched |= h.releaseLive(w.channel, p)
			}
			continue
		}
		m, err := w.nextResult()
		if errors.Is(err, ErrOrder) && broken == nil && p.fenced < maxFenced {
			w.requeue(w.pushes[i:])
			return touched, true
		}
		if err = firstError(err, broken); err == nil || isDuplicate(err) {
			touched |= h.settleStored(w.channel, p, m, err)
			continue
		}
		if broken == nil {
			broken = err
		}
		w.channel.failStored(p, err)
	}
	w.requeue(back)
	return touched, false
}

// nextResult takes the next entry and what became of it out of w.
func (w *work) nextResult() (m message.Message, err error) {
	m, err = w.entries[0].Message, w.results[0]
	w.entries, w.results = w.entries[1:], w.results[1:]
	return m, err
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

func isDuplicate(err error) bool {
	var d *Duplicate
	return errors.As(err, &d)
}

// settleStored releases a message that is in the store; one that was there before is only answered.
func (h *Hub) settleStored(c *Channel, p *pending, m message.Message, err error) (touched SinkSet) {
	var d *Duplicate
	if errors.As(err, &d) {
		p.done(d.Mid, true, 0)
		return 0
	}
	touched = h.release(c, &m)
	p.done(m.Mid, true, c.subscribers())
	return touched
}

// failStored fails a push that was not stored, or perhaps was.
func (c *Channel) failStored(p *pending, err error) {
	if errors.Is(err, ErrUnknown) {
		c.state |= doubtful
	}
	if !p.skipped() {
		p.fail(err)
	}
}

// requeue puts pushes of w back in front of what came meanwhile, without their mids.
func (w *work) requeue(pushes []*pending) {
	if len(pushes) == 0 {
		return
	}
	for _, p := range pushes {
		p.mid = 0
		p.fenced++
	}
	x := w.channel.more()
	x.queue = slices.Concat(pushes, x.queue)
}
