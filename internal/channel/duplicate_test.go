package channel_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// idem is a stored push with an idempotency key.
func idem(idemKey, key, payload string) message.Push {
	return message.Push{Key: key, Payload: []byte(payload), Expire: time.Minute, IdemKey: []byte(idemKey)}
}

// told says what receipts say: the number of a message among firsts, with "again" for a duplicate.
func told(receipts []message.Receipt, firsts ...int64) string {
	var all []string
	for _, r := range receipts {
		one := fmt.Sprint(slices.Index(firsts, r.Mid))
		switch {
		case r.Err != nil:
			one = r.Err.Error()
		case r.Duplicate:
			one += " again"
		}
		all = append(all, one)
	}
	return strings.Join(all, ", ")
}

func TestARepeatedPushIsAnsweredWithTheFirstMid(t *testing.T) {
	t.Parallel()
	for _, instant := range []bool{false, true} {
		t.Run(fmt.Sprint("instant ", instant), func(t *testing.T) {
			t.Parallel()
			h, sinks := open(t, memory.New(memory.Config{}), 1, func(cfg *channel.Config) { cfg.Instant = instant })
			c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
			first := publish(t, h, idem("a", "k", "one"))[0]
			if first.Err != nil || first.Duplicate || first.Subscribers != 1 {
				t.Fatalf("the first receipt is %+v", first)
			}
			again := publish(t, h, idem("a", "k", "another"))[0]
			if want := (message.Receipt{Mid: first.Mid, Stored: true, Duplicate: true}); again != want {
				t.Errorf("the receipt of a repeated push = %+v, want %+v", again, want)
			}
			if other := publish(t, h, idem("a", "l", "other"))[0]; other.Err != nil || other.Duplicate {
				t.Errorf("the receipt of a push to another key = %+v", other)
			}
			publish(t, h, push("k", "two", time.Minute))
			got := sinks[0].of(c)
			if len(got) != 2 || string(got[0].Payload) != "one" || string(got[1].Payload) != "two" {
				t.Fatalf("posted are %v, want one and two", got)
			}
			checkChain(t, got, barrier)
			if n := h.Stats.Duplicates.Load(); n != 1 {
				t.Errorf("%d duplicates are counted, want 1", n)
			}
		})
	}
}

// What stands behind a duplicate in its call, or its append, follows what is stored: in order, live-only messages too.
func TestPushesAfterADuplicateAreStored(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 1, nil)
	c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
	first := publish(t, h, idem("a", "k", "0"), idem("b", "k", "1"))
	got := publish(t, h,
		idem("c", "k", "2"), idem("a", "k", "-"), push("k", "3", 0), idem("d", "k", "4"), idem("b", "k", "-"),
		push("k", "5", time.Minute), push("k", "6", 0), idem("d", "k", "-"), idem("e", "k", "7"), idem("f", "k", "8"), idem("c", "k", "-"))
	all := append(first, got...)
	var posted []int64
	for i, m := range sinks[0].of(c) {
		if string(m.Payload) != fmt.Sprint(i) {
			t.Errorf("message %d is %q", i, m.Payload)
		}
		posted = append(posted, m.Mid)
	}
	want := "0, 1, 2, 0 again, 3, 4, 1 again, 5, 6, 4 again, 7, 8, 2 again"
	if got := told(all, posted...); got != want || len(posted) != 9 {
		t.Errorf("the receipts are %s, want %s; %d posted", got, want, len(posted))
	}
	checkChain(t, sinks[0].of(c), barrier)
}

func TestIdempotencyKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	h, _ := open(t, memory.New(memory.Config{}), 1, nil)
	live := idem("a", "k", "x")
	live.Expire = 0
	for want, p := range map[string]message.Push{
		"a live-only message is remembered nowhere": live,
		"it has 256 bytes, at most 255 may be":      idem(strings.Repeat("x", 256), "k", "x"),
	} {
		if r := publish(t, h, p)[0]; !errors.Is(r.Err, message.ErrIdemKey) || !strings.Contains(r.Err.Error(), want) {
			t.Errorf("the receipt is %+v, want ErrIdemKey that says %q", r, want)
		}
	}
	empty := push("k", "x", 0)
	empty.IdemKey = []byte{}
	if r := publish(t, h, empty, idem(strings.Repeat("x", 255), "k", "x")); r[0].Err != nil || r[1].Err != nil {
		t.Errorf("receipts = %+v, want no errors", r)
	}
}

// forgetful stores and, when it is told to, does not say so.
type forgetful struct {
	*memory.Store
	mute chan bool // has room; what is in it is one append
}

func (s *forgetful) Append(ctx context.Context, entries []channel.Entry) []error {
	results := s.Store.Append(ctx, entries)
	select {
	case <-s.mute:
		return slices.Repeat([]error{channel.ErrUnknown}, len(entries))
	default:
		return results
	}
}

func TestAPushOfUnknownOutcomeIsRepeated(t *testing.T) {
	t.Parallel()
	s := &forgetful{memory.New(memory.Config{}), make(chan bool, 1)}
	h, sinks := open(t, s, 1, nil)
	c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
	s.mute <- true
	if r := publish(t, h, idem("a", "k", "0"))[0]; !errors.Is(r.Err, channel.ErrUnknown) {
		t.Fatalf("the first receipt is %+v, want ErrUnknown", r)
	}
	again := publish(t, h, idem("a", "k", "0"), idem("b", "k", "1"))
	got := sinks[0].of(c)
	if len(got) != 2 || told(again, got[0].Mid, got[1].Mid) != "0 again, 1" {
		t.Fatalf("%+v, posted %v: want the first message, found in the store, and the second", again, got)
	}
	checkChain(t, got, barrier)
}

// A push that another owner stored, of which this node has not heard, is released before it is answered here.
func TestAPushThatAnotherOwnerStoredIsReleased(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Config{})
	one, _ := open(t, s, 1, nil)
	h, sinks := open(t, s, 1, func(cfg *channel.Config) { cfg.Node = "m" })
	c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
	if r := publish(t, h, push("k", "0", time.Minute))[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	first := publish(t, one, idem("a", "k", "1"))[0]
	again := publish(t, h, idem("a", "k", "1"), idem("b", "k", "2"))
	got := sinks[0].of(c)
	if first.Err != nil || len(got) != 3 || again[0].Mid != first.Mid || !again[0].Duplicate || again[1].Mid != got[2].Mid {
		t.Fatalf("%+v, then %+v, posted %v", first, again, got)
	}
	checkChain(t, got, barrier)
}

func TestConcurrentPushesWithOneKeyAreStoredOnce(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 1, nil)
	c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
	const pushers, rounds = 8, 50
	receipts := make([][]message.Receipt, pushers)
	var wg sync.WaitGroup
	for i := range receipts {
		wg.Go(func() {
			for r := range rounds {
				receipts[i] = append(receipts[i], publish(t, h, idem(fmt.Sprint(r), "k", fmt.Sprint(r)))...)
			}
		})
	}
	wg.Wait()
	got := sinks[0].of(c)
	if len(got) != rounds {
		t.Fatalf("%d messages are posted, want %d", len(got), rounds)
	}
	checkChain(t, got, barrier)
	for r := range rounds {
		stored := 0
		for i := range receipts {
			if !receipts[i][r].Duplicate {
				stored++
			}
			if receipts[i][r].Err != nil || receipts[i][r].Mid != receipts[0][r].Mid {
				t.Errorf("push %d: %+v and %+v", r, receipts[i][r], receipts[0][r])
			}
		}
		if stored != 1 {
			t.Errorf("push %d was stored %d times", r, stored)
		}
	}
}

// unsteady fails at random: before it stores, after it, or for those entries that it says.
type unsteady struct{ *memory.Store }

func (s unsteady) Append(ctx context.Context, entries []channel.Entry) []error {
	switch rand.IntN(8) {
	case 0:
		return slices.Repeat([]error{channel.ErrUnavailable}, len(entries))
	case 1:
		return slices.Repeat([]error{channel.ErrUnknown}, len(entries))
	case 2:
		s.Store.Append(ctx, entries)
		return slices.Repeat([]error{channel.ErrUnknown}, len(entries))
	case 3: // some keys
		var lost [3]bool
		for i := range lost {
			lost[i] = rand.IntN(2) == 0
		}
		results := s.Store.Append(ctx, entries)
		for i := range entries {
			if results[i] == nil && lost[int(entries[i].Key[0])%3] {
				results[i] = channel.ErrUnknown
			}
		}
		return results
	}
	return s.Store.Append(ctx, entries)
}

// TestEachPushIsStoredOnce: whoever pushes until it is acknowledged, through whatever owner, over a store that fails and forgets,
// finds each message stored exactly once, in the order of its pushes; subscribers are posted what they should be.
func TestEachPushIsStoredOnce(t *testing.T) {
	t.Parallel()
	s := unsteady{memory.New(memory.Config{})}
	const hubs, pushers, calls = 2, 6, 60
	all := make([]*channel.Hub, hubs)
	sinks := make([]*sink, hubs)
	barriers := make([]map[string]int64, hubs)
	channels := make([]map[string]*channel.Channel, hubs)
	keys := []string{"a", "b", "c"}
	for i := range all {
		h, attached := open(t, s, 1, func(cfg *channel.Config) { cfg.Node = fmt.Sprint("n", i) })
		all[i], sinks[i] = h, attached[0]
		barriers[i], channels[i] = map[string]int64{}, map[string]*channel.Channel{}
		for n, key := range keys {
			c, _, barrier := subscribe(t, h, sinks[i], key, uint32(n+1))
			channels[i][key], barriers[i][key] = c, barrier
		}
	}
	pushed := make([]map[string]int, pushers) // by pusher, messages by key
	var wg sync.WaitGroup
	for p := range pushed {
		pushed[p] = map[string]int{}
		wg.Go(func() {
			for n := range calls {
				pushUntilAcknowledged(t, all, p, n, keys, pushed[p])
			}
		})
	}
	wg.Wait()
	for _, key := range keys {
		found, err := s.Range(t.Context(), key, 0, math.MaxInt64, false, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for p := range pushed {
			want += pushed[p][key]
		}
		if len(found) != want {
			t.Errorf("%s has %d messages, want %d", key, len(found), want)
		}
		checkStoredOnce(t, key, found, pushers)
		for i := range all {
			if err := publish(t, all[i], push(key, "wakes up who has not seen the last", time.Minute))[0].Err; err != nil && !errors.Is(err, channel.ErrUnknown) && !errors.Is(err, channel.ErrUnavailable) {
				t.Error(err)
			}
			checkPosted(t, sinks[i].of(channels[i][key]))
		}
	}
}

// pushUntilAcknowledged pushes a call of some messages to some keys.
func pushUntilAcknowledged(t *testing.T, hubs []*channel.Hub, pusher, call int, keys []string, pushed map[string]int) {
	var pushes []message.Push
	for i := range 1 + rand.IntN(4) {
		name := fmt.Sprintf("%d %04d", pusher, call*10+i)
		key := keys[rand.IntN(len(keys))]
		pushes = append(pushes, idem(name, key, name))
		pushed[key]++
	}
	for tries := 0; len(pushes) > 0; tries++ {
		receipts := hubs[rand.IntN(len(hubs))].Publish(t.Context(), pushes)
		var left []message.Push
		for i, r := range receipts {
			switch {
			case r.Err != nil:
				left = append(left, pushes[i])
			case r.Mid == 0 || !r.Stored:
				t.Errorf("receipt %+v", r)
			}
		}
		if rand.IntN(3) > 0 { // the answer is lost, now and then
			pushes = left
		}
		if tries > 1000 {
			t.Errorf("%d pushes are not acknowledged after %d tries: %+v", len(pushes), tries, receipts)
			return
		}
	}
}

func checkStoredOnce(t *testing.T, key string, found []message.Message, pushers int) {
	t.Helper()
	last := make([]string, pushers)
	prev := int64(0)
	for _, m := range found {
		var pusher, n int
		if _, err := fmt.Sscanf(string(m.Payload), "%d %d", &pusher, &n); err != nil {
			t.Fatalf("%s has %q", key, m.Payload)
		}
		if name := string(m.Payload); name <= last[pusher] {
			t.Errorf("%s has %q after %q of the same pusher", key, name, last[pusher])
		} else {
			last[pusher] = name
		}
		if m.Prev != prev {
			t.Errorf("%s has %d after %d with prev %d", key, m.Mid, prev, m.Prev)
		}
		prev = m.Mid
	}
}

// checkPosted checks that no message was posted twice, nor below one that was.
func checkPosted(t *testing.T, got []message.Message) {
	t.Helper()
	seen := map[string]bool{}
	last := int64(0)
	for _, m := range got {
		if m.Mid <= last || seen[string(m.Payload)] && !strings.HasPrefix(string(m.Payload), "wakes") {
			t.Errorf("%q with mid %d is posted after %d", m.Payload, m.Mid, last)
		}
		seen[string(m.Payload)] = true
		last = m.Mid
	}
}
