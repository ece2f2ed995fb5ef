package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis/redisserver"
	"gopush/internal/store/redis"
)

// owner appends to a key of its own, one message after the other, as a node that owns it does, and remembers what it was told.
type owner struct {
	s   *redis.Store
	key string

	acknowledged atomic.Int64

	last    int64
	sure    map[int64]bool // mids whose append was acknowledged
	never   map[int64]bool // mids whose append was refused, or undone
	doubted int
}

func newOwner(s *redis.Store, key string) *owner {
	return &owner{s: s, key: key, sure: map[int64]bool{}, never: map[int64]bool{}}
}

// run appends until stop is closed.
func (o *owner) run(t *testing.T, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			o.append(t)
		}
	}
}

func (o *owner) append(t *testing.T) {
	e := entry(o.key, message.NextMid(time.Now(), o.last), o.last)
	e.Expires = message.Never
	start := time.Now()
	err := appendTo(o.s, e)
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("Append to %s took %v, with a deadline of 2 s: %v", o.key, took, err)
	}
	switch {
	case err == nil:
		o.sure[e.Mid], o.last = true, e.Mid
		o.acknowledged.Add(1)
	case errors.Is(err, channel.ErrUnknown):
		o.doubted++
		o.ask(t)
	case errors.Is(err, channel.ErrUnavailable):
		o.never[e.Mid] = true
		wait(time.Millisecond)
	case errors.Is(err, channel.ErrOrder):
		o.never[e.Mid] = true
		o.ask(t) // what was in doubt was stored after it was asked for
	default:
		t.Errorf("Append to %s: %v", o.key, err)
	}
}

// ask learns the key's last mid, as an owner does after an append whose outcome is unknown; what it does not see meets the fence.
func (o *owner) ask(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if info, err := o.s.Info(ctx, o.key); err == nil {
		o.last = info.Last
	} else if !errors.Is(err, channel.ErrUnavailable) {
		t.Errorf("Info of %s: %v", o.key, err)
	}
}

// check compares what is stored with what the owner was told.
func (o *owner) check(t *testing.T, s *redis.Store) {
	t.Helper()
	found, err := s.Range(t.Context(), o.key, 0, math.MaxInt64, false, 0, 0)
	if err != nil {
		t.Fatalf("Range of %s: %v", o.key, err)
	}
	there, last := map[int64]bool{}, int64(0)
	for _, m := range found {
		if m.Prev != last {
			t.Errorf("%s: %d follows %d, its prev is %d", o.key, m.Mid, last, m.Prev)
		}
		if o.never[m.Mid] {
			t.Errorf("%s: %d is there, Append said that it is not", o.key, m.Mid)
		}
		there[m.Mid], last = true, m.Mid
	}
	for mid := range o.sure {
		if !there[mid] {
			t.Errorf("%s: %d was acknowledged and is not there", o.key, mid)
		}
	}
	t.Logf("%s: %d acknowledged, %d in doubt, %d refused", o.key, len(o.sure), o.doubted, len(o.never))
}

// under runs owners of a few keys while f does what it does, and checks all of it.
func under(t *testing.T, s *redis.Store, f func(owners []*owner)) {
	t.Helper()
	var owners []*owner
	var running sync.WaitGroup
	stop := make(chan struct{})
	for i := range 6 {
		o := newOwner(s, fmt.Sprint("k", i))
		owners = append(owners, o)
		running.Go(func() { o.run(t, stop) })
	}
	f(owners)
	close(stop)
	running.Wait()
	for _, o := range owners {
		o.check(t, s)
		if len(o.sure) == 0 {
			t.Errorf("nothing was stored for %s", o.key)
		}
	}
}

// goOn waits until each owner had an append acknowledged that it began after now.
func goOn(t *testing.T, owners []*owner) {
	t.Helper()
	for _, o := range owners {
		before := o.acknowledged.Load()
		eventually(t, "stored pushes to "+o.key+" go on", func() bool { return o.acknowledged.Load() > before+1 })
	}
}

// wait lets owners work.
func wait(d time.Duration) { <-time.After(d) }

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); wait(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestKilledUnderLoad: what was acknowledged is there when Redis comes back after it was killed, and what is said of the rest is true.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := mustOpen(t, redis.Config{Addresses: []string{server.Addr}})
	under(t, s, func([]*owner) {
		for range 3 {
			wait(300 * time.Millisecond)
			server.Kill()
			wait(100 * time.Millisecond)
			if err := server.Restart(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the store is healthy again", func() bool { return s.Healthy() == nil })
			mustAppend(t, s, fmt.Sprint("after a restart ", time.Now()))
		}
	})
}

// TestGone: while nobody listens, calls fail at once; and the store says so.
func TestGone(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s := mustOpen(t, redis.Config{Addresses: []string{server.Addr}})
	mustAppend(t, s, "k")
	server.Kill()
	eventually(t, "the store says that Redis is away", func() bool { return s.Healthy() != nil })
	start := time.Now()
	for range 100 {
		if err := appendTo(s, entry("k", message.MidAt(time.Now()), 0)); !errors.Is(err, channel.ErrUnavailable) {
			t.Fatalf("Append without a Redis = %v, want ErrUnavailable", err)
		}
		if _, err := s.Info(t.Context(), "k"); !errors.Is(err, channel.ErrUnavailable) {
			t.Fatalf("Info without a Redis = %v, want ErrUnavailable", err)
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("200 calls without a Redis took %v", took)
	}
}

// TestLost: a Redis that comes back empty has no record of what was before.
func TestLost(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s := mustOpen(t, redis.Config{Addresses: []string{server.Addr}})
	mustAppend(t, s, "k")
	before, err := s.Info(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what is known begins anew", func() bool {
		info, err := s.Info(t.Context(), "k")
		return err == nil && info.Last == 0 && info.Since > before.Last
	})
}

// TestRefused: what Redis refuses is not stored, and the error says why.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		command []string
		want    string
	}{
		{"memory is full", []string{"CONFIG", "SET", "maxmemory", "1"}, "OOM"},
		{"too few replicas", []string{"CONFIG", "SET", "min-replicas-to-write", "1"}, "NOREPLICAS"},
		{"a replica", []string{"REPLICAOF", "127.0.0.1", "1"}, "READONLY"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := redisserver.Start(t)
			s := mustOpen(t, redis.Config{Addresses: []string{server.Addr}})
			mustAppend(t, s, "k")
			send(t, raw(t, server.Addr), test.command...)
			restarted := mustOpen(t, redis.Config{Addresses: []string{server.Addr}})
			for _, s := range []*redis.Store{s, restarted} {
				if info, err := s.Info(t.Context(), "k"); err != nil || info.Length != 1 {
					t.Errorf("Info = %+v, %v, want one message: it may be read", info, err)
				}
			}
			err := appendTo(s, entry("new", message.MidAt(time.Now()), 0))
			if !errors.Is(err, channel.ErrUnavailable) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Append = %v, want ErrUnavailable and %s", err, test.want)
			}
			eventually(t, "the store says why", func() bool { err := s.Healthy(); return err != nil && strings.Contains(err.Error(), test.want) })
		})
	}
}

// TestScriptsForgotten: a Redis that does not know the scripts any more is sent them again.
func TestScriptsForgotten(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s, c := mustOpen(t, redis.Config{Addresses: []string{server.Addr}}), raw(t, server.Addr)
	for i := range 3 {
		send(t, c, "SCRIPT", "FLUSH")
		mustAppend(t, s, fmt.Sprint(i))
		send(t, c, "SCRIPT", "FLUSH")
		if info, err := s.Info(t.Context(), fmt.Sprint(i)); err != nil || info.Length != 1 {
			t.Errorf("Info = %+v, %v, want one message", info, err)
		}
	}
}
