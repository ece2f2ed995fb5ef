package channel_test

import (
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/store/memory"
)

func follow(t *testing.T, h *channel.Hub, s *sink, key string, spare uint32) (c *channel.Channel, last int64, known bool) {
	t.Helper()
	c, _, last, known, err := h.Follow(s.id, key, spare)
	if err != nil {
		t.Fatal(err)
	}
	return c, last, known
}

func TestAFollowerIsToldOfWhatIsStored(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 2, nil)
	before := publish(t, h, push("k", "before", time.Minute))[0].Mid
	if _, _, known := follow(t, h, sinks[0], "other", 2); known {
		t.Error("Follow knows the last mid of a key that was not loaded")
	}
	c, last, known := follow(t, h, sinks[0], "k", 1)
	if !known || last != before {
		t.Errorf("Follow knows the last mid of a key that was just pushed to: %v, %d, want %d", known, last, before)
	}
	if r := publish(t, h, push("k", "live", 0))[0]; r.Err != nil || r.Subscribers != 0 || r.Mid <= before {
		t.Errorf("a live push to a key that is only followed: %+v", r)
	}
	stored := publish(t, h, push("k", "stored", time.Minute))[0]
	if stored.Err != nil || stored.Subscribers != 0 {
		t.Errorf("a stored push to a key that is only followed: %+v", stored)
	}
	if again, last, known := follow(t, h, sinks[1], "k", 1); again != c || last != stored.Mid || !known {
		t.Errorf("Follow = %v, last %d, known %v; want the same channel, %d, true", again == c, last, known, stored.Mid)
	}
	if got := payloads(sinks[0].of(c)); got != "stored" {
		t.Errorf("the follower was posted %q", got)
	}
	for _, s := range sinks {
		h.Unfollow(s.id, c)
	}
	publish(t, h, push("k", "after", time.Minute))
	if got := payloads(sinks[0].of(c)); got != "stored" {
		t.Errorf("after Unfollow the sink was posted %q", got)
	}
}

func TestAFollowerIsNoSubscriber(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 2, func(c *channel.Config) { c.MaxSubscribersPerKey = 1 })
	c, _, _ := follow(t, h, sinks[0], "k", 1)
	counts := func(want int) {
		t.Helper()
		info, err := h.Info(t.Context(), "k")
		r := publish(t, h, push("k", "live", 0), push("k", "stored", time.Minute))
		keys := h.Stats.Created.Load() - h.Stats.Deleted.Load()
		if err != nil || info.Subscribers != want || h.Subscribers("k") != want || r[0].Subscribers != want || r[1].Subscribers != want || keys != int64(want) {
			t.Errorf("Info %+v, %v, Subscribers %d, receipts %+v, %d keys; want %d", info, err, h.Subscribers("k"), r, keys, want)
		}
	}
	counts(0)
	subscribe(t, h, sinks[0], "k", 2) // with the follower
	counts(1)
	follow(t, h, sinks[1], "k", 3)
	counts(1)
	h.Unsubscribe(sinks[0].id, c)
	counts(0)
	subscribe(t, h, sinks[1], "k", 4)
	h.Unfollow(sinks[0].id, c)
	h.Unfollow(sinks[1].id, c)
	counts(1)
	h.Unsubscribe(sinks[1].id, c)
	counts(0)
}

func TestABadKeyIsNotFollowed(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 1, nil)
	if _, _, _, _, err := h.Follow(sinks[0].id, "", 1); err == nil {
		t.Error("Follow of the empty key: no error")
	}
}
