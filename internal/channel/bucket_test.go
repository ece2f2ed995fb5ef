package channel

import (
	"fmt"
	"testing"
)

// Only a few channels that nobody uses are kept: those that were used last, if they know what is stored.
func TestFewUnusedChannelsAreKept(t *testing.T) {
	t.Parallel()
	b := &bucket{channels: make(map[uint64]*Channel)}
	use := func(n int, s state) *Channel {
		c := b.open(uint64(n%7), fmt.Sprint("k", n)) // hashes collide
		c.state |= s
		b.forget(uint64(n%7), c)
		return c
	}
	for n := range 1000 {
		use(n, loaded)
		use(2000+n, 0)
		use(4000+n, loaded|doubtful)
	}
	if len(b.kept) != keptChannels || b.count() != keptChannels {
		t.Errorf("%d channels are left, want %d", b.count(), keptChannels)
	}
	for n := 1000 - keptChannels; n < 1000; n++ {
		if b.find(uint64(n%7), fmt.Sprint("k", n)) == nil {
			t.Errorf("channel %d is not kept", n)
		}
	}
	busy := b.open(1, "busy")
	busy.join(0, 1)
	b.forget(1, busy)
	for n := range 100 {
		use(7*n+1, loaded)
	}
	if b.find(1, "busy") != busy {
		t.Error("a channel with a subscriber was dropped")
	}
}

func (b *bucket) count() (n int) {
	for _, c := range b.channels {
		for ; c != nil; c = c.next {
			n++
		}
	}
	return n
}
