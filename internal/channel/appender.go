package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// The appender takes channels with pushes that wait, stores all those pushes in one call, and
// releases what was stored. Under load its batches grow by themselves, and there is one appender only: two
// have half of what waits each, and the disk twice as much to do.
//
//	loaders ─> take ─> build ─> Store.Append ─> settle ─> release, receipts
//	             ^                                │
//	             └──────────── pushes that came meanwhile; loaders, if the store is to be asked first
//
// It waits for the disk itself, if that is how the store is: nothing can interrupt that. Where the store has not come back when
// its time is up, another goroutine goes on as the appender: overdue.

// Bounds of one append: the rest goes into the next one.
const (
	maxBatchChannels = 1024
	maxBatchBytes    = 4 << 20 // and one push
	maxFenced        = 64      // appends of one push that met ErrOrder before it fails
)

// appendShare is the part of store_timeout, one in so many, that every append has at least: a
// push that has waited for the rest of it fails by itself, instead of having all others of its
// batch time out with it.
const appendShare = 4

// batch is one turn of the appender: the work of several channels and the entries of all of them.
// The appender uses one again and again, for its slices.
type batch struct {
	works   []work
	entries []Entry
	since   time.Time // when the oldest push that is to be stored came
	bytes   int
	timeout timeout

	mu      sync.Mutex
	storing context.Context // of the append under way; nil: there is none. Guarded by mu
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
	place
	pushes  []*pending // taken from the channel's queue; after the first stored one, live-only ones too
	entries []Entry    // of the stored ones, in order; part of the batch's
	results []error    // of the entries
}

// runAppender is the appender until nothing waits and the hub is closed, or until it does not come back from the store.
func (h *Hub) runAppender(b *batch) {
	var channels []*Channel
	for {
		if channels = h.appending.take(channels, maxBatchChannels); len(channels) == 0 {
			b.timeout.end()
			return
		}
		if !h.turn(b, channels) {
			return
		}
		clear(channels)
	}
}

// turn stores and releases what waits in channels. It returns false if b is another appender's since.
func (h *Hub) turn(b *batch, channels []*Channel) bool {
	b.begin(len(channels), h.clock.now())
	for i, c := range channels {
		w := &b.works[i]
		w.place = h.placeOf(c)
		h.Flush(h.build(b, w))
	}
	if entries := b.entries; len(entries) > 0 {
		ctx := b.storeUntil(h) // from here on b may be another appender's
		results := h.cfg.Store.Append(ctx, entries)
		if !b.stored(ctx) {
			h.givenUp.Add(-1)
			return false
		}
		h.finish(b, results)
	} else {
		h.finish(b, nil)
	}
	return true
}

// finish releases what was stored of b, of which these are the results, and answers.
func (h *Hub) finish(b *batch, results []error) {
	kept := slices.ContainsFunc(results, isUnknown) // the store may still look at the entries
	var touched SinkSet
	for i := range b.works {
		w := &b.works[i]
		w.results, results = results[:len(w.entries)], results[len(w.entries):]
		touched |= h.settle(w)
	}
	h.Flush(touched)
	b.end(kept)
}

// storeUntil begins an append, which has until the oldest push of b times out.
func (b *batch) storeUntil(h *Hub) context.Context {
	deadline, slack := h.deadline(b.since)
	ctx := b.timeout.until(deadline, slack, h.cfg.StoreTimeout/grace, func(ctx context.Context) { h.overdue(b, ctx) })
	b.mu.Lock()
	b.storing = ctx
	b.mu.Unlock()
	return ctx
}

// stored ends the append that has ctx, and tells whether b is still the caller's.
func (b *batch) stored(ctx context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.storing != ctx {
		return false
	}
	b.storing = nil
	return true
}

// overdue goes on with b, as the appender, if the append that has ctx has not come back: nobody knows whether it stores anything.
func (h *Hub) overdue(b *batch, ctx context.Context) {
	b.mu.Lock()
	mine := b.storing == ctx
	if mine {
		b.storing = nil
		h.givenUp.Add(1)
		h.appenders.Add(1) // while the one that has not come back still counts
	}
	b.mu.Unlock()
	if !mine {
		return
	}
	defer h.appenders.Done()
	h.finish(b, slices.Repeat([]error{errOverdue}, len(b.entries)))
	h.runAppender(b)
}

var errOverdue = fmt.Errorf("%w: the store has not answered in time", ErrUnknown)

func isUnknown(err error) bool { return errors.Is(err, ErrUnknown) }
