package channel

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"gopush/internal/message"
)

// An appender takes channels with pushes that wait, stores all those pushes in one call, and
// releases what was stored. A channel is with one appender at a time: one append in flight
// per key. Under load batches grow by themselves.
//
//	readyQueue ─> take ─> load (first time) ─> build ─> Store.Append ─> settle ─> release, receipts
//	     ^                                                                │
//	     └──────────── pushes that came meanwhile, entries that met ErrOrder
//
// Live-only messages that no stored one stands before are released while the batch is built.

// Bounds of one append: the rest goes into the next one.
const (
	maxBatchChannels = 1024
	maxBatchBytes    = 4 << 20 // and one push
	maxFenced        = 8       // appends of one push that met ErrOrder before it fails
)

// appendShare is the part of store_timeout, one in so many, that every append has at least: a
// push that has waited for the rest of it fails by itself, instead of having all others of its
// batch time out with it.
const appendShare = 4

// batch is one turn of an appender: the work of several channels and the entries of all of them.
// An appender uses one again and again, for its slices.
type batch struct {
	works   []work
	entries []Entry
	since   time.Time // when the oldest push that is to be stored came
	bytes   int
}

// maxSpareEntries is how many entries a batch keeps room for between turns.
const maxSpareEntries = 4096

// begin makes b the batch of so many channels; nothing of it came after now.
func (b *batch) begin(channels int, now time.Time) {
	b.works = slices.Grow(b.works, channels)[:channels]
	b.since, b.bytes = now, 0
}

// end lets go of the messages. kept tells that the store has kept the entries.
func (b *batch) end(kept bool) {
	clear(b.works)
	b.works = b.works[:0]
	if kept || cap(b.entries) > maxSpareEntries {
		b.entries = nil
	}
	clear(b.entries)
	b.entries = b.entries[:0]
}

// work is the part of a batch that belongs to one channel.
type work struct {
	channel *Channel
	hash    uint64
	bucket  *bucket
	pushes  []*pending // taken from the channel's queue; after the first stored one, live-only ones too
	entries []Entry    // of the stored ones, in order; part of the batch's
	results []error    // of the entries
}

func (h *Hub) runAppender() {
	var channels []*Channel
	var b batch
	for {
		if channels = h.appenders.take(channels); len(channels) == 0 {
			return
		}
		h.turn(&b, channels)
		clear(channels)
	}
}

// turn stores and releases what waits in channels.
func (h *Hub) turn(b *batch, channels []*Channel) {
	b.begin(len(channels), h.clock.now())
	for i, c := range channels {
		w := &b.works[i]
		w.channel, w.hash = c, h.hash(c.key)
		w.bucket = h.bucketOf(w.hash)
		h.Flush(h.build(b, w))
	}
	kept := h.append(b)
	var touched SinkSet
	for i := range b.works {
		touched |= h.settle(&b.works[i])
	}
	h.Flush(touched)
	b.end(kept)
}

// ready tells whether w's channel needs no prepare. The bucket is locked.
func (h *Hub) ready(w *work) bool {
	return w.channel.state&(loaded|doubtful) == loaded && h.clock.reaches(h.clock.now(), w.mostMid())
}

// mostMid returns a mid that none of the mids that w's channel now needs is above, but for the
// clock. The bucket is locked.
func (w *work) mostMid() int64 {
	return max(w.channel.released, w.bucket.last) + message.MidStep*int64(1+len(w.channel.extra.queue))
}

// prepare does what may block before mids are given: it learns what the store knows of w's
// channel, if that is not known yet or is in doubt, and moves the mid limit, if it is in the way.
func (h *Hub) prepare(w *work) {
	w.bucket.mu.Lock()
	state, from := w.channel.state, w.channel.stored
	w.bucket.mu.Unlock()
	ctx, cancel := h.untilTimeout(w)
	defer cancel()
	if state&(loaded|doubtful) != loaded {
		h.learn(ctx, w, state, from)
	}
	w.bucket.mu.Lock()
	need := w.mostMid()
	w.bucket.mu.Unlock()
	_ = h.clock.reach(ctx, need) // the pushes fail if it is not reached
}

// untilTimeout returns a context that ends when the oldest push that waits in w's channel has
// waited for store_timeout. However many channels wait for an appender while the store stalls,
// none of their live-only messages is held up for longer.
func (h *Hub) untilTimeout(w *work) (context.Context, context.CancelFunc) {
	w.bucket.mu.Lock()
	since := w.channel.extra.queue[0].since
	w.bucket.mu.Unlock()
	return context.WithTimeout(context.Background(), h.cfg.StoreTimeout-h.clock.now().Sub(since))
}

func (h *Hub) learn(ctx context.Context, w *work, state state, from int64) {
	if state&loaded != 0 {
		_ = h.catchUp(ctx, w, from) // what stays in doubt meets ErrOrder
		return
	}
	info, err := h.cfg.Store.Info(ctx, w.channel.key)
	if err != nil {
		return
	}
	w.bucket.mu.Lock()
	defer w.bucket.mu.Unlock()
	c := w.channel
	c.stored = info.Last
	if c.state&used == 0 {
		c.released = info.Last // until now it was what no mid of the bucket was above
	}
	c.state |= loaded
}

// catchUp releases what the store has after mid from: another owner's messages, or ours whose
// outcome we were not told.
func (h *Hub) catchUp(ctx context.Context, w *work, from int64) error {
	c := w.channel
	for {
		found, err := h.cfg.Store.Range(ctx, c.key, from+1, math.MaxInt64, false, 0, pageBytes)
		if err != nil {
			return err
		}
		var touched SinkSet
		w.bucket.mu.Lock()
		for i := range found {
			touched |= h.release(c, &found[i])
			from = found[i].Mid
		}
		if len(found) == 0 {
			c.state &^= doubtful
		}
		w.bucket.mu.Unlock()
		h.Flush(touched)
		if len(found) == 0 {
			return h.catchUpLast(ctx, w)
		}
	}
}

// catchUpLast takes over the key's last mid. It may be above all messages that are left, and below
// what was found before: a message whose outcome was not told is lost in the end if the store fails.
func (h *Hub) catchUpLast(ctx context.Context, w *work) error {
	info, err := h.cfg.Store.Info(ctx, w.channel.key)
	if err != nil {
		return err
	}
	w.bucket.mu.Lock()
	w.channel.stored = info.Last
	w.bucket.mu.Unlock()
	return nil
}

// append stores b's entries, by the moment that the oldest of them times out. kept: the store
// has not told what became of one, and may still look at them.
func (h *Hub) append(b *batch) (kept bool) {
	if len(b.entries) == 0 {
		return false
	}
	left := h.cfg.StoreTimeout - h.clock.now().Sub(b.since)
	ctx, cancel := context.WithTimeout(context.Background(), left)
	results := h.cfg.Store.Append(ctx, b.entries)
	cancel()
	kept = slices.ContainsFunc(results, isUnknown)
	for i := range b.works {
		w := &b.works[i]
		w.results, results = results[:len(w.entries)], results[len(w.entries):]
	}
	return kept
}

func isUnknown(err error) bool { return errors.Is(err, ErrUnknown) }
