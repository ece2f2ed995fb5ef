package channel

import (
	"errors"
	"slices"
	"time"
)

// The appender takes channels with pushes that wait, stores all those pushes in one call, and
// releases what was stored. Under load its batches grow by themselves, and there is one appender only: two
// have half of what waits each, and the disk twice as much to do.
//
//	loaders ─> take ─> build ─> Store.Append ─> settle ─> release, receipts
//	             ^                                │
//	             └──────────── pushes that came meanwhile; loaders, if the store is to be asked first

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

// batch is one turn of the appender: the work of several channels and the entries of all of them.
// The appender uses one again and again, for its slices.
type batch struct {
	works   []work
	entries []Entry
	since   time.Time // when the oldest push that is to be stored came
	bytes   int
	timeout timeout
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

func (h *Hub) runAppender() {
	var channels []*Channel
	var b batch
	defer b.timeout.end()
	for {
		if channels = h.appending.take(channels, maxBatchChannels); len(channels) == 0 {
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
		w.place = h.placeOf(c)
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

// append stores b's entries, by the moment that the oldest of them times out. kept: the store
// has not told what became of one, and may still look at them.
func (h *Hub) append(b *batch) (kept bool) {
	if len(b.entries) == 0 {
		return false
	}
	results := h.cfg.Store.Append(b.timeout.until(h.deadline(b.since)), b.entries)
	kept = slices.ContainsFunc(results, isUnknown)
	for i := range b.works {
		w := &b.works[i]
		w.results, results = results[:len(w.entries)], results[len(w.entries):]
	}
	return kept
}

func isUnknown(err error) bool { return errors.Is(err, ErrUnknown) }
