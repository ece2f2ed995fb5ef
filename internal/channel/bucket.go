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
	last     int64               // no key without a channel here has had a mid above it, but for stored ones; guarded by mu
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
	c := &Channel{key: key, next: b.channels[hash], released: b.last}
	b.channels[hash] = c
	b.peak = max(b.peak, len(b.channels))
	return c
}

// forget drops c if it is unused. What it knew of mids and the store does not stays in last.
func (b *bucket) forget(hash uint64, c *Channel) bool {
	if !c.unused() {
		return false
	}
	if c.released > c.stored {
		b.last = max(b.last, c.released)
	}
	b.unlink(hash, c)
	if b.peak > shrinkFrom && len(b.channels) < b.peak/4 {
		b.shrink()
	}
	return true
}

// appendSubscribed appends the keys that somebody subscribes to.
func (b *bucket) appendSubscribed(keys []string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.channels {
		for ; c != nil; c = c.next {
			if c.subscribers() > 0 {
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
