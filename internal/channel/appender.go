package channel

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
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

// Bounds of one append: the rest goes into the next one.
const (
	maxBatchChannels = 1024
	maxBatchBytes    = 4 << 20
	maxFenced        = 8 // appends of one push that met ErrOrder before it fails
)

// readyQueue has the channels that wait for an appender. It is bounded by the pushes under way:
// each of its channels has at least one.
type readyQueue struct {
	mu     sync.Mutex
	filled sync.Cond
	queue  []*Channel
	closed bool
}

func (q *readyQueue) init() { q.filled.L = &q.mu }

// put adds c, or returns false once the queue is closed.
func (q *readyQueue) put(c *Channel) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.push(c)
	}
	return !q.closed
}

// again adds c by the appender that had it, which will take on until the queue is empty.
func (q *readyQueue) again(c *Channel) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(c)
}

func (q *readyQueue) push(c *Channel) {
	q.queue = append(q.queue, c)
	q.filled.Signal()
}

// take waits for channels and returns up to maxBatchChannels; none once the queue is closed and empty.
func (q *readyQueue) take(dst []*Channel) []*Channel {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.queue) == 0 && !q.closed {
		q.filled.Wait()
	}
	n := min(len(q.queue), maxBatchChannels)
	dst = append(dst[:0], q.queue[:n]...)
	rest := copy(q.queue, q.queue[n:])
	clear(q.queue[rest:])
	q.queue = q.queue[:rest]
	if rest > 0 {
		q.filled.Signal()
	}
	return dst
}

// close ends the appenders when nothing waits any more.
func (q *readyQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.filled.Broadcast()
}

// batch is one turn of an appender: the work of several channels and the entries of all of them.
type batch struct {
	works   []work
	entries []Entry
	since   time.Time // when the oldest push of it came
	bytes   int
}

// work is the part of a batch that belongs to one channel.
type work struct {
	channel *Channel
	hash    uint64
	bucket  *bucket
	pushes  []*pending // taken from the channel's queue; live-only ones among them
	entries []Entry    // of the stored ones, in order; part of the batch's
	results []error    // of the entries
}

func (h *Hub) runAppender() {
	var channels []*Channel
	for {
		if channels = h.appenders.take(channels); len(channels) == 0 {
			return
		}
		h.turn(channels)
		clear(channels)
	}
}

// turn stores and releases what waits in channels.
func (h *Hub) turn(channels []*Channel) {
	b := &batch{works: make([]work, len(channels)), since: h.clock.now()}
	for i, c := range channels {
		w := &b.works[i]
		w.channel, w.hash = c, h.hash(c.key)
		w.bucket = h.bucketOf(w.hash)
		h.prepare(w)
		h.build(b, w)
	}
	h.append(b)
	var touched sinkSet
	for i := range b.works {
		touched |= h.settle(&b.works[i])
	}
	h.flush(touched)
}

// prepare does what may block before mids are given: it learns what the store knows of w's
// channel, if that is not known yet or is in doubt, and moves the mid limit, if it is in the way.
func (h *Hub) prepare(w *work) {
	w.bucket.mu.Lock()
	state, from := w.channel.state, w.channel.stored
	w.bucket.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), h.cfg.StoreTimeout)
	defer cancel()
	if state&loaded == 0 || state&doubtful != 0 {
		h.learn(ctx, w, state, from)
	}
	w.bucket.mu.Lock()
	need := max(w.channel.released, w.bucket.last) + message.MidStep*int64(1+len(w.channel.extra.queue))
	w.bucket.mu.Unlock()
	_ = h.clock.reach(ctx, need) // the pushes fail if it is not reached
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
		var touched sinkSet
		w.bucket.mu.Lock()
		for i := range found {
			touched |= h.release(c, &found[i])
			from = found[i].Mid
		}
		if len(found) == 0 {
			c.state &^= doubtful
		}
		w.bucket.mu.Unlock()
		h.flush(touched)
		if len(found) == 0 {
			return h.catchUpLast(ctx, w)
		}
	}
}

// catchUpLast takes over the key's last mid, which may be above all messages that are left.
func (h *Hub) catchUpLast(ctx context.Context, w *work) error {
	info, err := h.cfg.Store.Info(ctx, w.channel.key)
	if err != nil {
		return err
	}
	w.bucket.mu.Lock()
	w.channel.stored = max(w.channel.stored, info.Last)
	w.bucket.mu.Unlock()
	return nil
}

// build takes w's share of its channel's queue into b and gives mids in order.
func (h *Hub) build(b *batch, w *work) {
	w.bucket.mu.Lock()
	defer w.bucket.mu.Unlock()
	h.takePushes(b, w)
	h.buildEntries(b, w)
}

func (h *Hub) takePushes(b *batch, w *work) {
	x := w.channel.extra
	n := 0
	for n < len(x.queue) && (n == 0 || b.bytes < maxBatchBytes) {
		b.bytes += len(x.queue[n].push.Payload)
		n++
	}
	w.pushes = x.queue[:n:n]
	if x.queue = x.queue[n:]; len(x.queue) == 0 {
		x.queue = nil
	}
	if len(w.pushes) > 0 && w.pushes[0].since.Before(b.since) {
		b.since = w.pushes[0].since
	}
}

// buildEntries gives the pushes of w mids and makes the stored ones entries of b.
// Stored pushes that cannot be stored fail here and leave w.
func (h *Hub) buildEntries(b *batch, w *work) {
	c, first := w.channel, len(b.entries)
	last, prev := max(c.released, w.bucket.last), c.stored
	kept := w.pushes[:0]
	for _, p := range w.pushes {
		if p.push.Expire > 0 && !h.storable(c, p) {
			continue
		}
		mid, ok := h.clock.next(last)
		if !ok {
			p.fail(fmt.Errorf("%w: the mid limit could not be renewed", ErrUnavailable))
			continue
		}
		p.mid, last = mid, mid
		kept = append(kept, p)
		if p.push.Expire > 0 {
			b.entries = append(b.entries, h.entry(p, prev))
			prev = mid
		}
	}
	w.pushes = kept
	w.bucket.last = last // mids are never given twice, whatever becomes of these
	w.entries = b.entries[first:len(b.entries):len(b.entries)]
}

// storable tells whether p may be tried, or fails it.
func (h *Hub) storable(c *Channel, p *pending) bool {
	switch {
	case p.skipped():
		return false
	case c.state&loaded == 0:
		p.fail(fmt.Errorf("%w: the key's last message could not be read", ErrUnavailable))
		return false
	case h.clock.now().Sub(p.since) >= h.cfg.StoreTimeout:
		p.fail(fmt.Errorf("%w: waited longer than store_timeout (%v)", ErrUnavailable, h.cfg.StoreTimeout))
		return false
	}
	return true
}

func (h *Hub) entry(p *pending, prev int64) Entry {
	expires := message.Never
	if p.push.Expire < math.MaxInt64 {
		expires = h.clock.now().Add(p.push.Expire)
	}
	return Entry{
		Key: p.push.Key, IdemKey: p.push.IdemKey,
		Message: message.Message{
			Mid: p.mid, Prev: prev, GID: p.push.GID, Expires: expires, Form: p.push.Form, Payload: p.push.Payload,
		},
	}
}

// append stores b's entries, by the moment that the oldest of them times out.
func (h *Hub) append(b *batch) {
	if len(b.entries) == 0 {
		return
	}
	left := h.cfg.StoreTimeout - h.clock.now().Sub(b.since)
	ctx, cancel := context.WithTimeout(context.Background(), left)
	results := h.cfg.Store.Append(ctx, b.entries)
	cancel()
	for i := range b.works {
		w := &b.works[i]
		w.results, results = results[:len(w.entries)], results[len(w.entries):]
	}
}

// settle releases what was stored of w, and the live-only messages between, in order; fails
// what was not stored; and has the rest wait for the next turn.
func (h *Hub) settle(w *work) (touched sinkSet) {
	w.bucket.mu.Lock()
	touched, fenced := h.settlePushes(w)
	w.bucket.mu.Unlock()
	if fenced {
		h.flush(touched)
		touched = 0
		h.Stats.Fenced.Add(1)
		ctx, cancel := context.WithTimeout(context.Background(), h.cfg.StoreTimeout)
		_ = h.catchUp(ctx, w, w.lastStored()) // what is not seen now meets ErrOrder again
		cancel()
	}
	w.bucket.mu.Lock()
	defer w.bucket.mu.Unlock()
	h.reschedule(w)
	return touched
}

func (w *work) lastStored() int64 {
	w.bucket.mu.Lock()
	defer w.bucket.mu.Unlock()
	return w.channel.stored
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
// the pushes from there on are back in the channel's queue.
func (h *Hub) settlePushes(w *work) (touched sinkSet, fenced bool) {
	var broken error // what the first stored push failed with: the later ones chain to it
	for i, p := range w.pushes {
		if p.push.Expire == 0 {
			touched |= h.releaseLive(w.channel, p)
			continue
		}
		err := w.results[0]
		w.results = w.results[1:]
		m := w.entries[0].Message
		w.entries = w.entries[1:]
		if errors.Is(err, ErrOrder) && broken == nil && p.fenced < maxFenced {
			h.requeue(w, i)
			return touched, true
		}
		if err = firstError(err, broken); err == nil || isDuplicate(err) {
			touched |= h.settleStored(w.channel, p, m, err)
			continue
		}
		if broken == nil {
			broken = err
		}
		if errors.Is(err, ErrUnknown) {
			w.channel.state |= doubtful
		}
		if !p.skipped() {
			p.fail(err)
		}
	}
	return touched, false
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
func (h *Hub) settleStored(c *Channel, p *pending, m message.Message, err error) (touched sinkSet) {
	var d *Duplicate
	if errors.As(err, &d) {
		p.done(d.Mid, true, 0)
		return 0
	}
	touched = h.release(c, &m)
	p.done(m.Mid, true, c.subscribers())
	return touched
}

// requeue puts w's pushes from i on back in front of what came meanwhile, without their mids.
func (h *Hub) requeue(w *work, i int) {
	for _, p := range w.pushes[i:] {
		p.mid = 0
		p.fenced++
	}
	x := w.channel.more()
	x.queue = append(append([]*pending(nil), w.pushes[i:]...), x.queue...)
}
