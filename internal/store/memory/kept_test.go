package memory_test

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// TestCap: a full key loses what is expired before what is not, and else its oldest, whatever comes, goes and expires.
func TestCap(t *testing.T) {
	t.Parallel()
	const full = 100
	for _, spread := range []int{0, 10, 1000} { // in seconds: how much the lifetimes of messages differ
		rng := rand.New(rand.NewPCG(uint64(spread), 0))
		ctx, now := context.Background(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		s := memory.New(memory.Config{MaxStoredPerKey: full, Now: func() time.Time { return now }})
		var model []message.Message
		expired := func(m message.Message) bool { return !m.Expires.After(now) }
		last := int64(0)
		for range 5000 {
			now = now.Add(time.Duration(rng.IntN(3)) * time.Second)
			m := message.Message{Key: "k", Mid: last + 4, Prev: last, Expires: now.Add(100*time.Second + time.Duration(rng.IntN(spread+1))*time.Second), Payload: []byte{}}
			last = m.Mid
			if err := s.Append(ctx, []channel.Entry{{Message: m}})[0]; err != nil {
				t.Fatalf("Append: %v", err)
			}
			if model = append(model, m); len(model) > full && slices.ContainsFunc(model, expired) {
				model = slices.DeleteFunc(model, expired)
			}
			model = model[max(0, len(model)-full):]
			switch rng.IntN(50) {
			case 0:
				gone := last - 4*rng.Int64N(2*full)
				s.Delete(ctx, "k", gone)
				model = slices.DeleteFunc(model, func(m message.Message) bool { return m.Mid == gone })
			case 1:
				keep := rng.IntN(2 * full)
				s.Trim(ctx, "k", keep, 0)
				model = slices.DeleteFunc(model, expired)
				model = model[max(0, len(model)-keep):]
			}
			want := slices.DeleteFunc(slices.Clone(model), expired)
			got, err := s.Range(ctx, "k", 0, math.MaxInt64, false, 0, 0)
			if err != nil || !slices.EqualFunc(got, want, func(a, b message.Message) bool { return a.Mid == b.Mid }) {
				t.Fatalf("lifetimes that differ by %ds: Range = %v, %v, want %v", spread, mids(got), err, mids(want))
			}
		}
	}
}

func mids(messages []message.Message) (mids []int64) {
	for _, m := range messages {
		mids = append(mids, m.Mid)
	}
	return mids
}

// TestLetsGo: what a key has lost takes no memory, however much it was.
func TestLetsGo(t *testing.T) {
	ctx, last := context.Background(), int64(0)
	s := memory.New(memory.Config{})
	before := heap()
	for range 50_000 {
		e := channel.Entry{Message: message.Message{Key: "k", Mid: last + 4, Prev: last, Expires: message.Never, Payload: make([]byte, 1000)}}
		if last = e.Mid; last > 4*40_000 {
			e.Trim.Keep = 10
		}
		if err := s.Append(ctx, []channel.Entry{e})[0]; err != nil {
			t.Fatalf("Append: %v", err)
		}
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("a key with 10 messages of 1000 bytes takes %d bytes", grown)
	}
	runtime.KeepAlive(s)
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
