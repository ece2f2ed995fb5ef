package channel_test

import (
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// unwell is a store that can be away.
type unwell struct {
	*memory.Store
	away atomic.Bool
}

func (s *unwell) Healthy() error {
	if s.away.Load() {
		return channel.ErrUnavailable
	}
	return nil
}

// Whoever begins at the position of a node that is not pushed to does not get what others stored long ago.
func TestPositionOfAnIdleNode(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), &unwell{Store: memory.New(memory.Config{})}
	h, _ := open(t, store, 1, func(c *channel.Config) { clock.set(c); c.Owns = func(string) bool { return true } })
	for _, expire := range []time.Duration{0, time.Minute} {
		publish(t, h, push("k", "before", time.Minute))
		clock.move(time.Hour)
		store.away.Store(true)
		if position := h.Position(); position >= clock.mid()-message.MidAt(time.Unix(1, 0)) {
			t.Errorf("Position = %d while the store is away: mids of others fall behind the clock", position)
		}
		store.away.Store(false)
		position := h.Position()
		if old := clock.mid() - message.MidAt(time.Unix(1, 0)); position < old {
			t.Errorf("after an hour without a push Position = %d, want at least %d, a second ago", position, old)
		}
		if r := publish(t, h, push("k", "after", expire))[0]; r.Err != nil || r.Mid <= position {
			t.Errorf("Position = %d, and the next mid %d (%v)", position, r.Mid, r.Err)
		}
	}
}

// Before it has minted anything a node of a cluster tells the time, and what it pushes then is above.
func TestPositionBeforeTheFirstMid(t *testing.T) {
	t.Parallel()
	h, _ := open(t, memory.New(memory.Config{}), 1, func(c *channel.Config) { c.Owns = func(string) bool { return true } })
	before := message.MidAt(time.Now().Add(-time.Second))
	position := h.Position()
	if r := publish(t, h, push("k", "first", time.Minute))[0]; r.Err != nil || position < before || r.Mid <= position {
		t.Errorf("Position = %d, want at least %d and below the first mid, %d (%v)", position, before, r.Mid, r.Err)
	}
}
