package channel

import (
	"hash/maphash"
	"math/bits"
	"sync"
)

// bucket is a shard of the channels of a node.
type bucket struct {
	mu       sync.Mutex
	channels map[uint64]*Channel // by hash of the key; guarded by mu
	peak     int                 // most channels since channels was made; guarded by mu
	kept     [keptChannels]kept  // unused channels that stay for a while; guarded by mu
	oldest   int                 // the one of kept that goes next; guarded by mu
	fresh    state               // of a channel when it is made; set at Open, never changed
	last     int64               // no key without a channel here has had a mid above it, but for stored ones; guarded by mu
}

// keptChannels is how many unused channels a bucket keeps that know what the store has of their key: the store
// is not asked again for those that are pushed to all the time.
const keptChannels = 16

// kept is a channel that is unused or was.
type kept struct {
	channel *Channel // nil: none
	hash    uint64
}

// shrinkFrom is the peak from which a bucket's map is made anew when it is mostly empty: maps
// never give memory back by themselves.
const shrinkFrom = 256

// hash returns the seeded hash of key: keys come from strangers, who must not be able to
// choose what collides.
func (h *Hub) hash(key string) uint64 { return maphash.String(h.seed, key) }

// bucketOf returns the bucket for a hash: by its high bits, the map uses the rest.
func (h *Hub) bucketOf(hash uint64) *bucket {
	return &h.buckets[hash>>(64-bits.Len(uint(len(h.buckets)-1)))]
}

// find returns the channel of key, or nil.
func (b *bucket) find(hash uint64, key string) *Channel {
	for c := b.channels[hash]; c != nil; c = c.next {
		if c.key == key {
			return c
		}
	}
	return nil
}

// open returns the channel of key, made if need be.
func (b *bucket) open(hash uint64, key string) *Channel {
	if c := b.find(hash, key); c != nil {
		return c
	}
	c := &Channel{key: key, next: b.channels[hash], released: b.last, state: b.fresh}
	b.channels[hash] = c
	b.peak = max(b.peak, len(b.channels))
	return c
}

// forget drops c if it is unused, or keeps it for a while, as if it had just been made and loaded.
func (b *bucket) forget(hash uint64, c *Channel) {
	if !c.unused() {
		return
	}
	b.remember(c)
	switch stays := c.state&staying != 0; {
	case c.state.certain():
		c.released = c.stored
		c.state &^= used
		if !stays {
			b.keep(hash, c)
		}
	case !stays:
		b.drop(hash, c)
	}
}

// keep keeps c, and drops the one that was kept longest if nobody uses it.
func (b *bucket) keep(hash uint64, c *Channel) {
	c.state |= staying
	gone := b.kept[b.oldest]
	b.kept[b.oldest] = kept{c, hash}
	b.oldest = (b.oldest + 1) % keptChannels
	if gone.channel != nil {
		gone.channel.state &^= staying
		if gone.channel.unused() {
			b.drop(gone.hash, gone.channel)
		}
	}
}

// remember has what c knows of mids, and the store does not, stay in last.
func (b *bucket) remember(c *Channel) {
	if c.released > c.stored {
		b.last = max(b.last, c.released)
	}
}

// drop drops c, which is unused.
func (b *bucket) drop(hash uint64, c *Channel) {
	b.unlink(hash, c)
	if b.peak > shrinkFrom && len(b.channels) < b.peak/4 {
		b.shrink()
	}
}

// appendSubscribed appends the keys that somebody subscribes to.
func (b *bucket) appendSubscribed(keys []string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.channels {
		for ; c != nil; c = c.next {
			if c.receivers() > 0 {
				keys = append(keys, c.key)
			}
		}
	}
	return keys
}

func (b *bucket) unlink(hash uint64, c *Channel) {
	head := b.channels[hash]
	switch {
	case head != c:
		for head.next != c {
			head = head.next
		}
		head.next = c.next
	case c.next != nil:
		b.channels[hash] = c.next
	default:
		delete(b.channels, hash)
	}
}

func (b *bucket) shrink() {
	channels := make(map[uint64]*Channel, len(b.channels))
	for hash, c := range b.channels {
		channels[hash] = c
	}
	b.channels, b.peak = channels, len(channels)
}
