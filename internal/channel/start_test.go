package channel_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// late is what a Start told later.
type late struct {
	receipts chan []message.Receipt
	flushed  chan bool // the sink was flushed after it
	told     atomic.Bool
}

func newLate(s *sink) *late {
	l := &late{receipts: make(chan []message.Receipt, 1), flushed: make(chan bool, 100)}
	s.flushed = func() {
		if l.told.Load() {
			l.flushed <- true
		}
	}
	return l
}

func (l *late) done(r []message.Receipt) {
	l.told.Store(true)
	l.receipts <- r
}

func TestStartAnswersAtOnceWhatNeedNotWait(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, memory.New(memory.Config{}), 2, nil)
	flushes := make(chan bool, 2)
	sinks[1].flushed = func() { flushes <- true }
	c, _, _ := subscribe(t, h, sinks[1], "k", 1)
	publish(t, h, push("k", "loads the key", 0))
	<-flushes

	pushes := []message.Push{push("k", "a", 0), push("nobody", "b", 0), push("", "c", 0)}
	got, posted := h.Start(sinks[0].id, pushes, func([]message.Receipt) { t.Error("done was told, too") })
	if len(got) != 3 || got[0].Subscribers != 1 || got[0].Err != nil || got[1].Err != nil || got[2].Err == nil {
		t.Errorf("Start = %+v, want a receipt with one subscriber, one with none, and an error", got)
	}
	if h.Flush(posted); len(flushes) != 1 || len(sinks[1].of(c)) != 2 {
		t.Errorf("%d messages posted, the sink flushed %d times; want 2 and 1", len(sinks[1].of(c)), len(flushes))
	}
}

func TestStartTellsLaterWhatHasToWait(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		pushes []message.Push
	}{
		{"stored", []message.Push{push("k", "a", time.Minute)}},
		{"live only behind a stored one", []message.Push{push("k", "a", time.Minute), push("k", "b", 0)}},
		{"one of many", []message.Push{push("x", "a", 0), push("k", "b", time.Minute), push("", "c", 0)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h, sinks := open(t, memory.New(memory.Config{}), 1, nil)
			l := newLate(sinks[0])
			got, posted := h.Start(sinks[0].id, row.pushes, l.done)
			if got != nil {
				t.Fatalf("Start = %+v at once", got)
			}
			h.Flush(posted)
			got = <-l.receipts
			<-l.flushed
			for i, p := range row.pushes {
				if bad := got[i].Err != nil || got[i].Mid == 0; bad != (p.Key == "") || got[i].Stored != (p.Expire > 0) {
					t.Errorf("receipt %d = %+v of push %+v", i, got[i], p)
				}
			}
		})
	}
}

// unreadable is a store that cannot tell what it has.
type unreadable struct{ *memory.Store }

func (unreadable) Info(context.Context, string) (channel.Info, error) {
	return channel.Info{}, channel.ErrUnavailable
}

// A push that fails without having been tried is told of as well, and its sink flushed.
func TestStartTellsWhatFailed(t *testing.T) {
	t.Parallel()
	h, sinks := open(t, unreadable{memory.New(memory.Config{})}, 1, nil)
	l := newLate(sinks[0])
	_, posted := h.Start(sinks[0].id, []message.Push{push("k", "a", time.Minute), push("k", "b", time.Minute)}, l.done)
	h.Flush(posted)
	got := <-l.receipts
	<-l.flushed
	if got[0].Err == nil || got[1].Err == nil {
		t.Errorf("receipts %+v, want errors", got)
	}
}

// Calls that are started one after the other, without waiting, are released in that order.
func TestStartedPushesOfAKeyKeepTheirOrder(t *testing.T) {
	t.Parallel()
	const calls = 300
	h, sinks := open(t, memory.New(memory.Config{}), 1, nil)
	c, _, _ := subscribe(t, h, sinks[0], "k", 1)
	var wg sync.WaitGroup
	wg.Add(calls)
	for i := range calls {
		expire := time.Duration(i*7%3) * time.Minute
		done := func([]message.Receipt) { wg.Done() }
		got, posted := h.Start(sinks[0].id, []message.Push{push("k", fmt.Sprint(i), expire)}, done)
		if got != nil {
			wg.Done()
		}
		h.Flush(posted)
	}
	wg.Wait()
	for i, m := range sinks[0].of(c) {
		if string(m.Payload) != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, m.Payload)
		}
	}
}

func TestAStartedPushAllocatesItsCall(t *testing.T) {
	h, sinks := open(t, memory.New(memory.Config{}), 1, nil)
	pushes := []message.Push{push("nobody", "a", 0)}
	done := func([]message.Receipt) {}
	if n := testing.AllocsPerRun(1000, func() { h.Start(sinks[0].id, pushes, done) }); n > 1 {
		t.Errorf("%v allocations, want at most 1", n)
	}
}
