package channel

import (
	"context"
	"maps"
	"slices"
	"sync"

	"gopush/internal/message"
)

// Reown has every channel be what Config.Owns says now. Of keys that this node has come to own the store is read before
// anything else; those that it owns no more become relays if somebody listens. relays are all keys that are relays now; left are those that this node may
// have appended to and does not own: their owner is to look into the store.
func (h *Hub) Reown() (relays, left []string) {
	for i := range h.buckets {
		relays, left = h.reown(&h.buckets[i], relays, left)
	}
	h.loading.wake()
	return relays, append(left, h.recent.take(h.elsewhere)...)
}

func (h *Hub) reown(b *bucket, relays, left []string) (_, _ []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var idle []place
	for hash, c := range b.channels {
		for ; c != nil; c = c.next {
			elsewhere := h.elsewhere(c.key)
			if elsewhere && c.state&relayed == 0 && c.state&(loaded|used) != 0 {
				left = append(left, c.key)
			}
			switch {
			case c.listeners() == 0 && c.idle() && (c.state&relayed == 0 || !elsewhere):
				idle = append(idle, place{channel: c, hash: hash, bucket: b})
			case elsewhere && c.listeners() > 0:
				c.relay()
			case !elsewhere && c.state&relayed != 0:
				c.state &^= relayed | placed
				h.fallBehind(c)
			}
			if c.state&relayed != 0 && elsewhere {
				relays = append(relays, c.key)
			}
		}
	}
	for _, at := range idle {
		at.unknow()
	}
	return relays, left
}

// unknow has a channel that nobody uses ask the store before its next push: another node may have been its
// owner. The bucket is locked.
func (at place) unknow() {
	c := at.channel
	if c.state&relayed != 0 {
		at.unplace()
		return
	}
	at.bucket.remember(c)
	c.state &= withoutPlace
	c.released = at.bucket.last
	at.bucket.forget(at.hash, c)
}

// heard has whoever subscribes to c as the first see nothing that was released before. Where several nodes may append
// to a key, a barrier above what is stored would hide what another one stores: what is not known begins at this moment.
func (h *Hub) heard(b *bucket, c *Channel) {
	switch {
	case h.elsewhere(c.key):
		h.heardAfar(c)
	case h.cfg.Owns != nil:
		if c.state&(used|loaded) == 0 && c.listeners() == 0 {
			c.released = min(c.released, h.Moment())
		}
	case c.state&used == 0 && c.unused():
		c.released = max(c.released, b.last)
	}
}

// FollowFor makes another node, whose last released message of key is mid, a subscriber of sink: it is posted all that is released
// above released, and what this node releases is above mid. Each is taken back by one UnfollowFor. It counts as no subscriber: Weigh
// tells how many it stands for. It may block while it reads the store, until ctx ends. ref and spare are as in Subscribe.
func (h *Hub) FollowFor(ctx context.Context, sink SinkID, key string, mid int64, spare uint32) (c *Channel, ref uint32, released int64, err error) {
	if err := message.CheckKey(key, int(h.maxKey.Load())); err != nil {
		return nil, 0, 0, err
	}
	_ = h.Load(ctx, key) // what is pushed from now on is posted all the same
	at := h.lock(key)
	c = at.bucket.open(at.hash, key)
	h.heard(at.bucket, c)
	if mid > c.newest() {
		at.bucket.last = max(at.bucket.last, min(mid, h.clock.most()))
		if !h.elsewhere(key) {
			h.fallBehind(c)
		}
	}
	c.more().links++
	ref, released = c.join(sink, spare), c.released
	at.bucket.mu.Unlock()
	h.loading.wake()
	return c, ref, released, nil
}

// UnfollowFor takes back one FollowFor of sink.
func (h *Hub) UnfollowFor(sink SinkID, c *Channel) {
	at := h.lock(c.key)
	defer at.bucket.mu.Unlock()
	c.extra.links--
	c.leave(sink)
	at.bucket.forget(at.hash, c)
}

// Weigh tells how many connections of other nodes subscribe to c, a key's or a pattern's, through sink, in all.
func (h *Hub) Weigh(sink SinkID, c *Channel, n int) {
	if c.pattern {
		h.patterns.weigh(sink, c, n)
		return
	}
	at := h.lock(c.key)
	defer at.bucket.mu.Unlock()
	c.weigh(sink, n)
}

func (c *Channel) weigh(sink SinkID, n int) {
	if s := c.find(sink); s != nil && c.extra != nil && c.extra.links > 0 {
		c.extra.afar = n
		s.count = uint32(c.extra.links + n)
	}
}

// Strays waits for keys to which this node appended though another one owns them, and returns them: their owner is to look
// into the store. None: ctx has ended.
func (h *Hub) Strays(ctx context.Context) []string { return h.strays.take(ctx) }

// strays are keys, each once.
type strays struct {
	mu     sync.Mutex
	keys   map[string]struct{}
	filled chan struct{} // room for one
}

func (s *strays) init() { s.keys, s.filled = map[string]struct{}{}, make(chan struct{}, 1) }

func (s *strays) add(key string) {
	s.mu.Lock()
	s.keys[key] = struct{}{}
	s.mu.Unlock()
	select {
	case s.filled <- struct{}{}:
	default:
	}
}

func (s *strays) take(ctx context.Context) (keys []string) {
	for len(keys) == 0 { // what filled tells of may be taken already
		select {
		case <-ctx.Done():
			return nil
		case <-s.filled:
		}
		s.mu.Lock()
		keys = slices.Collect(maps.Keys(s.keys))
		clear(s.keys)
		s.mu.Unlock()
	}
	return keys
}
