package channel_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// picky is a store that several hubs have, and that fails at some of its methods. It counts calls.
type picky struct {
	*memory.Store
	unread  atomic.Bool // Range fails
	unknown atomic.Bool // Append stores nothing, and does not say so
	refuse  atomic.Bool // Own does
	stuck   atomic.Bool // SetLimitIn waits until its context ends
	away    atomic.Bool // all but Append fails

	infos, owns, begun, appends, limits atomic.Int64
}

func (s *picky) Append(ctx context.Context, entries []channel.Entry) []error {
	s.appends.Add(1)
	if s.unknown.Load() {
		return all(entries, channel.ErrUnknown)
	}
	return s.Store.Append(ctx, entries)
}

func (s *picky) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	if s.unread.Load() || s.away.Load() {
		return nil, channel.ErrUnavailable
	}
	return s.Store.Range(ctx, key, from, to, reverse, limit, maxBytes)
}

func (s *picky) Info(ctx context.Context, key string) (channel.Info, error) {
	s.infos.Add(1)
	if s.away.Load() {
		return channel.Info{}, channel.ErrUnavailable
	}
	return s.Store.Info(ctx, key)
}

func (s *picky) Own(ctx context.Context, key string, owner channel.Owner) (channel.Info, error) {
	s.owns.Add(1)
	if s.away.Load() {
		return channel.Info{}, channel.ErrUnavailable
	}
	if s.refuse.Load() {
		return channel.Info{}, &channel.Owned{Epoch: owner.Epoch}
	}
	return s.Store.Own(ctx, key, owner)
}

func (s *picky) BeginEpoch(ctx context.Context, known int64) (channel.Epoch, error) {
	s.begun.Add(1)
	if s.away.Load() {
		return channel.Epoch{}, channel.ErrUnavailable
	}
	return s.Store.BeginEpoch(ctx, known)
}

func (s *picky) SetLimitIn(ctx context.Context, epoch int64, node string, limit int64) (channel.Epoch, error) {
	s.limits.Add(1)
	if s.away.Load() {
		return channel.Epoch{}, channel.ErrUnavailable
	}
	if s.stuck.Load() {
		<-ctx.Done()
		return channel.Epoch{}, ctx.Err()
	}
	return s.Store.SetLimitIn(ctx, epoch, node, limit)
}

func newPicky() *picky { return &picky{Store: memory.New(memory.Config{})} }

// owner opens a hub that believes that it owns all keys.
func owner(t *testing.T, store channel.Store, name string) (*channel.Hub, *sink) {
	t.Helper()
	h, sinks := open(t, store, 1, func(c *channel.Config) {
		c.Node, c.StoreTimeout, c.Owns = name, time.Second, func(string) bool { return true }
	})
	return h, sinks[0]
}

// ahead is a push that asks for a mid that is ahead of the clock.
func ahead(key, payload string, by time.Duration) message.Push {
	p, mid := push(key, payload, time.Hour), message.MidAt(time.Now().Add(by))
	p.Mids = message.Span{First: mid, Last: mid + 1000}
	return p
}

// A node that has a key again, and of which nobody knows whether its last push was stored, leaves no room below that for live-only messages as long as what
// another node stored meanwhile cannot be read.
func TestALivePushPassesNothingThatCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newPicky()
		a, sink := owner(t, s, "a")
		b, _ := owner(t, s, "b")
		c, _, _ := subscribe(t, a, sink, "k", 1)
		publish(t, a, push("k", "1", time.Hour))
		s.unknown.Store(true)
		if r := publish(t, a, ahead("k", "unknown", 30*time.Minute))[0]; !errors.Is(r.Err, channel.ErrUnknown) {
			t.Fatalf("the push of which nothing is known: %+v", r)
		}
		s.unknown.Store(false)
		s.unread.Store(true)
		if r := publish(t, b, push("k", "2", time.Hour))[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
		before := s.appends.Load()
		if r := publish(t, a, push("k", "3", time.Hour))[0]; !errors.Is(r.Err, channel.ErrUnavailable) {
			t.Errorf("push after one that cannot be read: %+v, want ErrUnavailable", r)
		}
		if n := s.appends.Load() - before; n > 2 {
			t.Errorf("a push that cannot be stored was tried %d times", n)
		}
		publish(t, a, push("k", "live", 0))
		s.unread.Store(false)
		time.Sleep(10 * time.Second)
		publish(t, a, push("k", "4", time.Hour))
		if got := textOf(sink.of(c)); got != "124" && got != "12live4" {
			t.Errorf("the subscriber was posted %q, want 124", got)
		}
	})
}

// What another node stored, and could not be read when this one took the key over, comes though nothing is pushed any more.
func TestWhatANewOwnerCouldNotReadComesLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newPicky()
		a, sink := owner(t, s, "a")
		b, _ := owner(t, s, "b")
		c, _, _ := subscribe(t, a, sink, "k", 1)
		publish(t, a, push("k", "1", time.Hour))
		publish(t, b, push("k", "2", time.Hour))
		s.unread.Store(true)
		if r := publish(t, a, push("k", "3", time.Hour))[0]; !errors.Is(r.Err, channel.ErrUnavailable) {
			t.Errorf("push after one that cannot be read: %+v, want ErrUnavailable", r)
		}
		s.unread.Store(false)
		time.Sleep(10 * time.Second)
		if got := textOf(sink.of(c)); got != "12" {
			t.Errorf("the subscriber was posted %q, want 12", got)
		}
	})
}

// What the store says of a key when it is owned is not asked for again.
func TestAKeyIsOwnedAndLoadedInOneCall(t *testing.T) {
	t.Parallel()
	s := newPicky()
	a, _ := owner(t, s, "a")
	publish(t, a, push("before", "", time.Hour))
	s.infos.Store(0)
	s.owns.Store(0)
	publish(t, a, push("k", "", time.Hour))
	if infos, owns := s.infos.Load(), s.owns.Load(); infos != 0 || owns != 1 {
		t.Errorf("the store was asked %d times about the key, and to own it %d times; want 0 and 1", infos, owns)
	}
}

// A key that another node has again and again is refused in time, and the store is not asked without pause.
func TestAKeyThatCannotBeOwned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newPicky()
		s.refuse.Store(true)
		a, _ := owner(t, s, "a")
		began := time.Now()
		r := publish(t, a, push("k", "", time.Hour))[0]
		if took := time.Since(began); !errors.Is(r.Err, channel.ErrUnavailable) || took > 1100*time.Millisecond {
			t.Errorf("push %+v after %v", r, took)
		}
		if owns, begun := s.owns.Load(), s.begun.Load(); owns > 12 || begun > 12 {
			t.Errorf("the store was asked %d times whose the key is, and %d epochs were begun", owns, begun)
		}
	})
}

// tardy is a store that several hubs have, of which an append of "late" has no outcome, and is carried out when it is told to.
type tardy struct {
	*picky
	kept atomic.Pointer[[]channel.Entry]
}

func (s *tardy) Append(ctx context.Context, entries []channel.Entry) []error {
	if string(entries[0].Payload) == "late" {
		s.kept.Store(&entries)
		return all(entries, channel.ErrUnknown)
	}
	return s.picky.Append(ctx, entries)
}

func (s *tardy) land(t *testing.T) error { return s.picky.Append(t.Context(), *s.kept.Load())[0] }

// An append that was given up, and that the store carries out when its key was found without it, hides nothing: neither where somebody listens all the
// time, nor where the key is forgotten meanwhile.
func TestAnAppendThatIsCarriedOutLate(t *testing.T) {
	t.Parallel()
	for name, listens := range map[string]bool{"heard": true, "forgotten": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &tardy{picky: newPicky()}
				a, sink := owner(t, s, "a")
				var c *channel.Channel
				want := "1live2"
				if listens {
					c, _, _ = subscribe(t, a, sink, "k", 1)
				}
				publish(t, a, push("k", "1", time.Hour), push("other", "1", time.Hour))
				if r := publish(t, a, push("k", "late", time.Hour))[0]; !errors.Is(r.Err, channel.ErrUnknown) {
					t.Fatalf("the push of which nothing is known: %+v", r)
				}
				time.Sleep(5 * time.Second)
				if !listens {
					c, _, _ = subscribe(t, a, sink, "k", 1)
					want = "live2"
				}
				if r := publish(t, a, push("k", "live", 0))[0]; r.Err != nil {
					t.Errorf("live-only push when the store was read: %+v", r)
				}
				if err := s.land(t); err == nil {
					t.Error("the store has taken what was given up, below a live-only message")
				}
				if r := publish(t, a, push("k", "2", time.Hour), push("other", "2", time.Hour)); r[0].Err != nil || r[1].Err != nil {
					t.Errorf("the next pushes: %+v", r)
				}
				if got := textOf(sink.of(c)); got != want {
					t.Errorf("the subscriber was posted %q, want %q", got, want)
				}
			})
		})
	}
}

// While the store is away a key that is in doubt stays the node's: live-only messages go on below the doubt.
func TestAKeyInDoubtStaysOwnedWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &tardy{picky: newPicky()}
		a, sink := owner(t, s, "a")
		c, _, _ := subscribe(t, a, sink, "k", 1)
		publish(t, a, push("k", "1", time.Hour))
		time.Sleep(100 * time.Millisecond)
		s.away.Store(true)
		publish(t, a, push("k", "late", time.Hour))
		for range 3 {
			time.Sleep(time.Second)
			if r := publish(t, a, push("k", "live", 0))[0]; r.Err != nil {
				t.Errorf("live-only push while the store is away: %+v", r)
			}
		}
		s.away.Store(false)
		if err := s.land(t); err != nil {
			t.Errorf("what was given up is refused, though its key is not owned anew: %v", err)
		}
		time.Sleep(5 * time.Second)
		if got := textOf(sink.of(c)); got != "1livelivelivelate" {
			t.Errorf("the subscriber was posted %q", got)
		}
	})
}

// Nothing fails since the node goes from one epoch to the next at that moment: for want of a limit, it would seem.
func TestPushesWaitForTheNextEpoch(t *testing.T) {
	t.Parallel()
	s := newPicky()
	a, sink := owner(t, s, "a")
	b, _ := owner(t, s, "b")
	subscribe(t, a, sink, "held", 1)
	var pushes []message.Push
	for i := range 500 {
		subscribe(t, a, sink, fmt.Sprint(i), uint32(i+2))
		pushes = append(pushes, push(fmt.Sprint(i), "stored", time.Hour))
	}
	publish(t, a, pushes...)
	publish(t, a, push("x", "1", time.Hour))
	publish(t, b, push("x", "2", time.Hour)) // in the next epoch

	var running sync.WaitGroup
	answered := make(chan message.Receipt, len(pushes)+2)
	start := func(p message.Push) {
		running.Go(func() { answered <- a.Publish(t.Context(), []message.Push{p})[0] })
	}
	sink.mu.Lock()
	start(push("held", "live", 0)) // with the lock of its bucket
	limits := s.limits.Load()
	start(push("x", "3", time.Hour))
	for s.limits.Load() == limits {
		runtime.Gosched()
	}
	for _, p := range pushes {
		start(p)
	}
	for range 10 {
		time.Sleep(10 * time.Millisecond) // pushes that fail have time to
		select {
		case r := <-answered:
			if r.Err != nil {
				t.Errorf("push while the node is between epochs: %v", r.Err)
			}
		default:
		}
	}
	sink.mu.Unlock()
	running.Wait()
	close(answered)
	for r := range answered {
		if r.Err != nil {
			t.Fatalf("push while the node is between epochs: %v", r.Err)
		}
	}
}

// A limit that the store does not answer for while it is renewed in the background holds up no push for longer than two timeouts.
func TestARenewalThatHangsHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newPicky()
		a, _ := owner(t, s, "a")
		publish(t, a, push("k", "", time.Hour))
		time.Sleep(1200 * time.Millisecond)
		s.stuck.Store(true)
		publish(t, a, push("k", "", time.Hour)) // has the limit renewed
		synctest.Wait()
		time.Sleep(5 * time.Second)
		answered := make(chan message.Receipt, 1)
		began := time.Now()
		go func() {
			answered <- a.Publish(context.Background(), []message.Push{push("other", "", time.Hour)})[0]
		}()
		select {
		case <-answered:
			if took := time.Since(began); took > 2100*time.Millisecond {
				t.Errorf("the push was answered after %v", took)
			}
		case <-time.After(time.Minute):
			s.stuck.Store(false)
			t.Error("the push is not answered")
		}
	})
}

// However a push comes to be live only, its mid is not above the limit.
func TestALivePushBelowTheUnknownOneStaysBelowTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &leaving{Store: memory.New(memory.Config{})}
		h, sinks := open(t, limitless{s}, 1, nil)
		subscribe(t, h, sinks[0], "k", 1)
		publish(t, h, ahead("k", "first", 30*time.Minute))
		publish(t, h, ahead("k", "unknown", 40*time.Minute))
		r := publish(t, h, push("k", "live", 0))[0]
		limit, err := s.MidLimit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r.Err == nil && r.Mid > limit {
			t.Errorf("a live-only message has mid %d, and the limit is %d", r.Mid, limit)
		}
	})
}

// limitless is leaving, and away for mid limits, too.
type limitless struct{ *leaving }

func (s limitless) SetMidLimit(ctx context.Context, node string, limit int64) error {
	if s.away.Load() {
		return channel.ErrUnavailable
	}
	return s.Store.SetMidLimit(ctx, node, limit)
}
