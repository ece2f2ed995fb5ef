package channel_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// slowLimits is a store that other nodes have limits in, and that takes its time to write one.
type slowLimits struct {
	*memory.Store
	others  atomic.Int64
	slow    atomic.Bool
	writing chan chan struct{} // has who writes while it is slow, until they are told to go on
}

func (s *slowLimits) MidLimit(context.Context) (int64, error) { return s.others.Load(), nil }

func (s *slowLimits) SetMidLimit(context.Context, string, int64) error {
	if s.slow.Load() {
		written := make(chan struct{})
		s.writing <- written
		<-written
	}
	return nil
}

// While a node that gains keys writes a limit above those of the others, pushes go on.
func TestRaiseRefusesNoPush(t *testing.T) {
	t.Parallel()
	store := &slowLimits{Store: memory.New(memory.Config{}), writing: make(chan chan struct{})}
	h, _ := open(t, store, 1, func(c *channel.Config) { c.Owns = func(string) bool { return true } })
	publish(t, h, push("k", "before", time.Minute))
	store.others.Store(message.MidAt(time.Now().Add(time.Hour)))
	store.slow.Store(true)
	raised := make(chan error, 1)
	go func() { raised <- h.Raise(t.Context()) }()
	written := <-store.writing
	first := publish(t, h, push("k", "meanwhile", time.Minute), push("k", "live", 0))
	store.slow.Store(false)
	close(written)
	if err := <-raised; err != nil {
		t.Fatal(err)
	}
	if r := publish(t, h, push("k", "after", time.Minute))[0]; r.Err != nil || r.Mid <= store.others.Load() {
		t.Errorf("a push after Raise has mid %d (%v), want one above the limit of another node, %d", r.Mid, r.Err, store.others.Load())
	}
	for _, r := range first {
		if r.Err != nil {
			t.Errorf("a push while the limit is written: %v", r.Err)
		}
	}
}

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
