package channel

import (
	"context"
	"math"
	"time"

	"gopush/internal/message"
)

// A channel whose key another node owns is a relay: what that node releases is fed to it, over a link.
//
//	Relay ─> Followed ──────────────────────────────> Feed ─> release
//	            └─ behind: readOn, from the store ──────┘ held meanwhile
//
// Whenever the feed begins anew, with this owner or with another, the owner says up to which mid it has released; what
// of it was not released here is read from the store first. What is fed meanwhile is held back, so that all comes in mid
// order. Where messages are gone that were not released here, the key's subscribers are closed: they resume, and are told.

// Bounds of what is held back for one channel. Past them the oldest go: stored ones are read from the store, live-only
// ones are lost.
const (
	heldMessages = 256
	heldBytes    = 256 << 10
)

const lookAgain = time.Second // until the store is read again that could not be read

const maxSkew = time.Second // how far the clocks of nodes may be apart

// elsewhere tells whether another node owns key.
func (h *Hub) elsewhere(key string) bool { return h.cfg.Owns != nil && !h.cfg.Owns(key) }

// becomeRelay makes c a relay, before Reown does: its owner is told to look for what this node may have stored while it was that. The bucket is
// locked.
func (h *Hub) becomeRelay(c *Channel) {
	if c.state&relayed == 0 && c.state&(loaded|used) != 0 {
		h.strays.add(c.key)
	}
	c.relay()
}

// relay makes c a relay. Who listens to it already has seen all up to c.released. The bucket is locked.
func (c *Channel) relay() {
	if c.state&relayed != 0 {
		return
	}
	c.state |= relayed
	if c.listeners() > 0 || !c.idle() {
		c.state |= placed
		return
	}
	c.state &= withoutPlace
	c.released, c.stored = 0, 0
}

// Moment returns a mid that all are above that are pushed from now on, at whatever node.
func (h *Hub) Moment() int64 { return message.MidAt(h.clock.now().Add(-maxSkew)) }

// heardAfar has c be a relay, to which somebody begins to listen. Without a place in the order of messages it begins at this moment: what is
// stored from now on and is not fed is read when there is one. The bucket is locked.
func (h *Hub) heardAfar(c *Channel) {
	if h.becomeRelay(c); c.state&placed == 0 && c.listeners() == 0 {
		c.released = h.Moment()
	}
}

// place gives c, a relay, its place in the order of messages, after mid. Who listens has perhaps before mid was stored. The bucket is
// locked; loaders are to be woken.
func (h *Hub) place(c *Channel, mid int64) {
	c.state |= placed
	if c.listeners() > 0 && mid > c.released {
		h.fallBehind(c)
	} else {
		c.released = mid
	}
}

// Relay has the channel of key, which another node owns, fed by Feed from now on, until Unrelay. It returns the mid of
// the last message that was released here, or 0. A key that has come to be this node's meanwhile stays so.
func (h *Hub) Relay(key string) (released int64) {
	at := h.lock(key)
	defer at.bucket.mu.Unlock()
	at.channel = at.bucket.open(at.hash, key)
	if h.elsewhere(key) {
		h.becomeRelay(at.channel)
	}
	if at.channel.state&(relayed|placed) != relayed {
		released = at.channel.released
	}
	at.bucket.forget(at.hash, at.channel)
	return released
}

// Unrelay takes back Relay, unless somebody listens to key. It tells whether it did.
func (h *Hub) Unrelay(key string) bool {
	at := h.lock(key)
	defer at.bucket.mu.Unlock()
	c := at.bucket.find(at.hash, key)
	switch {
	case c == nil || c.state&relayed == 0:
		return true
	case c.listeners() > 0 || !c.idle():
		return false
	}
	at.channel = c
	at.unplace()
	return true
}

// unplace has a channel to which nobody listens begin anew. The bucket is locked.
func (at place) unplace() {
	c := at.channel
	if c.extra != nil {
		c.extra.held, c.extra.bytes, c.extra.again = nil, 0, false
	}
	c.tidy()
	c.state &= withoutPlace &^ relayed
	c.released, c.stored = 0, 0
	at.bucket.forget(at.hash, c)
}

// Placed tells whether a subscriber of key would be posted all that is pushed from now on: a relay has its place in the
// order of messages, a key of this node is loaded.
func (h *Hub) Placed(key string) bool {
	at := h.lock(key)
	defer at.bucket.mu.Unlock()
	c := at.bucket.find(at.hash, key)
	if h.elsewhere(key) {
		return c != nil && c.state&(relayed|placed) == relayed|placed
	}
	return c != nil && c.state.certain()
}

// Load learns from the store where key stands, if that is not known: so that who subscribes next has a barrier that
// is not above what another node has stored or will.
func (h *Hub) Load(ctx context.Context, key string) error {
	if h.Placed(key) {
		return nil
	}
	info, err := h.cfg.Store.Info(ctx, key)
	if err != nil {
		return err
	}
	at := h.lock(key)
	at.channel = at.bucket.open(at.hash, key)
	if h.elsewhere(key) {
		h.becomeRelay(at.channel)
	}
	if at.channel.state&(placed|behind|scheduled|loaded) == 0 {
		h.loadAs(at.channel, info.Last)
	}
	at.bucket.forget(at.hash, at.channel)
	at.bucket.mu.Unlock()
	h.loading.wake()
	return nil
}

// loadAs has c know that last is the key's last stored mid. The bucket is locked; loaders are to be woken.
func (h *Hub) loadAs(c *Channel, last int64) {
	switch {
	case c.state&relayed != 0:
		h.place(c, last)
	case c.listeners() > 0 && last > c.released:
		h.fallBehind(c)
	default:
		c.released = max(c.released, last)
	}
	if c.state&behind == 0 {
		c.stored = last
		c.state |= loaded
		c.trustStore()
	}
}

// Followed has the feed of key begin: what comes by Feed is above mid upto, all that the owner had released by then. What of that
// was not released here is in the store, if it is to be had at all.
func (h *Hub) Followed(key string, upto int64) {
	at := h.lock(key)
	c := at.bucket.find(at.hash, key)
	if c == nil || c.state&relayed == 0 {
		at.bucket.mu.Unlock()
		return
	}
	switch {
	case c.state&placed == 0:
		h.place(c, upto)
	case upto > c.released:
		h.fallBehind(c)
	}
	at.bucket.mu.Unlock()
	h.loading.wake()
}

// fallBehind has the store read for what was not released here. The bucket is locked; loaders are to be woken.
func (h *Hub) fallBehind(c *Channel) {
	c.state |= behind
	if c.state&scheduled != 0 {
		c.more().again = true // what reads the store may have read too early
	}
	h.schedule(c)
}

// schedule has a loader take c. The bucket is locked; loaders are to be woken.
func (h *Hub) schedule(c *Channel) {
	if c.state&scheduled == 0 && h.loading.put(c) {
		c.state |= scheduled
	}
}

// Feed releases messages of a key that another node owns, which has released them, in its order. What is fed for a key
// that is no relay makes its owner look into the store. Who calls Feed flushes touched after one or more calls.
func (h *Hub) Feed(m *message.Message) (touched SinkSet) {
	at := h.lock(m.Key)
	defer at.bucket.mu.Unlock()
	c := at.bucket.find(at.hash, m.Key)
	switch {
	case c == nil || c.state&relayed != 0 && c.state&placed == 0:
		return 0
	case c.state&relayed == 0:
		return h.fedAsOwner(c, m)
	case c.state&(scheduled|behind) != 0:
		c.hold(m)
		return 0
	case m.Prev > c.released:
		// Something was stored that its owner did not feed, or fed over a link that is gone: it is read before m is released.
		c.hold(m)
		h.fallBehind(c)
		return toStore
	}
	return h.releaseFed(c, m)
}

// fedAsOwner is told of a message of a key that this node owns: another one believes that it does, too.
func (h *Hub) fedAsOwner(c *Channel, m *message.Message) SinkSet {
	if m.Mid <= c.newest() || !m.Stored() || c.listeners() == 0 {
		return 0
	}
	h.fallBehind(c)
	return toStore
}

// releaseFed releases m unless it was. The bucket is locked.
func (h *Hub) releaseFed(c *Channel, m *message.Message) (touched SinkSet) {
	if m.Mid <= c.released {
		return 0
	}
	touched, _ = h.releaseFound(c, m)
	c.stored = max(c.stored, m.Prev)
	c.state |= loaded
	return touched
}

// hold holds m back. The bucket is locked.
func (c *Channel) hold(m *message.Message) {
	x := c.more()
	x.held = append(x.held, m)
	for x.bytes += len(m.Payload); len(x.held) > heldMessages || x.bytes > heldBytes && len(x.held) > 1; {
		oldest := x.held[0]
		if oldest.Stored() {
			c.state |= behind
			x.again = true
		}
		x.bytes -= len(oldest.Payload)
		x.held[0] = nil
		x.held = x.held[1:]
	}
}

// releaseHeld releases what was held back and has a mid below. The bucket is locked.
func (h *Hub) releaseHeld(c *Channel, below int64) (touched SinkSet) {
	x := c.extra
	if x == nil {
		return 0
	}
	for len(x.held) > 0 && x.held[0].Mid < below {
		m := x.held[0]
		x.held[0] = nil
		x.held, x.bytes = x.held[1:], x.bytes-len(m.Payload)
		touched |= h.releaseFed(c, m)
	}
	if len(x.held) == 0 {
		x.held = nil
	}
	return touched
}

// readOn releases what the store has above what was released here, and what was held back meanwhile. Until it has ended well the
// channel stays behind. final is what Hub.final told before.
func (h *Hub) readOn(ctx context.Context, at place, final bool) error {
	h.Stats.CatchingUp.Add(1)
	defer h.Stats.CatchingUp.Add(-1)
	for more := true; more; {
		var err error
		if more, err = h.readToEnd(ctx, at, final); err != nil {
			return err
		}
	}
	return nil
}

// readToEnd is readOn, once. It tells whether the store is to be read again.
func (h *Hub) readToEnd(ctx context.Context, at place, final bool) (again bool, err error) {
	c := at.channel
	info, err := h.cfg.Store.Info(ctx, c.key)
	if err != nil {
		return false, err
	}
	at.bucket.mu.Lock()
	from := c.released
	at.bucket.mu.Unlock()
	for {
		found, err := h.stored(ctx, c.key, from)
		if err != nil {
			return false, err
		}
		if len(found) == 0 {
			touched, again := h.readEnd(at, info.Last, info.Last > from, final)
			h.Flush(touched)
			return again, nil
		}
		h.Flush(h.readPage(at, found, holed(found, from)))
		from = found[len(found)-1].Mid
	}
}

// readPage releases a page that was read from the store. gone tells that messages that were not released
// here are not there any more: who listens is closed before anything above is posted.
func (h *Hub) readPage(at place, found []message.Message, gone bool) (touched SinkSet) {
	at.bucket.mu.Lock()
	defer at.bucket.mu.Unlock()
	c := at.channel
	if gone {
		touched |= h.closeListeners(c)
	}
	for i := range found {
		touched |= h.releaseHeld(c, found[i].Mid)
		posted, _ := h.releaseFound(c, &found[i])
		touched |= posted
	}
	return touched
}

// readEnd ends the reading of the store: the channel is behind no more, unless
// what was held back is in the store in part, and it is to be read again. last is the key's last mid when the reading began; gone is as for readPage.
func (h *Hub) readEnd(at place, last int64, gone, final bool) (touched SinkSet, again bool) {
	at.bucket.mu.Lock()
	defer at.bucket.mu.Unlock()
	c := at.channel
	if gone {
		touched |= h.closeListeners(c)
	}
	c.stored = max(c.stored, last)
	c.released = max(c.released, last)
	if c.extra != nil && c.extra.again {
		c.extra.again = false
		return touched, true
	}
	c.state = c.state&^behind | loaded
	if final {
		c.state &^= doubtful
	}
	if c.state&relayed != 0 {
		c.state |= placed
	}
	return touched | h.releaseHeld(c, math.MaxInt64), false
}

// closeListeners closes the connections that listen to c, which then resume. The bucket is locked.
func (h *Hub) closeListeners(c *Channel) (touched SinkSet) {
	h.Stats.Torn.Add(1)
	closed := make(chan int, MaxSinks) // nobody counts
	c.each(func(s slot) {
		h.sinks[s.sink].Kick(c, s.ref, nil, closed)
		touched.add(s.sink)
	})
	return touched
}

// Look has the store read for messages of key that another node has put there: now if anybody listens to it here, else
// before it is used again.
func (h *Hub) Look(key string) {
	at := h.lock(key)
	at.channel = at.bucket.find(at.hash, key)
	switch c := at.channel; {
	case c == nil:
	case c.listeners() == 0 && c.idle() && c.state&relayed == 0:
		at.unknow()
	default: // what is under way may be past asking the store
		h.fallBehind(c)
	}
	at.bucket.mu.Unlock()
	h.loading.wake()
}

// lookLater has the store read again in a while for c, of which it could not be read, or did not say what became of an append. The bucket is locked.
func (h *Hub) lookLater(c *Channel) {
	switch {
	case c.listeners() == 0 && c.state&behind == 0: // who pushes next looks
		return
	case c.listeners() == 0 && c.state&relayed == 0:
		c.state &^= behind | loaded
		return
	}
	if c.more().looks {
		return
	}
	c.extra.looks = true
	time.AfterFunc(lookAgain, func() {
		at := h.lock(c.key)
		c.more().looks = false
		if at.bucket.find(at.hash, c.key) == c && c.state&(behind|doubtful) != 0 {
			h.schedule(c)
		}
		at.bucket.mu.Unlock()
		h.loading.wake()
	})
}

// lock locks the bucket of key and returns where that is; the channel is to be found.
func (h *Hub) lock(key string) place {
	hash := h.hash(key)
	at := place{hash: hash, bucket: h.bucketOf(hash)}
	at.bucket.mu.Lock()
	return at
}
