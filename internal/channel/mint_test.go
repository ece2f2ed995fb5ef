package channel_test

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// id returns the mid with this stream id.
func id(ms, seq int64) int64 { return ms*10_000 + seq }

// explicit returns a push that asks for a mid from first to last.
func explicit(key, payload string, first, last int64) message.Push {
	p := push(key, payload, time.Minute)
	p.Mids = message.Span{First: first, Last: last}
	return p
}

// clock is a time that the test moves.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.nanos.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time        { return time.Unix(0, c.nanos.Load()) }
func (c *clock) mid() int64            { return message.MidAt(c.now()) }
func (c *clock) move(by time.Duration) { c.nanos.Add(int64(by)) }
func (c *clock) set(cfg *channel.Config) {
	cfg.Now = c.now
}

func TestAMidCanBeAskedFor(t *testing.T) {
	t.Parallel()
	clock := newClock()
	nowMS := clock.mid() / 10_000
	h, sinks := open(t, memory.New(memory.Config{}), 1, clock.set)
	publish(t, h, push("other", "x", time.Minute))
	c, _, _ := follow(t, h, sinks[0], "k", 1)
	ahead := id(nowMS+int64(time.Hour/time.Millisecond)+1, 0)
	for _, row := range []struct {
		name        string
		first, last int64
		want        int64 // the mid
		err         error
	}{
		{"far behind the clock, the first of its key", id(1, 1), id(1, 1), id(1, 1), nil},
		{"the same again", id(1, 1), id(1, 1), 0, message.ErrMid},
		{"the next one", id(1, 2), id(1, 2), id(1, 2), nil},
		{"the next of its millisecond", id(1, 0), id(1, 9999), id(1, 3), nil},
		{"one below", id(0, 5), id(0, 5), 0, message.ErrMid},
		{"the first of a millisecond", id(2, 0), id(2, 9999), id(2, 0), nil},
		{"the last of a millisecond", id(2, 9999), id(2, 9999), id(2, 9999), nil},
		{"a millisecond without a free one", id(2, 0), id(2, 9999), 0, message.ErrMid},
		{"the first of this millisecond", id(nowMS, 0), id(nowMS, 9999), id(nowMS, 0), nil},
		{"the second is exact in a double", id(nowMS, 0), id(nowMS, 9999), id(nowMS, 4), nil},
		{"too far ahead", ahead, ahead, 0, message.ErrMidAhead},
		{"as far ahead as may be", id(nowMS, 0) + 36_000_000_000, id(nowMS, 0) + 36_000_000_000, id(nowMS, 0) + 36_000_000_000, nil},
	} {
		r := publish(t, h, explicit("k", "x", row.first, row.last))[0]
		if !errors.Is(r.Err, row.err) || r.Err == nil && (r.Mid != row.want || !r.Stored) {
			t.Errorf("%s: %+v, want %d, %v", row.name, r, row.want, row.err)
		}
	}
	checkStoredChain(t, h, "k", 8, sinks[0].of(c))
}

// checkStoredChain checks that what was posted of key is what is stored, so many, each with the one before it as its prev.
func checkStoredChain(t *testing.T, h *channel.Hub, key string, count int, posted []message.Message) {
	t.Helper()
	stored, err := h.Range(t.Context(), key, 0, math.MaxInt64, false, 0, 0)
	if err != nil || len(stored) != count || len(posted) != count {
		t.Fatalf("%d messages stored, %d posted, want %d; %v", len(stored), len(posted), count, err)
	}
	last := int64(0)
	for i, m := range stored {
		if m.Prev != last || posted[i].Mid != m.Mid {
			t.Errorf("message %d has mid %d and prev %d; posted mid %d after %d", i, m.Mid, m.Prev, posted[i].Mid, last)
		}
		last = m.Mid
	}
}

func TestAMidBelowWhatASubscriberMayHaveSeenIsRefused(t *testing.T) {
	t.Parallel()
	clock := newClock()
	h, sinks := open(t, memory.New(memory.Config{}), 1, clock.set)
	c, _, _ := subscribe(t, h, sinks[0], "k", 1)
	live := publish(t, h, push("k", "live", 0))[0].Mid
	if r := publish(t, h, explicit("k", "x", live-4, live-4))[0]; !errors.Is(r.Err, message.ErrMid) {
		t.Errorf("below a live message: %+v, want %v", r, message.ErrMid)
	}
	if r := publish(t, h, explicit("k", "x", live+4, live+4))[0]; r.Err != nil || r.Subscribers != 1 {
		t.Errorf("above it: %+v", r)
	}
	if got := sinks[0].of(c); len(got) != 2 || got[1].Mid != live+4 {
		t.Errorf("posted %+v", got)
	}
	if r := publish(t, h, message.Push{Key: "k", Mids: message.Span{First: live + 8, Last: live + 8}})[0]; !errors.Is(r.Err, message.ErrMid) {
		t.Errorf("live only: %+v, want %v", r, message.ErrMid)
	}
}

// A key that is an hour ahead takes neither the other keys with it nor the mids after a restart.
func TestAMidAheadOfTheClockIsItsKeysOwn(t *testing.T) {
	t.Parallel()
	clock := newClock()
	s := memory.New(memory.Config{})
	h, _ := open(t, s, 1, clock.set)
	ahead := clock.mid() + 36_000_000_000
	if r := publish(t, h, explicit("k", "ahead", ahead, ahead))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	next := publish(t, h, push("k", "next", time.Minute))[0]
	if next.Err != nil || next.Mid <= ahead {
		t.Errorf("the next push of the key: %+v after %d", next, ahead)
	}
	others := func(h *channel.Hub, most int64) {
		t.Helper()
		for i := range 2000 { // several in each bucket
			if r := publish(t, h, push(fmt.Sprint(i), "x", time.Duration(i%2)*time.Minute))[0]; r.Err != nil || r.Mid > most {
				t.Fatalf("another key: %+v, the clock is at %d", r, clock.mid())
			}
		}
	}
	others(h, clock.mid()+message.MidStep*60) // a bucket has eight of them, give or take

	again, _ := open(t, s, 0, clock.set)
	others(again, clock.mid()+11*10_000_000) // above the limit before
	if r := publish(t, again, push("k", "after a restart", time.Minute))[0]; r.Err != nil || r.Mid <= next.Mid {
		t.Errorf("after a restart: %+v after %d", r, next.Mid)
	}
}

// What is live only is held by devices alone: a key that is ahead of the clock does not give its mid again.
func TestALiveMidAheadOfTheClockIsNotGivenAgain(t *testing.T) {
	t.Parallel()
	clock := newClock()
	s := memory.New(memory.Config{})
	h, sinks := open(t, s, 1, clock.set)
	last := clock.mid() + 36_000_000_000
	if r := publish(t, h, explicit("k", "ahead", last, last))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	for restarts := range 3 {
		for range 3 { // the channel is forgotten in between
			c, _, _ := subscribe(t, h, sinks[0], "k", 1)
			for _, expire := range []time.Duration{time.Minute, 0, 0} {
				r := publish(t, h, push("k", "x", expire))[0]
				if r.Err != nil || r.Mid <= last || r.Subscribers != 1 {
					t.Fatalf("after %d restarts: %+v after mid %d", restarts, r, last)
				}
				last = r.Mid
			}
			h.Unsubscribe(sinks[0].id, c)
		}
		h, sinks = open(t, s, 1, clock.set)
	}
}

// While the mid limit cannot be moved, a live-only push to a key that is ahead of it fails; it does not wait for ever.
func TestALiveMidAheadOfTheLimitFails(t *testing.T) {
	t.Parallel()
	clock := newClock()
	s := &noLimits{Store: memory.New(memory.Config{})}
	h, sinks := open(t, s, 1, clock.set)
	s.fail.Store(true)
	subscribe(t, h, sinks[0], "k", 1)
	ahead := clock.mid() + 36_000_000_000
	r := publish(t, h, explicit("k", "ahead", ahead, ahead), push("k", "next", time.Minute), push("k", "live", 0), push("k", "skipped", time.Minute))
	if r[0].Err != nil || r[1].Err != nil || r[1].Mid <= ahead || !errors.Is(r[2].Err, message.ErrUnavailable) || !errors.Is(r[3].Err, message.ErrSkipped) {
		t.Errorf("receipts %+v", r)
	}
	s.fail.Store(false)
	r = publish(t, h, push("k", "live", 0), push("k", "stored", time.Minute))
	if r[0].Err != nil || r[1].Err != nil || r[1].Mid <= r[0].Mid {
		t.Errorf("when the limit can be moved: %+v", r)
	}
}

// Pushes of all kinds at once: who subscribes sees all of them after its barrier, in order; a resume finds all that is stored.
func TestExplicitMidsAreReleasedInOrder(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{MaxStoredPerKey: 1 << 20}), 1, nil)
	c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
	var wg sync.WaitGroup
	var accepted atomic.Int64
	for p := range 6 {
		wg.Go(func() {
			for i := range 150 {
				one := push("k", fmt.Sprint(p, i), time.Duration(p%3)*time.Minute)
				if p%3 == 2 {
					from := message.MidAt(time.Now()) + int64(i%40-20)*10_000
					one.Mids = message.Span{First: from, Last: from + 10_000}
				}
				switch r := publish(t, h, one)[0]; {
				case r.Err == nil:
					accepted.Add(1)
				case one.Mids == (message.Span{}) || !errors.Is(r.Err, message.ErrMid):
					t.Errorf("push of %+v: %v", one.Mids, r.Err)
				}
			}
		})
	}
	wg.Wait()
	got := sinks[0].of(c)
	if int64(len(got)) != accepted.Load() {
		t.Errorf("%d messages posted, %d pushed", len(got), accepted.Load())
	}
	checkChain(t, got, barrier)
}

// Pushes of one call are built together: what follows a mid that is ahead is above it, too.
func TestWhatFollowsAMidAheadIsAboveIt(t *testing.T) {
	t.Parallel()
	clock := newClock()
	h, sinks := open(t, memory.New(memory.Config{}), 1, clock.set)
	c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
	ahead := clock.mid() + 36_000_000_000
	r := publish(t, h, explicit("k", "1", ahead-8, ahead-8), push("k", "2", 0), explicit("k", "3", ahead-8, ahead), push("k", "4", time.Minute))
	for i := range r {
		if r[i].Err != nil || r[i].Mid != ahead-8+int64(i)*message.MidStep {
			t.Errorf("receipt %d: %+v, want mid %d", i, r[i], ahead-8+int64(i)*message.MidStep)
		}
	}
	got := sinks[0].of(c)
	if payloads(got) != "1 2 3 4" {
		t.Errorf("posted %q, want 1 2 3 4", payloads(got))
	}
	checkChain(t, got, barrier)
}

// What is live only and nobody subscribes to is in the way of no mid, whether it had to wait for its turn or not.
func TestWhatNobodyHeardIsInTheWayOfNoMid(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 1, nil)
	c, _ := subscribePattern(t, h, sinks[0], "*", 1)
	for i := range int64(50) {
		r := publish(t, h, explicit("k", "s", id(i, 1), id(i, 1)), push("k", "l", 0), explicit("k", "s", id(i, 2), id(i, 2)), push("k", "l", 0))
		for n := range r {
			if r[n].Err != nil || r[n].Subscribers != 1 {
				t.Fatalf("call %d, receipt %d: %+v", i, n, r[n])
			}
		}
	}
	if got := sinks[0].of(c); len(got) != 200 || payloads(got[:4]) != "s l s l" {
		t.Errorf("%d messages posted, the first %q; want 200, s l s l", len(got), payloads(got[:4]))
	}
}

// Who subscribes while pushes are being stored sees those that are not yet released in order: not what is live only and
// was overtaken by a mid that is below.
func TestWhoSubscribesMeanwhileSeesNoOrderBroken(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		second message.Push
		want   string
	}{
		"next": {push("k", "3", time.Minute), "1 2 3"},
		"low":  {explicit("k", "3", id(1, 2), id(1, 2)), "1 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &gated{memory.New(memory.Config{}), make(chan func([]error) []error)}
				h, sinks := open(t, s, 1, func(c *channel.Config) { c.StoreTimeout = time.Hour })
				synctest.Wait() // for the appender to wait, so that it takes all of the call together
				var wg sync.WaitGroup
				wg.Go(func() {
					publish(t, h, explicit("k", "1", id(1, 1), id(1, 1)), push("k", "2", 0), row.second)
				})
				synctest.Wait()
				c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
				s.answer <- asItIs
				wg.Wait()
				got := sinks[0].of(c)
				if payloads(got) != row.want || got[0].Mid <= barrier {
					t.Errorf("posted %q, the first with mid %d after barrier %d; want %q", payloads(got), got[0].Mid, barrier, row.want)
				}
			})
		})
	}
}

// Where a bucket has no mid left below the limit, a live-only message of a key that nobody subscribes to by itself has
// the limit moved first, as any other.
func TestTheLimitIsMovedForWhatOnlyAPatternSees(t *testing.T) {
	t.Parallel()
	clock, store := newClock(), memory.New(memory.Config{})
	h, sinks := open(t, store, 1, clock.set)
	limit, err := store.MidLimit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := limit &^ (message.MidStep - 1)
	c, _, _ := subscribe(t, h, sinks[0], "k", 1)
	p, _ := subscribePattern(t, h, sinks[0], "k*", 2)
	publish(t, h, explicit("k", "stored", last-message.MidStep, last-message.MidStep))
	if r := publish(t, h, push("k", "live", 0))[0]; r.Mid != last {
		t.Fatalf("a live-only message behind %d: %+v, want the last mid below the limit", last-message.MidStep, r)
	}
	h.Unsubscribe(sinks[0].id, c)
	if r := publish(t, h, push("k", "more", 0))[0]; r.Err != nil || r.Mid <= last {
		t.Errorf("the next one: %+v, want a mid above %d", r, last)
	}
	if got := payloads(sinks[0].of(p)); got != "stored live more" {
		t.Errorf("the pattern's subscriber was posted %q", got)
	}
}
