package channel

import (
	"context"
	"fmt"
	"time"

	"gopush/internal/message"
)

// errLimit is what a push fails with that would need a mid above the limit.
var errLimit = fmt.Errorf("%w: the mid limit could not be renewed", ErrUnavailable)

// errUnowned is what a push fails with whose key another node may own.
var errUnowned = fmt.Errorf("%w: the node does not own the key", ErrUnavailable)

// errDoubt is what a live-only push fails with that would hide a stored message.
var errDoubt = fmt.Errorf("%w: the store does not say whether a message before it is stored", ErrUnavailable)

// pending is a push under way.
type pending struct {
	call    *call
	push    *message.Push    // of the caller, which does not change it
	receipt *message.Receipt // of the call
	after   *pending         // the push before it of the same call to the same key; nil: none
	since   time.Time        // when it came
	mid     int64            // given when its append is built; 0 before
	unseen  bool             // live only, and not to be seen by who subscribes meanwhile: its mid is not in order
	repeats bool             // its IdemKey was stored before, as mid: nothing is left but to answer it in its turn
	fenced  int32            // appends of it that met ErrOrder
}

// Publish pushes and returns a receipt for each, in order, when all are durable (those that
// are to be stored) and posted. Pushes of one call to one key are released in their order,
// and after one failed the later ones of that key are skipped. It waits for room first (Admit), then takes
// at most about twice store_timeout; ctx does not shorten that: a push under way has an outcome, which is told.
func (h *Hub) Publish(ctx context.Context, pushes []message.Push) []message.Receipt {
	h.Admit()
	c := h.newCall(len(pushes), 0, nil)
	h.Flush(h.start(c, pushes))
	if !c.started() {
		c.late.Wait()
	}
	return c.receipts
}

// Start is Publish for who must not wait: an event loop, which is the sink from. If no push had to
// wait it returns the receipts, and done is never told; else nil, and done is told of them once: by
// anybody, perhaps before Start returns, perhaps with a lock held, so that it must neither block nor call
// back. Sink from is flushed after it. Who calls Start asks Crowded before and flushes posted after
// one or more calls: then only is stored what is to be. The pushes are the hub's until the receipts are there.
func (h *Hub) Start(from SinkID, pushes []message.Push, done func([]message.Receipt)) (receipts []message.Receipt, posted SinkSet) {
	c := h.newCall(len(pushes), 1<<from, done)
	posted = h.start(c, pushes)
	if !c.started() {
		return nil, posted
	}
	return c.receipts, posted
}

// start releases all pushes or has them wait.
func (h *Hub) start(c *call, pushes []message.Push) (posted SinkSet) {
	var before map[string]*pending
	if len(pushes) > 1 {
		before = make(map[string]*pending, len(pushes))
	}
	for i := range pushes {
		p := &c.pending[i]
		*p = pending{call: c, push: &pushes[i], receipt: &c.receipts[i], after: before[pushes[i].Key]}
		posted |= h.startOne(p)
		if before != nil {
			before[p.push.Key] = p
		}
	}
	if c.storing {
		posted |= toStore
	}
	return posted
}

// startOne releases p or has it wait.
func (h *Hub) startOne(p *pending) (touched SinkSet) {
	if err := h.check(p.push); err != nil {
		p.fail(err)
		return 0
	}
	hash := h.hash(p.push.Key)
	b := h.bucketOf(hash)
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.skipped() {
		return 0
	}
	c := b.find(hash, p.push.Key)
	now := h.clock.now()
	atOnce := p.push.Expire == 0 && !h.clock.late(now)
	switch {
	case atOnce && unheard(c) && h.mintUnseen(b, p, now):
		touched = h.releaseUnseen(p)
	case atOnce && c != nil && c.idle() && c.state.minting() && h.mint(b, c.newest(), p, now) == nil:
		touched = h.releaseLive(c, p)
	default:
		c = b.open(hash, p.push.Key)
		h.enqueue(place{c, hash, b}, p, now)
		b.forget(hash, c) // if the node is stopping
	}
	return touched
}

func (h *Hub) check(p *message.Push) error {
	if err := message.CheckKey(p.Key, int(h.maxKey.Load())); err != nil {
		return err
	}
	if p.Mids != (message.Span{}) && p.Expire == 0 {
		return fmt.Errorf("%w: only what is stored may have one of its own", message.ErrMid)
	}
	if len(p.IdemKey) > 0 {
		if err := checkIdemKey(p); err != nil {
			return err
		}
	}
	if most := h.maxBytes.Load(); int64(len(p.Payload)) > most {
		return fmt.Errorf("%w: %d bytes, max_message_bytes is %d", message.ErrTooLarge, len(p.Payload), most)
	}
	return nil
}

// enqueue has p, which came now, wait for the appender, or for a loader first. The bucket is locked.
func (h *Hub) enqueue(at place, p *pending, now time.Time) {
	c := at.channel
	p.since = now
	x := c.more()
	x.queue = append(x.queue, p)
	if c.state&scheduled == 0 {
		next := &h.loading
		if h.ready(at, now) {
			next = &h.appending
		}
		p.call.storing = true
		if !next.put(c) {
			x.queue = nil // p was all
			c.tidy()
			p.fail(fmt.Errorf("%w: the node is stopping", ErrUnavailable))
			return
		}
		c.state |= scheduled
	}
}

// ready tells whether the store need not be asked before pushes of the channel have mids. The bucket is
// locked.
func (h *Hub) ready(at place, now time.Time) bool {
	return at.channel.state.minting() && h.clock.reaches(now, at.mostMid(now))
}

// unheard tells whether nobody subscribes to the key with channel c (nil: it has none) and nothing of
// it is under way: what is live only touches no channel then.
func unheard(c *Channel) bool { return c == nil || c.idle() && c.subscribers() == 0 }

// releaseUnseen releases a live-only message to those who subscribe to patterns; who subscribes to its key, if anybody,
// came after it. What was stored before it is not
// looked up for them: nobody resumes by a pattern. The bucket is locked.
func (h *Hub) releaseUnseen(p *pending) (touched SinkSet) {
	subscribers := 0
	if h.matches(p.push.Key) {
		m := &message.Message{Key: p.push.Key, Mid: p.mid, GID: p.push.GID, Form: p.push.Form, Payload: p.push.Payload}
		touched, subscribers = h.postPatterns(m)
	}
	p.done(p.mid, false, subscribers)
	return touched
}

// releaseLive releases a live-only message that has its mid. The bucket is locked.
func (h *Hub) releaseLive(c *Channel, p *pending) (touched SinkSet) {
	if p.skipped() {
		return 0
	}
	if p.unseen || c.subscribers() == 0 {
		return h.releaseUnseen(p)
	}
	if c.state&loaded == 0 {
		h.Stats.Unresolved.Add(1) // the store cannot be read; live delivery goes on
	}
	m := &message.Message{Key: p.push.Key, Mid: p.mid, Prev: c.stored, GID: p.push.GID, Form: p.push.Form, Payload: p.push.Payload}
	touched, subscribers := h.release(c, m)
	p.done(m.Mid, false, subscribers)
	return touched
}

// release posts m, which was pushed here, to all sinks with subscribers of its key, or of a pattern that the key matches, and
// returns how many there are. The bucket is locked.
func (h *Hub) release(c *Channel, m *message.Message) (touched SinkSet, subscribers int) {
	touched, released := h.releaseFound(c, m)
	if !released {
		return 0, 0
	}
	posted, more := h.postPatterns(m)
	return touched | posted, c.receivers() + more
}

// releaseFound posts m to all sinks with subscribers of its key, and tells whether it was to be: it comes from another node, or from
// the store, and who stored it has posted it to patterns. The bucket is locked.
func (h *Hub) releaseFound(c *Channel, m *message.Message) (touched SinkSet, released bool) {
	if m.Stored() {
		c.stored = max(c.stored, m.Mid)
	}
	if m.Mid <= c.released {
		h.Stats.Late.Add(1)
		return 0, false
	}
	c.released = m.Mid
	c.state |= used
	c.each(func(s slot) {
		h.sinks[s.sink].Post(c, s.ref, m)
		touched.add(s.sink)
	})
	return touched, true
}

// skipped tells whether an earlier push of the same call and key failed; p has then, too.
func (p *pending) skipped() bool {
	if p.after == nil || p.after.receipt.Err == nil {
		return false
	}
	p.fail(message.ErrSkipped)
	return true
}

func (p *pending) fail(err error) {
	p.receipt.Err = err
	p.call.answered()
}

func (p *pending) done(mid int64, stored bool, subscribers int) {
	*p.receipt = message.Receipt{Mid: mid, Stored: stored, Subscribers: subscribers}
	p.call.answered()
}
