package channel

import (
	"context"

	"gopush/internal/message"
)

// pageBytes is how many bytes of payload are read from the store at a time for one reader.
const pageBytes = 64 << 10

// Page is a piece of what a resuming subscriber missed.
type Page struct {
	Messages []message.Message // oldest first
	Upto     int64             // all messages up to this mid had been released, and nothing above is on the page
	Last     bool              // what is stored up to Upto is on this page or on one before
	Gap      bool              // messages after the position asked for are gone
	From     int64             // with Gap: the first mid that can still be had, else the key's last mid
}

// Resume reads the stored messages of key after mid, a page of them. Whoever subscribed
// before and reads on from the last message of each page until one is Last has, with
// what was posted meanwhile, seen everything: docs/design.md, "Subscribe with resume".
// first tells that mid is what the device came with, so that it may be older than any record.
func (h *Hub) Resume(ctx context.Context, key string, mid int64, first bool) (Page, error) {
	if h.elsewhere(key) {
		if err := h.Load(ctx, key); err != nil {
			return Page{}, err
		}
	}
	info, err := h.cfg.Store.Info(ctx, key)
	if err != nil {
		return Page{}, err
	}
	upto, last, known := h.released(key, info.Last)
	if !known {
		if last, err = h.lastUpto(ctx, key, upto, info.Last); err != nil {
			return Page{}, err
		}
	}
	if last <= mid {
		upto = last // nothing was missed; what was stored since is not looked for
	}
	var found []message.Message
	if upto > mid {
		if found, err = h.cfg.Store.Range(ctx, key, mid+1, upto, false, 0, pageBytes); err != nil {
			return Page{}, err
		}
	}
	p := Page{Messages: found, Upto: upto, Last: len(found) == 0 || found[len(found)-1].Mid >= last, From: last}
	if len(found) > 0 {
		p.From = found[0].Mid
	} else {
		p.Gap = last > mid
	}
	if first {
		h.Stats.Resumes.Add(1)
		err = h.findGap(ctx, key, mid, last, info.Since, &p)
	}
	if p.Gap {
		h.Stats.Gaps.Add(1)
	}
	return p, err
}

// released returns a mid up to which all messages of key have been posted to those who had
// subscribed, and the last stored mid that is not above it. What an append under way has made
// durable is above: live-only messages that belong before it are still to be posted.
// stored is the key's last mid as the store knew it a moment ago. known tells whether last is that; else the store
// has to be asked.
func (h *Hub) released(key string, stored int64) (upto, last int64, known bool) {
	hash := h.hash(key)
	b := h.bucketOf(hash)
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.find(hash, key)
	switch {
	case c == nil:
		return max(stored, b.last), stored, true
	case c.state&placed != 0 || c.state&(scheduled|loaded) == scheduled|loaded:
		return c.released, min(c.stored, c.released), c.state&loaded != 0
	}
	return max(stored, c.released), stored, true // below b.last an explicit mid may still be given
}

// lastUpto returns the mid of the last stored message of key that is not above upto; 0: none is known. recorded is the key's last
// as the store knew it a moment ago, also of a message that is gone: what is above that is asked for.
func (h *Hub) lastUpto(ctx context.Context, key string, upto, recorded int64) (last int64, err error) {
	if recorded <= upto {
		last = recorded
	}
	newest, err := h.cfg.Store.Range(ctx, key, 0, upto, true, 1, 0)
	if err != nil || len(newest) == 0 {
		return last, err
	}
	return max(last, newest[0].Mid), nil
}

// findGap completes the first page: has anything after mid gone, at either end? (What is gone
// in the middle shows in the messages' prev.) last and since are what is known of the key.
func (h *Hub) findGap(ctx context.Context, key string, mid, last, since int64, p *Page) error {
	switch {
	case mid > 0 && mid < since:
		p.Gap = true
	case len(p.Messages) > 0 && p.Messages[0].Prev > mid:
		p.Gap = true
	case !p.Last:
		newest, err := h.cfg.Store.Range(ctx, key, mid+1, p.Upto, true, 1, 0)
		if err != nil {
			return err
		}
		p.Gap = len(newest) == 0 || newest[0].Mid < last
		p.Last = len(newest) == 0 || newest[0].Mid <= p.Messages[len(p.Messages)-1].Mid
	}
	return nil
}

// Position returns the mid of this moment, in no key: all that is pushed from now on is above it,
// so that a device without a position of its own can begin there. A node of a cluster that was not pushed to for a while tells the time all
// the same, as others are pushed to; but where the store is away their mids may have fallen behind the clock.
func (h *Hub) Position() int64 {
	now := h.clock.now()
	position := h.clock.time(now)
	switch {
	case h.cfg.Owns == nil:
	case h.clock.late(now) && h.storeHealthy():
		position = message.MidAt(now)
	default:
		position = min(position, message.MidAt(now)) // others may not be in an epoch yet whose floor is ahead of the clock
	}
	return align(position) - message.MidStep
}

// Furthest returns a mid that no message has passed which is not stored and was given its mid here. Where mids have fallen behind the clock
// it is above Position by more than a step: some are in the reserve below the limit.
func (h *Hub) Furthest() int64 { return h.clock.furthest() }

func (h *Hub) storeHealthy() bool {
	s, tells := h.cfg.Store.(Health)
	return !tells || s.Healthy() == nil
}

// Range returns stored, unexpired messages of key, as Store.Range does.
func (h *Hub) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	return h.cfg.Store.Range(ctx, key, from, to, reverse, limit, maxBytes)
}

// Delete removes stored messages of key, as Store.Delete does: all when no mid is given.
func (h *Hub) Delete(ctx context.Context, key string, mids ...int64) (int, error) {
	return h.cfg.Store.Delete(ctx, key, mids...)
}

// Trim removes stored messages of key, as Store.Trim does.
func (h *Hub) Trim(ctx context.Context, key string, keep int, minMid int64) (int, error) {
	return h.cfg.Store.Trim(ctx, key, keep, minMid)
}

// Keys lists keys that exist, as Store.Keys does.
func (h *Hub) Keys(ctx context.Context, cursor string, limit int) (keys []string, next string, err error) {
	return h.cfg.Store.Keys(ctx, cursor, limit)
}

// Subscribers returns how many connections are subscribed to key.
func (h *Hub) Subscribers(key string) int {
	hash := h.hash(key)
	b := h.bucketOf(hash)
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.find(hash, key); c != nil {
		return c.receivers()
	}
	return 0
}

// Subscribed returns at most limit keys (0: any number) that match pattern and somebody subscribes to, in no order. It
// looks at every channel of the node, a bucket at a time.
func (h *Hub) Subscribed(pattern string, limit int) (keys []string) {
	var some []string
	for i := range h.buckets {
		some = h.buckets[i].appendSubscribed(some[:0])
		for _, key := range some {
			if !message.Match(pattern, key) {
				continue
			}
			if keys = append(keys, key); len(keys) == limit {
				return keys
			}
		}
	}
	return keys
}

// Info returns what is known of key.
func (h *Hub) Info(ctx context.Context, key string) (message.KeyInfo, error) {
	info, err := h.cfg.Store.Info(ctx, key)
	return message.KeyInfo{
		Subscribers: h.Subscribers(key), Last: info.Last, Stored: info.Length, First: info.First, Added: info.Added, Exists: info.Exists,
	}, err
}
