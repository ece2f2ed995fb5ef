package channel

import (
	"errors"
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
// here: stored pushes that cannot be stored, which fail, and live-only ones before all entries. From a live-only one on for
// which the mid limit has to be moved, or one for which the key has to be owned, all wait for another turn.
func (h *Hub) buildEntries(b *batch, w *work) (touched SinkSet) {
	now := h.clock.now() // not before any of them came
	w.channel.trustStore()
	first, prev, newest := len(b.entries), w.channel.stored, w.channel.newest()
	kept, overtaken := w.pushes[:0], 0
	for i, p := range w.pushes {
		if p.repeats {
			if len(b.entries) > first {
				kept = append(kept, p)
			} else {
				p.answerDuplicate()
				touched |= p.call.from
			}
			continue
		}
		if p.push.Expire > 0 && !h.storable(w.channel, p, now) {
			touched |= p.call.from
			continue
		}
		err := h.mintNext(w, newest, p, now)
		if (errors.Is(err, errLimit) && p.push.Expire == 0 || errors.Is(err, errUnowned)) && p.fenced < maxFenced {
			w.requeue(w.pushes[i:])
			break
		}
		if p.push.Expire > 0 || w.channel.subscribers() > 0 {
			newest = max(newest, p.mid)
		}
		if err == nil && p.push.Mids != (message.Span{}) {
			overtake(kept[overtaken:], p.mid)
			overtaken = len(kept)
		}
		switch {
		case err != nil:
			p.fail(err)
			touched |= p.call.from
		case p.push.Expire > 0:
			b.add(p, prev, h.owner())
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

// mintNext gives p its mid after newest, the newest one that the key has or will have by w.
func (h *Hub) mintNext(w *work, newest int64, p *pending, now time.Time) error {
	if p.push.Expire == 0 {
		return h.mintLive(w.bucket, w.channel, newest, p, now)
	}
	if w.channel.state&unowned != 0 {
		return errUnowned
	}
	return h.mintOwned(w.bucket, w.channel, newest, p, now)
}

// add makes p, which has its mid, an entry.
func (b *batch) add(p *pending, prev int64, owner *Owner) {
	b.entries = append(b.entries, Entry{
		IdemKey: p.push.IdemKey, Trim: p.push.Trim, Owner: owner,
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
