package comet

import (
	"sync"
	"testing"
	"testing/synctest"

	"gopush/internal/message"
)

func TestPublishersWaitWhileTheInboxIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b inbox
		b.init()
		m := &message.Message{Payload: make([]byte, 1<<20)}
		posted := 0
		for b.bytes.Load() <= inboxBytes {
			b.admit()
			b.putMessage(nil, 0, m)
			posted++
		}
		var admitted sync.WaitGroup
		in := make(chan struct{}, 3)
		for range cap(in) {
			admitted.Go(func() {
				b.admit()
				in <- struct{}{}
			})
		}
		synctest.Wait()
		if len(in) != 0 {
			t.Fatalf("%d publishers were admitted with %d bytes waiting", len(in), b.bytes.Load())
		}
		if n := len(b.take()); n != posted {
			t.Errorf("%d items were taken, want %d", n, posted)
		}
		synctest.Wait()
		if len(in) != 0 {
			t.Error("publishers were admitted when the messages were taken, not when they were delivered")
		}
		b.delivered(cost(m))
		synctest.Wait()
		if len(in) != cap(in) {
			t.Errorf("%d publishers were admitted when there was room, want all %d", len(in), cap(in))
		}
		admitted.Wait()
	})
}

// Items leave once, in the order they came, also when slices are given back and filled again.
func TestItemsLeaveTheInboxInOrder(t *testing.T) {
	t.Parallel()
	var b inbox
	b.init()
	var got []int
	put, want := 0, 0
	for round := range 50 {
		for range round % 7 {
			n := put
			b.put(item{do: func(*loop) { got = append(got, n) }})
			put++
		}
		if n := b.waiting.Load(); n != int64(put-want) {
			t.Fatalf("round %d: %d items wait, want %d", round, n, put-want)
		}
		if round%3 == 0 {
			continue
		}
		items := b.take()
		for _, it := range items {
			it.do(nil)
		}
		b.giveBack(items)
		if want = put; len(items) > 0 && items[0].do != nil {
			t.Fatalf("round %d: what was given back still holds on to an item", round)
		}
	}
	for i, n := range got {
		if n != i {
			t.Fatalf("item %d left as number %d", n, i)
		}
	}
	if len(got) != want {
		t.Errorf("%d items left, want %d", len(got), want)
	}
}
