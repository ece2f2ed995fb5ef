package channel_test

import (
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/store/memory"
)

// What a node has pushed is not taken for a mid that nobody can have, also while its mids are ahead of the clock after a restart.
func TestWhatIsPushedIsNotBeyond(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), memory.New(memory.Config{})
	before, _ := open(t, store, 1, clock.set)
	publish(t, before, push("k", "before", 0))
	h, sinks := open(t, store, 1, func(c *channel.Config) { clock.set(c) }) // its floor is the limit of the one before
	subscribe(t, h, sinks[0], "k", 1)
	for i := range 100 {
		r := publish(t, h, push("k", "x", 0))[0]
		if r.Err != nil || r.Mid > h.Furthest() {
			t.Fatalf("push %d has mid %d, %v; the furthest is %d", i, r.Mid, r.Err, h.Furthest())
		}
		clock.move(150 * time.Millisecond)
	}
}
