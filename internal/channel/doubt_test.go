package channel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// leaving is a store that stores an append, does not say so, and is away from then on until it is back.
type leaving struct {
	*memory.Store
	away atomic.Bool
}

func (s *leaving) Append(ctx context.Context, e []channel.Entry) []error {
	switch {
	case s.away.Load():
		return all(e, channel.ErrUnavailable)
	case string(e[0].Payload) == "unknown":
		s.Store.Append(ctx, e)
		s.away.Store(true)
		return all(e, channel.ErrUnknown)
	}
	return s.Store.Append(ctx, e)
}

func (s *leaving) Info(ctx context.Context, key string) (channel.Info, error) {
	if s.away.Load() {
		return channel.Info{}, channel.ErrUnavailable
	}
	return s.Store.Info(ctx, key)
}

func (s *leaving) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	if s.away.Load() {
		return nil, channel.ErrUnavailable
	}
	return s.Store.Range(ctx, key, from, to, reverse, limit, maxBytes)
}

// While the store is away live-only messages go on, with mids below that of a message of which nobody knows whether it is stored: if it is,
// it comes after them. Above it nobody would ever see it who has seen them, though who pushes it again is told that it is stored.
func TestLiveMessagesLeaveRoomForTheUnknownOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &leaving{Store: memory.New(memory.Config{})}
		h, sinks := open(t, s, 1, nil)
		c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
		want := "first "
		publish(t, h, push("k", "first", time.Minute))
		time.Sleep(time.Millisecond)
		if r := publish(t, h, push("k", "unknown", time.Minute))[0]; !errors.Is(r.Err, channel.ErrUnknown) {
			t.Fatalf("the push of which nothing is known: %v", r.Err)
		}
		for i := range 20 {
			time.Sleep(time.Second)
			payload := fmt.Sprint("live", i)
			if r := publish(t, h, push("k", payload, 0))[0]; r.Err != nil || r.Subscribers != 1 {
				t.Errorf("push of %s while the store is away: %+v", payload, r)
			}
			want += payload + " "
		}
		s.away.Store(false)
		for _, payload := range []string{"next", "last"} {
			if r := publish(t, h, push("k", payload, time.Minute))[0]; r.Err != nil {
				t.Errorf("push of %s when the store is back: %v", payload, r.Err)
			}
		}
		want += "unknown next last"
		var got []string
		for _, m := range sinks[0].of(c) {
			got = append(got, string(m.Payload))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("posted %q, want %q", got, want)
		}
		checkChain(t, sinks[0].of(c), barrier)
	})
}

// Where there is no room for a live-only message it fails: it may be absent, but hides nothing.
func TestALiveMessageFailsRatherThanHideTheUnknownOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &leaving{Store: memory.New(memory.Config{})}
		h, sinks := open(t, s, 1, nil)
		c, _, _ := subscribe(t, h, sinks[0], "k", 1)
		publish(t, h, push("k", "first", time.Minute))
		publish(t, h, push("k", "unknown", time.Minute)) // at the same time: its mid is the next one
		if r := publish(t, h, push("k", "live", 0))[0]; !errors.Is(r.Err, channel.ErrUnavailable) {
			t.Errorf("a live-only push for which there is no room: %+v, want ErrUnavailable", r)
		}
		s.away.Store(false)
		time.Sleep(time.Second)
		publish(t, h, push("k", "live again", 0))
		var got []string
		for _, m := range sinks[0].of(c) {
			got = append(got, string(m.Payload))
		}
		if want := "first unknown live again"; strings.Join(got, " ") != want {
			t.Errorf("posted %q, want %q", got, want)
		}
	})
}

// A message of unknown outcome reaches who listens also when nothing is pushed after it.
func TestTheUnknownOneComesThoughNothingFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &leaving{Store: memory.New(memory.Config{})}
		h, sinks := open(t, s, 1, nil)
		c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
		publish(t, h, push("k", "unknown", time.Minute))
		time.Sleep(10 * time.Second)
		if got := sinks[0].of(c); len(got) != 0 {
			t.Errorf("posted %v while the store is away", got)
		}
		s.away.Store(false)
		time.Sleep(10 * time.Second)
		checkChain(t, sinks[0].of(c), barrier)
		if got := sinks[0].of(c); len(got) != 1 {
			t.Errorf("posted %v when the store is back, want what it had", got)
		}
	})
}

// stalling is a store that may be read while an append waits, whatever becomes of its context.
type stalling struct {
	*memory.Store
	goOn chan struct{}
}

func (s *stalling) Append(ctx context.Context, e []channel.Entry) []error {
	<-s.goOn
	return s.Store.Append(context.WithoutCancel(ctx), e)
}

// What an append was given up for may be stored as long as that has not come back: that it is not there yet tells nothing, and live-only messages go on
// leaving room for it.
func TestLiveMessagesLeaveRoomForWhatIsStillBeingStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stalling{Store: memory.New(memory.Config{}), goOn: make(chan struct{}, 1)}
		h, sinks := open(t, s, 1, nil)
		defer close(s.goOn)
		c, _, barrier := subscribe(t, h, sinks[0], "k", 1)
		s.goOn <- struct{}{}
		publish(t, h, push("k", "first", time.Minute))
		time.Sleep(time.Millisecond)
		if r := publish(t, h, push("k", "unknown", time.Minute))[0]; !errors.Is(r.Err, channel.ErrUnknown) {
			t.Fatalf("the push of which nothing is known: %v", r.Err)
		}
		for range 3 {
			time.Sleep(time.Second)
			if r := publish(t, h, push("k", "live", 0))[0]; r.Err != nil {
				t.Errorf("live-only push while an append is under way: %v", r.Err)
			}
		}
		s.goOn <- struct{}{} // it is stored after all
		synctest.Wait()
		if r := publish(t, h, push("k", "live again", 0))[0]; r.Err != nil {
			t.Errorf("live-only push when it has come back: %v", r.Err)
		}
		var got []string
		for _, m := range sinks[0].of(c) {
			got = append(got, string(m.Payload))
		}
		if want := "first live live live unknown live again"; strings.Join(got, " ") != want {
			t.Errorf("posted %q, want %q", got, want)
		}
		checkChain(t, sinks[0].of(c), barrier)
	})
}
