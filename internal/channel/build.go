package channel

import (
	"fmt"
	"math"
	"time"

	"gopush/internal/message"
)

// build takes w's share of its channel's queue into b, gives mids in order, and releases what
// waits for nothing else.
func (h *Hub) build(b *batch, w *work) (touched SinkSet) {
	w.bucket.mu.Lock()
	defer w.bucket.mu.Unlock()
	h.takePushes(b, w)
	return h.buildEntries(b, w)
}

// takePushes may take none, when the batch is full: they wait for the next one.
func (h *Hub) takePushes(b *batch, w *work) {
	x := w.channel.extra
	n := 0
	for n < len(x.queue) && b.bytes < maxBatchBytes {
		b.bytes += len(x.queue[n].push.Payload)
		n++
	}
	w.pushes = x.queue[:n:n]
	if x.queue = x.queue[n:]; len(x.queue) == 0 {
		x.queue = nil
	}
}

// buildEntries gives the pushes of w mids and makes the stored ones entries of b. What leaves w
// here: stored pushes that cannot be stored, which fail, and live-only ones before all entries.
func (h *Hub) buildEntries(b *batch, w *work) (touched SinkSet) {
	now := h.clock.now() // not before any of them came
	first, prev := len(b.entries), w.channel.stored
	kept := w.pushes[:0]
	for _, p := range w.pushes {
		switch {
		case p.push.Expire > 0 && !h.storable(w.channel, p, now):
			touched |= p.call.from
		case !h.mint(w.bucket, w.channel, p, now):
			p.fail(errLimit)
			touched |= p.call.from
		case p.push.Expire > 0:
			b.add(p, prev)
			kept, prev = append(kept, p), p.mid
		case len(b.entries) > first:
			kept = append(kept, p)
		default:
			touched |= h.releaseLive(w.channel, p) | p.call.from
		}
	}
	w.pushes = kept
	w.entries = b.entries[first:len(b.entries):len(b.entries)]
	return touched
}

// add makes p, which has its mid, an entry.
func (b *batch) add(p *pending, prev int64) {
	b.entries = append(b.entries, Entry{
		IdemKey: p.push.IdemKey, Trim: p.push.Trim,
		Message: message.Message{
			Key: p.push.Key, Mid: p.mid, Prev: prev, GID: p.push.GID, Expires: p.expires(), Form: p.push.Form, Payload: p.push.Payload,
		},
	})
	if p.since.Before(b.since) {
		b.since = p.since
	}
}

// storable tells whether p may be tried now, or fails it.
func (h *Hub) storable(c *Channel, p *pending, now time.Time) bool {
	switch {
	case p.skipped():
		return false
	case c.state&loaded == 0:
		p.fail(fmt.Errorf("%w: the key's last message could not be read", ErrUnavailable))
		return false
	case now.Sub(p.since) > h.cfg.StoreTimeout-h.cfg.StoreTimeout/appendShare:
		p.fail(fmt.Errorf("%w: waited too long for its turn, store_timeout is %v", ErrUnavailable, h.cfg.StoreTimeout))
		return false
	}
	return true
}

// expires returns until when p is kept, counted from when it came.
func (p *pending) expires() time.Time {
	if p.push.Expire == math.MaxInt64 {
		return message.Never
	}
	return p.since.Add(p.push.Expire)
}
