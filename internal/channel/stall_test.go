package channel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/channel"
	"gopush/internal/store/memory"
)

// stalled is a store that answers reads of keys' records only when their time is up.
type stalled struct{ *memory.Store }

func (s *stalled) Info(ctx context.Context, key string) (channel.Info, error) {
	<-ctx.Done()
	return channel.Info{}, errors.Join(channel.ErrUnavailable, ctx.Err())
}

func TestAStalledStoreHoldsLivePushesToManyKeysForStoreTimeoutAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, sinks := open(t, &stalled{memory.New(memory.Config{})}, 1, func(c *channel.Config) { c.StoreTimeout = 2 * time.Second })
		var wg sync.WaitGroup
		for i := range 50 {
			key := fmt.Sprint(i)
			subscribe(t, h, sinks[0], key, uint32(i+1))
			wg.Go(func() {
				at := time.Now()
				publish(t, h, push(key, "live", 0))
				if took := time.Since(at); took > 2*time.Second {
					t.Errorf("the push to key %s took %v, want 2 s at most", key, took)
				}
			})
			time.Sleep(10 * time.Millisecond)
		}
		wg.Wait()
	})
}

// gated is a store whose appends are durable at once and are answered when the test says so.
type gated struct {
	*memory.Store
	answer chan func([]error) []error
}

func (s *gated) Append(ctx context.Context, entries []channel.Entry) []error {
	results := s.Store.Append(ctx, entries)
	return (<-s.answer)(results)
}

func asItIs(results []error) []error { return results }

func unknown(results []error) []error {
	for i := range results {
		results[i] = channel.ErrUnknown
	}
	return results
}

// A live-only push waits for a stored one of its own key and for nothing else, however the store hangs:
// not for other keys' in the same bucket, and not if the store has to be asked about its key first.
func TestALivePushDoesNotWaitForOtherKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &gated{memory.New(memory.Config{}), make(chan func([]error) []error)}
		h, sinks := open(t, s, 1, func(c *channel.Config) { c.StoreTimeout = time.Hour })
		var stored, behind sync.WaitGroup
		for range 2 { // one is being stored, one waits for its turn
			stored.Go(func() { publish(t, h, push("busy", "stored", time.Minute)) })
			synctest.Wait()
		}
		stored.Go(func() { publish(t, h, push("other", "stored", time.Minute)) })
		synctest.Wait()
		var late atomic.Bool
		behind.Go(func() {
			publish(t, h, push("busy", "live", 0))
			late.Store(true)
		})
		synctest.Wait()
		if late.Load() {
			t.Error("the live push to the key that is busy did not wait for what is being stored")
		}

		for i := range 4 * 256 { // several in each bucket
			key := fmt.Sprint(i)
			subscribe(t, h, sinks[0], key, uint32(i+1))
			for _, payload := range []string{"the store is asked first", "it is not"} {
				if r := publish(t, h, push(key, payload, 0))[0]; r.Err != nil || r.Subscribers != 1 {
					t.Errorf("a live push to key %s: %+v", key, r)
				}
			}
		}

		s.answer <- asItIs
		s.answer <- asItIs
		stored.Wait()
		behind.Wait()
	})
}

// A live-only message that comes after a stored one of which the store did not tell the outcome
// is posted after it, and says that it was there: else nobody could see that he missed it.
func TestALiveMessageComesAfterTheUnknownOneBeforeIt(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]bool{"built together": true, "later": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &gated{memory.New(memory.Config{}), make(chan func([]error) []error)}
				h, sinks := open(t, s, 1, func(c *channel.Config) { c.StoreTimeout = time.Hour })
				c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
				var pushes sync.WaitGroup
				start := func(payload string, expire time.Duration) {
					pushes.Go(func() { publish(t, h, push("k", payload, expire)) })
					synctest.Wait()
				}
				start("first", time.Minute)
				start("unknown", time.Minute)
				if between {
					start("live", 0)
				}
				s.answer <- asItIs
				s.answer <- unknown
				synctest.Wait()
				if !between {
					start("live", 0)
				}
				pushes.Wait()

				var got string
				for _, m := range sinks[0].of(c) {
					got += string(m.Payload) + " "
				}
				if got != "first unknown live " {
					t.Errorf("posted %q, want first, unknown, live", got)
				}
				checkChain(t, sinks[0].of(c), barrier)
			})
		})
	}
}

// A push that has waited so long that there is hardly time left to store it fails by itself: the
// pushes of other keys that are stored with it have their time.
func TestAPushThatWaitedTooLongFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		s := &failing{Store: memory.New(memory.Config{})}
		s.append = func(ctx context.Context, e []channel.Entry) []error {
			takes := 200 * time.Millisecond
			if calls.Add(1) == 1 {
				takes = 1900 * time.Millisecond
			}
			select {
			case <-time.After(takes):
				return s.Store.Append(ctx, e)
			case <-ctx.Done():
				return all(e, channel.ErrUnknown)
			}
		}
		h, _ := open(t, s, 1, func(c *channel.Config) { c.StoreTimeout = 2 * time.Second })
		var pushes sync.WaitGroup
		start := func(key string, want error) {
			pushes.Go(func() {
				if r := publish(t, h, push(key, "x", time.Minute))[0]; !errors.Is(r.Err, want) {
					t.Errorf("push to %s: %v, want %v", key, r.Err, want)
				}
			})
			synctest.Wait()
		}
		start("busy", nil)
		time.Sleep(50 * time.Millisecond)
		start("busy", channel.ErrUnavailable)
		time.Sleep(1800 * time.Millisecond)
		for i := range 5 {
			start(fmt.Sprint("fresh", i), nil)
		}
		pushes.Wait()
	})
}

func TestABatchIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const bound = 5 << 20 // 4 MiB and one message
		var calls, most atomic.Int64
		s := &failing{Store: memory.New(memory.Config{})}
		s.append = func(ctx context.Context, e []channel.Entry) []error {
			if calls.Add(1) == 1 {
				time.Sleep(time.Second)
			}
			size := 0
			for i := range e {
				size += len(e[i].Payload)
			}
			most.Store(max(most.Load(), int64(size)))
			return s.Store.Append(ctx, e)
		}
		h, _ := open(t, s, 1, nil)
		var pushes sync.WaitGroup
		for i := range 16 {
			pushes.Go(func() {
				if r := publish(t, h, push(fmt.Sprint(i), strings.Repeat("x", 1<<20), time.Minute))[0]; r.Err != nil {
					t.Error(r.Err)
				}
			})
			synctest.Wait()
		}
		pushes.Wait()
		if most.Load() > bound {
			t.Errorf("an append had %d bytes, want %d at most", most.Load(), bound)
		}
	})
}

// hanging is a store whose first append comes back when the test says so, whatever its context says.
type hanging struct {
	*memory.Store
	calls   atomic.Int64
	release chan struct{}
}

func (s *hanging) Append(ctx context.Context, entries []channel.Entry) []error {
	results := s.Store.Append(ctx, entries)
	if s.calls.Add(1) == 1 {
		<-s.release
	}
	return results
}

// An append that does not come back is given up when its pushes have waited for store_timeout: they are answered, once, and others
// are stored meanwhile.
func TestAnAppendThatDoesNotComeBackIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &hanging{Store: memory.New(memory.Config{}), release: make(chan struct{})}
		h, sinks := open(t, s, 1, func(c *channel.Config) { c.StoreTimeout = 2 * time.Second })
		c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
		var pushes sync.WaitGroup
		start := func(key, payload string, expire time.Duration, want error) {
			began := time.Now()
			pushes.Go(func() {
				r := publish(t, h, push(key, payload, expire))[0]
				if took := time.Since(began); !errors.Is(r.Err, want) || took > 2*time.Second {
					t.Errorf("push of %q to %s: %v after %v, want %v after 2 s at most", payload, key, r.Err, took, want)
				}
			})
			synctest.Wait()
		}
		start("k", "hangs", time.Minute, channel.ErrUnknown)
		time.Sleep(time.Second)
		start("k", "live", 0, nil)
		start("other", "behind", time.Minute, nil)
		pushes.Wait()
		start("k", "next", time.Minute, nil)
		pushes.Wait()
		close(s.release)
		synctest.Wait()
		start("other", "later", time.Minute, nil)
		pushes.Wait()

		var got string
		for _, m := range sinks[0].of(c) {
			got += string(m.Payload) + " "
		}
		if got != "hangs live next " {
			t.Errorf("posted %q, want hangs, live, next", got)
		}
		checkChain(t, sinks[0].of(c), barrier)
	})
}
