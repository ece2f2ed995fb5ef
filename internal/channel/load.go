package channel

import (
	"context"
	"errors"
	"math"
	"runtime"
	"time"

	"gopush/internal/message"
)

// A loader takes channels of which the store has to be asked something before their pushes can have mids:
// what it knows of the key, the first time and when that is in doubt, whether this node owns it, or to move the mid limit. It
// releases the live-only pushes that no stored one stands before, so that they do not wait for what is stored of
// other keys, and hands the rest to the appender.

// numLoaders is how many reads of the store may be under way.
func numLoaders() int { return max(2, runtime.GOMAXPROCS(0)) }

func (h *Hub) runLoader() {
	var one []*Channel
	for {
		if one = h.loading.take(one, 1); len(one) == 0 {
			return
		}
		h.load(h.placeOf(one[0]))
	}
}

func (h *Hub) load(at place) {
	err := h.prepare(at)
	at.bucket.mu.Lock()
	touched := at.channel.failUnowned(err)
	touched |= h.releaseFirst(at, err)
	if at.channel.waits() {
		h.appending.again(at.channel)
	} else {
		touched |= h.free(at)
	}
	at.bucket.mu.Unlock()
	h.Flush(touched)
}

// place is a channel and where it is.
type place struct {
	channel *Channel
	hash    uint64
	bucket  *bucket
}

func (h *Hub) placeOf(c *Channel) place {
	hash := h.hash(c.key)
	return place{c, hash, h.bucketOf(hash)}
}

// prepare does what may block before mids are given: it has this node own the key, if anything is pushed to it; learns what the store knows of the
// channel, if that is not known yet or is in doubt; and moves the mid limit, if it is in the way. Or it fails: with errLimit, or since the key is not owned.
func (h *Hub) prepare(at place) (err error) {
	ctx, cancel := h.untilTimeout(at)
	defer cancel()
	at.bucket.mu.Lock()
	wants := at.channel.wantsOwner() || h.doubts(at.channel)
	at.bucket.mu.Unlock()
	var owner *Owner
	var last int64
	if wants {
		owner, last, err = h.ownFor(ctx, at)
	}
	at.bucket.mu.Lock()
	state, from, readsOn, final := at.channel.state, at.channel.stored, h.readsOn(at.channel), h.final(at.channel, owner)
	at.bucket.mu.Unlock()
	if !state.certain() && !readsOn {
		readsOn = h.learn(ctx, at, state, from, final)
	}
	unread := error(nil)
	if readsOn {
		unread = h.readOn(ctx, at, final) // what it did not see is looked for again
	}
	at.bucket.mu.Lock()
	switch {
	case owner == nil && !at.channel.wantsOwner():
		err = nil // the key is in doubt, and owned all the same
	case owner == nil:
	case unread != nil:
		err = errUnread
	default:
		err = h.owned(at.channel, owner, last)
	}
	waits, need := at.channel.waits(), int64(0)
	if waits {
		need = at.mostMid(h.clock.now())
	}
	at.bucket.mu.Unlock()
	if err == nil && waits && h.clock.reach(ctx, need) != nil {
		return errLimit
	}
	return err
}

// untilTimeout returns a context that ends when the oldest push that waits in the channel has
// waited for store_timeout; if none does, in store_timeout. However many channels wait for a loader while the store stalls,
// none of their live-only messages is held up for longer.
func (h *Hub) untilTimeout(at place) (context.Context, context.CancelFunc) {
	since := h.clock.now()
	at.bucket.mu.Lock()
	if at.channel.waits() {
		since = at.channel.extra.queue[0].since
	}
	at.bucket.mu.Unlock()
	return h.timeout(since)
}

// timeout returns a context that ends store_timeout after since. A store that never waits needs no timer.
func (h *Hub) timeout(since time.Time) (context.Context, context.CancelFunc) {
	if h.cfg.Instant {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), h.cfg.StoreTimeout-h.clock.now().Sub(since))
}

// readsOn tells whether the store is to be read on from what was released: others may have stored what those who listen are
// to see. The bucket is locked.
func (h *Hub) readsOn(c *Channel) bool {
	shared := h.cfg.Owns != nil && c.listeners() > 0
	return c.state&behind != 0 || c.state&loaded == 0 && (shared || c.state&relayed != 0)
}

// learn asks the store where the channel stands. It tells whether the store is to be read on from there instead, since somebody
// listens by now.
func (h *Hub) learn(ctx context.Context, at place, state state, from int64, final bool) (readsOn bool) {
	if state&loaded != 0 {
		_ = h.catchUp(ctx, at, from, final) // what stays in doubt meets ErrOrder
		return false
	}
	info, err := h.cfg.Store.Info(ctx, at.channel.key)
	if err != nil {
		return false
	}
	at.bucket.mu.Lock()
	defer at.bucket.mu.Unlock()
	c := at.channel
	if h.readsOn(c) {
		return true
	}
	c.know(info.Last)
	return false
}

// know has c be loaded, where nobody listens who is to see what is stored up to last. The bucket is locked.
func (c *Channel) know(last int64) {
	c.stored = last
	c.released = max(c.released, last)
	c.state |= loaded
	c.trustStore()
}

// trustStore makes the last stored mid the last released one, if nothing has been released here and
// nobody relies on the barrier that it was: what no mid of the bucket was above.
func (c *Channel) trustStore() {
	if c.state&(loaded|used) == loaded && c.subscribers() == 0 {
		c.released = c.stored
	}
}

// catchUp releases what the store has after mid from: another owner's messages, or ours whose
// outcome we were not told. Where some of it is gone by now who listens is closed, and told when it resumes. final is what Hub.final told before.
func (h *Hub) catchUp(ctx context.Context, at place, from int64, final bool) error {
	c := at.channel
	at.bucket.mu.Lock()
	ours := c.state&doubtful != 0 // in part: nobody has posted that to patterns
	at.bucket.mu.Unlock()
	for last := from; ; {
		found, err := h.stored(ctx, c.key, from)
		if err != nil {
			return err
		}
		h.Flush(h.releaseAll(at, found, ours, holed(found, from), final))
		if len(found) > 0 {
			from = found[len(found)-1].Mid
			continue
		}
		info, err := h.cfg.Store.Info(ctx, c.key)
		if err != nil {
			return err
		}
		if info.Last <= max(last, from) {
			h.Flush(h.takeLast(at, info.Last, from))
			return nil
		}
		last = info.Last // stored since, if it is not gone: look again
	}
}

// releaseAll releases what was found in the store; nothing: that is all that there is, and if it is final, all that there will be. gone tells that others
// before it, or between, are gone.
func (h *Hub) releaseAll(at place, found []message.Message, ours, gone, final bool) (touched SinkSet) {
	c := at.channel
	at.bucket.mu.Lock()
	defer at.bucket.mu.Unlock()
	if gone {
		touched = h.closeListeners(c)
	}
	for i := range found {
		touched |= h.releaseAgain(c, &found[i], ours)
	}
	if len(found) == 0 && final {
		c.state &^= doubtful
	}
	return touched
}

// holed tells whether any message is gone that was stored after mid from, before one of those that were found.
func holed(found []message.Message, from int64) bool {
	for i := range found {
		if found[i].Prev > from {
			return true
		}
		from = found[i].Mid
	}
	return false
}

// stored returns some of what the store has of a key after a mid, for it to be released.
func (h *Hub) stored(ctx context.Context, key string, after int64) ([]message.Message, error) {
	if s, ok := h.cfg.Store.(Firm); ok {
		return s.RangeFirm(ctx, key, after+1, pageBytes)
	}
	return h.cfg.Store.Range(ctx, key, after+1, math.MaxInt64, false, 0, pageBytes)
}

// releaseAgain releases m, which was found in the store. The bucket is locked.
func (h *Hub) releaseAgain(c *Channel, m *message.Message, ours bool) (touched SinkSet) {
	if ours {
		touched, _ = h.release(c, m)
	} else {
		touched, _ = h.releaseFound(c, m)
	}
	return touched
}

// takeLast takes over the key's last mid. It may be above all messages that are left, the last of which is found: who listens has
// missed it then, and so has, by what Resume says, whoever comes next. And it may be below: a message whose outcome was not told is lost in the end if the
// store fails.
func (h *Hub) takeLast(at place, last, found int64) (touched SinkSet) {
	at.bucket.mu.Lock()
	defer at.bucket.mu.Unlock()
	c := at.channel
	c.stored = last
	if last > found {
		touched = h.closeListeners(c)
		c.released = max(c.released, last)
	}
	return touched
}

// releaseFirst releases the live-only pushes of the channel that no stored one stands before. Those for which the
// mid limit has to be moved, or the key to be owned, wait on, or fail with why it cannot be. The bucket is locked.
func (h *Hub) releaseFirst(at place, why error) (touched SinkSet) {
	now := h.clock.now() // not before any of them came
	for c := at.channel; c.waits() && c.extra.queue[0].push.Expire == 0; {
		p := c.extra.queue[0]
		err := h.mintLive(at.bucket, c, c.newest(), p, now)
		if (errors.Is(err, errLimit) || errors.Is(err, errUnowned)) && why == nil {
			return touched
		}
		if errors.Is(err, errUnowned) {
			err = why
		}
		c.extra.queue = c.extra.queue[1:]
		touched |= p.call.from
		if err == nil {
			touched |= h.releaseLive(c, p)
		} else {
			p.fail(err)
		}
	}
	return touched
}
