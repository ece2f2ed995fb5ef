package channel_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// sink records what is posted, by channel.
type sink struct {
	id channel.SinkID

	mu     sync.Mutex
	posted map[*channel.Channel][]message.Message
	kicked []string
	after  []int // of kicked, how many messages had been posted

	flushed func() // what Flush does; nil: nothing
}

func (s *sink) Post(c *channel.Channel, ref uint32, m *message.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posted[c] = append(s.posted[c], *m)
}

func (s *sink) Kick(c *channel.Channel, ref uint32, tags []uint64, closed chan<- int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kicked = append(s.kicked, fmt.Sprintf("%s %d %v", c.Key(), ref, tags))
	s.after = append(s.after, len(s.posted[c]))
	closed <- 1
}

func (s *sink) Flush() {
	if s.flushed != nil {
		s.flushed()
	}
}

func (s *sink) Admit()        {}
func (s *sink) Crowded() bool { return false }

func (s *sink) of(c *channel.Channel) []message.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posted[c])
}

// open returns a running hub over store with n sinks.
func open(t testing.TB, store channel.Store, n int, set func(*channel.Config)) (*channel.Hub, []*sink) {
	t.Helper()
	cfg := channel.Config{Store: store, Node: "n"}
	if set != nil {
		set(&cfg)
	}
	h, err := channel.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	sinks := make([]*sink, n)
	for i := range sinks {
		sinks[i] = &sink{posted: make(map[*channel.Channel][]message.Message)}
		sinks[i].id = h.Attach(sinks[i])
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return h, sinks
}

func publish(t *testing.T, h *channel.Hub, pushes ...message.Push) []message.Receipt {
	t.Helper()
	return h.Publish(t.Context(), pushes)
}

func push(key, payload string, expire time.Duration) message.Push {
	return message.Push{Key: key, Payload: []byte(payload), Expire: expire}
}

func subscribe(t *testing.T, h *channel.Hub, s *sink, key string, spare uint32) (*channel.Channel, uint32, int64) {
	t.Helper()
	c, ref, barrier, err := h.Subscribe(s.id, key, spare)
	if err != nil {
		t.Fatal(err)
	}
	return c, ref, barrier
}

func TestMessagesOfAKeyArePostedInMidOrder(t *testing.T) {
	t.Parallel()
	for _, instant := range []bool{false, true} {
		t.Run(fmt.Sprint("instant ", instant), func(t *testing.T) {
			t.Parallel()
			messagesArePostedInMidOrder(t, instant)
		})
	}
}

func messagesArePostedInMidOrder(t *testing.T, instant bool) {
	const publishers, each = 8, 200
	h, sinks := open(t, memory.New(memory.Config{}), 2, func(cfg *channel.Config) { cfg.Instant = instant })
	c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
	subscribe(t, h, sinks[1], "k", 7)

	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			last := int64(0)
			for i := range each {
				expire := time.Duration(rand.IntN(2)) * time.Minute
				r := publish(t, h, push("k", fmt.Sprint(p, i), expire))[0]
				if r.Err != nil || r.Mid <= last || r.Stored != (expire > 0) || r.Subscribers != 2 {
					t.Errorf("publisher %d, push %d: receipt %+v after mid %d", p, i, r, last)
				}
				last = r.Mid
			}
		})
	}
	wg.Wait()

	for _, s := range sinks {
		got := s.of(c)
		if len(got) != publishers*each {
			t.Fatalf("%d messages posted, want %d", len(got), publishers*each)
		}
		checkChain(t, got, barrier)
	}
}

// checkChain checks that mids increase and that prev is always the last stored mid.
func checkChain(t *testing.T, got []message.Message, mid int64) {
	t.Helper()
	checkChainFrom(t, got, mid, 0)
}

func checkChainFrom(t *testing.T, got []message.Message, mid, stored int64) {
	t.Helper()
	for i, m := range got {
		if m.Mid <= mid || m.Mid%message.MidStep != 0 {
			t.Fatalf("message %d has mid %d after %d", i, m.Mid, mid)
		}
		if m.Prev != stored {
			t.Fatalf("message %d has prev %d, the last stored mid is %d", i, m.Prev, stored)
		}
		if mid = m.Mid; m.Stored() {
			stored = m.Mid
		}
	}
}

func TestPushesOfOneCallKeepTheirOrder(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 1, nil)
	c, _, _ := subscribe(t, h, sinks[0], "a", 1)
	pushes := []message.Push{
		push("a", "1", time.Minute), push("b", "x", time.Minute), push("a", "2", 0), push("a", "3", time.Minute), push("a", "4", 0),
	}
	receipts := publish(t, h, pushes...)
	var got string
	for _, m := range sinks[0].of(c) {
		got += string(m.Payload)
	}
	if got != "1234" {
		t.Errorf("posted in order %q, want 1234", got)
	}
	for i, r := range receipts {
		if r.Err != nil || r.Stored != (pushes[i].Expire > 0) {
			t.Errorf("receipt %d: %+v", i, r)
		}
	}
}

func TestAfterAFailureLaterPushesOfTheKeyAreSkipped(t *testing.T) {
	t.Parallel()
	h, _ := open(t, memory.New(memory.Config{}), 1, func(c *channel.Config) { c.MaxMessageBytes = 3 })
	receipts := publish(t, h,
		push("a", "1", time.Minute), push("a", "too long", time.Minute), push("a", "2", time.Minute), push("a", "3", 0), push("b", "x", time.Minute))
	for i, want := range []error{nil, message.ErrTooLarge, message.ErrSkipped, message.ErrSkipped, nil} {
		if !errors.Is(receipts[i].Err, want) {
			t.Errorf("receipt %d: %v, want %v", i, receipts[i].Err, want)
		}
	}
}

// What a channel knew of mids outlives its subscribers.
func TestWhatAnUnusedChannelKnewIsNotForgotten(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 1, nil)
	c, _, _ := subscribe(t, h, sinks[0], "k", 1)
	r := publish(t, h, push("k", "1", 0))[0]
	h.Unsubscribe(sinks[0].id, c)
	if n := h.Stats.Created.Load() - h.Stats.Deleted.Load(); n != 0 {
		t.Errorf("%d keys subscribed, want 0", n)
	}
	if _, _, barrier := subscribe(t, h, sinks[0], "k", 2); barrier < r.Mid {
		t.Errorf("barrier %d after mid %d", barrier, r.Mid)
	}
}

func TestSubscribersAreLimited(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 2, func(c *channel.Config) { c.MaxSubscribersPerKey = 2 })
	c, _, _ := subscribe(t, h, sinks[0], "k", 1)
	subscribe(t, h, sinks[1], "k", 1)
	if _, _, _, err := h.Subscribe(sinks[1].id, "k", 2); !errors.Is(err, channel.ErrSubscribers) {
		t.Errorf("third subscriber: %v, want %v", err, channel.ErrSubscribers)
	}
	h.Unsubscribe(sinks[0].id, c)
	if _, ref, _ := subscribe(t, h, sinks[1], "k", 2); ref != 1 {
		t.Errorf("ref = %d, want the one that the sink's first subscriber got, 1", ref)
	}
}

// failing is a store whose appends are decided by the test.
type failing struct {
	*memory.Store
	append func(ctx context.Context, entries []channel.Entry) []error
}

func (f *failing) Append(ctx context.Context, entries []channel.Entry) []error {
	return f.append(ctx, entries)
}

func all(entries []channel.Entry, err error) []error {
	return slices.Repeat([]error{err}, len(entries))
}

func TestAFailedPushIsNotDelivered(t *testing.T) {
	t.Parallel()
	s := &failing{Store: memory.New(memory.Config{})}
	s.append = func(_ context.Context, e []channel.Entry) []error { return all(e, channel.ErrUnavailable) }
	h, sinks := open(t, s, 1, nil)
	c, _, _ := subscribe(t, h, sinks[0], "k", 1)
	if r := publish(t, h, push("k", "lost", time.Minute))[0]; !errors.Is(r.Err, message.ErrUnavailable) {
		t.Errorf("stored push: %+v, want %v", r, message.ErrUnavailable)
	}
	if r := publish(t, h, push("k", "live", 0))[0]; r.Err != nil || r.Subscribers != 1 {
		t.Errorf("live push while the store fails: %+v", r)
	}
	if got := sinks[0].of(c); len(got) != 1 || string(got[0].Payload) != "live" || got[0].Prev != 0 {
		t.Errorf("posted %v, want the live message alone", got)
	}
}

// A message whose outcome the store did not tell is found later and posted before what comes next.
func TestAnUnknownOutcomeIsLookedUp(t *testing.T) {
	t.Parallel()
	s := &failing{Store: memory.New(memory.Config{})}
	first := true
	s.append = func(ctx context.Context, e []channel.Entry) []error {
		results := s.Store.Append(ctx, e)
		if first {
			first = false
			return all(e, channel.ErrUnknown)
		}
		return results
	}
	h, sinks := open(t, s, 1, nil)
	c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
	if r := publish(t, h, push("k", "1", time.Minute))[0]; !errors.Is(r.Err, message.ErrUnknown) {
		t.Errorf("receipt %+v, want %v", r, message.ErrUnknown)
	}
	if r := publish(t, h, push("k", "2", time.Minute))[0]; r.Err != nil {
		t.Errorf("receipt %+v", r)
	}
	got := sinks[0].of(c)
	if len(got) != 2 || string(got[0].Payload) != "1" {
		t.Fatalf("posted %v, want 1 and 2", got)
	}
	checkChain(t, got, barrier)
}

// Skipped is what was not tried: a push that may be stored with the one before it has an unknown outcome, too, or it would be sent again without
// care.
func TestWhatMayBeStoredIsNotSkipped(t *testing.T) {
	t.Parallel()
	s := &failing{Store: memory.New(memory.Config{})}
	results := []error{channel.ErrUnknown, channel.ErrUnknown, channel.ErrOrder}
	s.append = func(_ context.Context, e []channel.Entry) []error {
		defer func() { results = results[len(e):] }()
		return results[:len(e)]
	}
	h, _ := open(t, s, 1, nil)
	want := []error{message.ErrUnknown, message.ErrUnknown, message.ErrSkipped}
	for i, r := range publish(t, h, push("k", "1", time.Minute), push("k", "2", time.Minute), push("k", "3", time.Minute)) {
		if !errors.Is(r.Err, want[i]) {
			t.Errorf("receipt %d is %+v, want %v", i, r, want[i])
		}
	}
}

// What the store answered for is used again; what it did not is left to it.
func TestEntriesOfAnUnknownOutcomeAreTheStores(t *testing.T) {
	t.Parallel()
	s := &failing{Store: memory.New(memory.Config{})}
	var kept, was []channel.Entry
	s.append = func(ctx context.Context, e []channel.Entry) []error {
		if kept == nil {
			kept, was = e, slices.Clone(e)
			return all(e, channel.ErrUnknown)
		}
		return s.Store.Append(ctx, e)
	}
	h, _ := open(t, s, 1, nil)
	for i := range 10 { // of which each appender gets some
		publish(t, h, push("k", fmt.Sprint(i), time.Minute))
	}
	if diff := cmp.Diff(was, kept); diff != "" {
		t.Errorf("entries changed after Append answered ErrUnknown (-before +after):\n%s", diff)
	}
}

// Two hubs on one store both believe that they own a key: every message of both is posted by
// both, in one order.
func TestTwoOwnersAreFenced(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Config{})
	const each = 100
	var hubs [2]*channel.Hub
	var sinks [2]*sink
	var channels [2]*channel.Channel
	for i := range hubs {
		h, ss := open(t, s, 1, nil)
		hubs[i], sinks[i] = h, ss[0]
		channels[i], _, _ = subscribe(t, h, ss[0], "k", 1)
		if r := publish(t, h, push("k", "begin", time.Minute))[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	var wg sync.WaitGroup
	for i, h := range hubs {
		wg.Go(func() {
			for n := range each {
				if r := publish(t, h, push("k", fmt.Sprint(i, n), time.Minute))[0]; r.Err != nil {
					t.Errorf("hub %d, push %d: %v", i, n, r.Err)
				}
			}
		})
	}
	wg.Wait()
	for i, h := range hubs { // what the other one wrote last is seen with the next push
		if r := publish(t, h, push("k", "end", time.Minute))[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
		got := sinks[i].of(channels[i])
		if len(got) < 2*each+2 {
			t.Errorf("hub %d posted %d messages, want at least %d", i, len(got), 2*each+2)
		}
		checkChainFrom(t, got, 0, got[0].Prev)
	}
}

func TestAStalledStoreHoldsALivePushForStoreTimeoutAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &failing{Store: memory.New(memory.Config{})}
		s.append = func(ctx context.Context, e []channel.Entry) []error {
			<-ctx.Done()
			return all(e, channel.ErrUnknown)
		}
		h, sinks := open(t, s, 1, func(c *channel.Config) { c.StoreTimeout = 2 * time.Second })
		c, _, _ := subscribe(t, h, sinks[0], "k", 1)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { publish(t, h, push("k", "stored", time.Minute)) })
			synctest.Wait()
			time.Sleep(300 * time.Millisecond)
		}
		wg.Go(func() {
			at := time.Now()
			publish(t, h, push("k", "live", 0))
			if took := time.Since(at); took > 2*time.Second {
				t.Errorf("the live push took %v", took)
			}
		})
		wg.Wait()
		if got := sinks[0].of(c); len(got) != 1 || string(got[0].Payload) != "live" {
			t.Errorf("posted %v, want the live message", got)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("all took %v", took)
		}
	})
}

// No mid is ever passed again: not after a crash, not with a clock that went back.
func TestMidsGrowOverRestartsAndClockSteps(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Config{})
	now := time.Now()
	last := int64(0)
	for _, step := range []time.Duration{0, -time.Hour, time.Second, -24 * time.Hour, time.Minute, time.Hour} {
		now = now.Add(step)
		h, err := channel.Open(t.Context(), channel.Config{Store: s, Node: "n", Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		// Live only, so that the store has no record of them.
		for range 10 {
			r := publish(t, h, push("k", "live", 0))[0]
			if r.Err != nil || r.Mid <= last {
				t.Fatalf("after a clock step of %v: receipt %+v, the last mid was %d", step, r, last)
			}
			last = r.Mid
		}
	}
}

// However long nothing was pushed, a mid is not before the moment of its push.
func TestMidsKeepUpWithTheClock(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now()
	h, _ := open(t, memory.New(memory.Config{}), 1, func(c *channel.Config) {
		c.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	for i, expire := range []time.Duration{0, time.Minute, 0, time.Minute} {
		mu.Lock()
		now = now.Add(time.Hour)
		mu.Unlock()
		r := publish(t, h, push(fmt.Sprint(i), "x", expire))[0]
		if r.Err != nil || r.Mid < message.MidAt(now) {
			t.Errorf("expire %v: receipt %+v at %d", expire, r, message.MidAt(now))
		}
	}
}

func TestMidsStayBelowTheLimitWhileItCannotBeRenewed(t *testing.T) {
	t.Parallel()
	s := &noLimits{Store: memory.New(memory.Config{})}
	var mu sync.Mutex
	now := time.Now()
	h, _ := open(t, s, 1, func(c *channel.Config) {
		c.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	s.fail.Store(true)
	last := int64(0)
	for range 100 {
		mu.Lock()
		now = now.Add(time.Minute)
		mu.Unlock()
		r := publish(t, h, push("k", "live", 0))[0]
		if r.Err != nil || r.Mid <= last || r.Mid > s.limit.Load() {
			t.Fatalf("receipt %+v after mid %d, the limit is %d", r, last, s.limit.Load())
		}
		last = r.Mid
		if p := h.Position(); p >= publish(t, h, push(fmt.Sprint("fresh", now), "live", 0))[0].Mid {
			t.Fatalf("Position() = %d is not below what was pushed next", p)
		}
		if furthest := h.Furthest(); last > furthest {
			t.Fatalf("Furthest() = %d, and a live-only message has mid %d", furthest, last)
		}
	}
}

func TestResumeTellsGaps(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Config{MaxStoredPerKey: 3})
	h, _ := open(t, s, 1, nil)
	var mids []int64
	for i := range 5 {
		mids = append(mids, publish(t, h, push("k", fmt.Sprint(i), time.Minute))[0].Mid)
	}
	resume := func(mid int64) channel.Page {
		t.Helper()
		p, err := h.Resume(t.Context(), "k", mid, true)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	check := func(what string, p channel.Page, count int, gap bool, from int64) {
		t.Helper()
		if len(p.Messages) != count || p.Gap != gap || !p.Last || (gap && p.From != from) {
			t.Errorf("%s: %d messages, gap %v from %d, last %v; want %d, %v from %d, true",
				what, len(p.Messages), p.Gap, p.From, p.Last, count, gap, from)
		}
	}
	check("from before what was trimmed", resume(mids[0]), 3, true, mids[2])
	check("from the last that was trimmed", resume(mids[1]), 3, false, 0)
	check("from the middle", resume(mids[3]), 1, false, 0)
	check("from the last", resume(mids[4]), 0, false, 0)
	if _, err := h.Delete(t.Context(), "k", mids[4]); err != nil {
		t.Fatal(err)
	}
	check("the last was deleted, one is left", resume(mids[2]), 1, true, mids[3])
	check("the last was deleted, nothing is left", resume(mids[3]), 0, true, mids[4])
	if p, err := h.Resume(t.Context(), "other", 4, true); err != nil || !p.Gap {
		t.Errorf("an unknown key, from before the store was made: %+v, %v; want a gap", p, err)
	}
}

// counted counts the messages that are looked for.
type counted struct {
	*memory.Store
	ranges int
}

func (s *counted) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	s.ranges++
	return s.Store.Range(ctx, key, from, to, reverse, limit, maxBytes)
}

// Most devices that come back have missed nothing: they cost one look at the key's record.
func TestWhoMissedNothingReadsNoMessages(t *testing.T) {
	t.Parallel()
	s := &counted{Store: memory.New(memory.Config{})}
	h, sinks := open(t, s, 1, nil)
	subscribe(t, h, sinks[0], "k", 1)
	last := publish(t, h, push("k", "stored", time.Minute))[0].Mid
	live := publish(t, h, push("k", "live", 0))[0].Mid
	for _, mid := range []int64{last, live} {
		p, err := h.Resume(t.Context(), "k", mid, true)
		if err != nil || len(p.Messages) != 0 || !p.Last || p.Gap || p.Upto > mid || s.ranges != 0 {
			t.Errorf("Resume after %d = %+v, %v, reading messages %d times; want nothing, and no read", mid, p, err, s.ranges)
		}
	}
}

func TestKickReachesEverySink(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 2, nil)
	for i, s := range sinks {
		subscribe(t, h, s, "k", uint32(i+5))
	}
	if n, err := h.Kick(t.Context(), "k", 9); n != 2 || err != nil {
		t.Errorf("Kick = %d, %v, want 2, nil", n, err)
	}
	if n, err := h.Kick(t.Context(), "nobody"); n != 0 || err != nil {
		t.Errorf("Kick of a key without subscribers = %d, %v, want 0, nil", n, err)
	}
	if got := sinks[1].kicked; len(got) != 1 || got[0] != "k 6 [9]" {
		t.Errorf("sink 1 was told %q", got)
	}
}

// A message whose outcome the store did not tell can be seen for a while and be lost when
// the store has recovered. Its key goes on from what there is.
func TestAStoreMayLoseWhatItDidNotAcknowledge(t *testing.T) {
	t.Parallel()
	s := &losing{failing: failing{Store: memory.New(memory.Config{})}}
	s.append = s.Store.Append
	h, sinks := open(t, s, 1, nil)
	subscribe(t, h, sinks[0], "k", 1)
	kept := publish(t, h, push("k", "kept", time.Minute))[0]
	s.append = func(_ context.Context, e []channel.Entry) []error {
		s.seen = []message.Message{e[0].Message}
		s.append = func(_ context.Context, e []channel.Entry) []error {
			s.seen = nil // what was seen is gone
			s.append = s.Store.Append
			return all(e, channel.ErrUnavailable)
		}
		return all(e, channel.ErrUnknown)
	}
	publish(t, h, push("k", "lost", time.Minute))
	publish(t, h, push("k", "refused", time.Minute))
	if r := publish(t, h, push("k", "next", time.Minute))[0]; r.Err != nil {
		t.Fatalf("a push after the store has recovered: %v", r.Err)
	}
	got, err := s.Store.Range(t.Context(), "k", kept.Mid+1, math.MaxInt64, false, 0, 0)
	if err != nil || len(got) != 1 || got[0].Prev != kept.Mid {
		t.Errorf("stored after %d: %+v, %v; want one with that prev", kept.Mid, got, err)
	}
}

// losing is a store that shows a message which it has not stored.
type losing struct {
	failing
	seen []message.Message
}

func (l *losing) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	if len(l.seen) > 0 && l.seen[0].Mid >= from {
		return l.seen, nil
	}
	return l.Store.Range(ctx, key, from, to, reverse, limit, maxBytes)
}

func (l *losing) Info(ctx context.Context, key string) (channel.Info, error) {
	info, err := l.Store.Info(ctx, key)
	if len(l.seen) > 0 {
		info.Last = l.seen[0].Mid
	}
	return info, err
}
