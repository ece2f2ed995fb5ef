package storetest

import (
	"slices"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// RunReopen tests that what a store had when it was closed is there when it is opened again.
func RunReopen(t *testing.T, open Open) {
	t.Run("reopen", func(t *testing.T) {
		t.Parallel()
		reopen(t, open)
	})
}

func reopen(t *testing.T, open Open) {
	f := start(t, open, 5)
	f.mustAppend(f.chain("k", 0, 6, time.Hour)...)
	f.mustAppend(f.entry("short", 0, -1, time.Minute))
	f.mustAppend(f.entry("gone", 0, -1, time.Hour))
	n, err := f.s.Delete(f.ctx, "gone")
	f.wantCount("Delete", n, err, 1)
	f.put("k", 1, time.Hour)
	f.put("k", 2, time.Hour)
	if err := f.s.SetMidLimit(f.ctx, "a", mid(100)); err != nil {
		t.Fatalf("SetMidLimit: %v", err)
	}
	n, err = f.s.DeleteTokens(f.ctx, "k", hash(2))
	f.wantCount("DeleteTokens", n, err, 1)
	f.mustGroup("k", "g", 0, false)
	f.mustGroup("k", "h", message.LastMid, false)
	f.wantDelivered("g", "c", 4, 2, 3, 4, 5)
	n, err = f.s.Ack(f.ctx, "k", "g", mid(2), mid(4))
	f.wantCount("Ack", n, err, 2)
	seen := f.clock.Now()
	f.mustAppend(f.idem("a", "idem", 0, -1), f.idem("b", "idem", 1, 0))
	n, err = f.s.Delete(f.ctx, "idem")
	f.wantCount("Delete", n, err, 2)
	before := f.info("k")
	f.enter()

	for range 2 {
		if err := f.s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		f.clock.step(time.Minute)
		f.s = open(t, f.cfg)
		f.wantMids("after reopening Range", f.all("k"), 2, 3, 4, 5, 6)
		f.wantMids("after reopening Range of what expired", f.all("short"))
		if got := f.info("k"); got != before {
			t.Errorf("after reopening Info = %+v, want %+v", got, before)
		}
		if got := f.info("gone").Last; got != mid(0) {
			t.Errorf("after reopening Last of a key whose messages were deleted = %d, want %d", got, mid(0))
		}
		if got, want := f.info("unknown"), (channel.Info{Since: message.MidAt(t0)}); got != want {
			t.Errorf("after reopening Info of an unknown key = %+v, want %+v", got, want)
		}
		if got, want := f.keys(2), []string{"k", "short"}; !slices.Equal(got, want) {
			t.Errorf("after reopening Keys = %q, want %q", got, want)
		}
		f.wantExists("gone", false)
		f.wantResults([]channel.Entry{f.idem("b", "idem", 2, 1), f.idem("a", "idem", 3, 2)}, "1", "0")
		f.wantGroups("k", message.Group{Name: "g", Last: mid(5), Read: 6, Lag: 1, Consumers: 1, Pending: 2},
			message.Group{Name: "h", Last: mid(6), Read: -1})
		f.wantPending("g", pend(3, "c", 1), pend(5, "c", 1))
		f.wantConsumers("g", message.Consumer{Name: "c", Pending: 2, Seen: seen})
		f.wantTokens("k", map[byte]time.Duration{1: time.Hour})
		f.wantLimit(mid(100))
		f.wantEntered()
	}
	got := f.s.Append(f.ctx, []channel.Entry{f.entry("k", 7, 5, time.Hour)})
	f.wantErrors(got, channel.ErrOrder)
	f.mustAppend(f.entry("k", 7, 6, time.Hour))
	f.wantMids("after reopening and an append Range", f.all("k"), 3, 4, 5, 6, 7)
}
