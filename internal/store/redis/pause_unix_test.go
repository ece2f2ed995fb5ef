//go:build unix

package redis_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis/redisserver"
	"gopush/internal/store/redis"
)

// TestStandsStill: a Redis that takes connections and does not answer holds no call up beyond its deadline, and none at all once
// that is known.
func TestStandsStill(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s := mustOpen(t, redis.Config{Addresses: []string{server.Addr}})
	mustAppend(t, s, "k")
	server.Pause()
	defer server.Resume()
	mid := message.MidAt(time.Now())
	for i := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		start := time.Now()
		err := s.Append(ctx, []channel.Entry{entry("k", mid, int64(i))})[0]
		if took := time.Since(start); took > 400*time.Millisecond || !errors.Is(err, channel.ErrUnknown) && !errors.Is(err, channel.ErrUnavailable) {
			t.Errorf("Append with a deadline of 200 ms = %v after %v", err, took)
		}
		if _, err := s.Info(ctx, "k"); !errors.Is(err, channel.ErrUnavailable) {
			t.Errorf("Info = %v, want ErrUnavailable", err)
		}
		cancel()
	}
	eventually(t, "the store says that Redis is away", func() bool { return s.Healthy() != nil })
	start := time.Now()
	if err := appendTo(s, entry("k", mid, 0)); !errors.Is(err, channel.ErrUnavailable) || time.Since(start) > 100*time.Millisecond {
		t.Errorf("Append to a Redis that is known to be away = %v after %v, want ErrUnavailable at once", err, time.Since(start))
	}
	server.Resume()
	eventually(t, "the store is healthy again", func() bool { return s.Healthy() == nil })
	mustAppend(t, s, "new")
}

// TestStandsStillUnderLoad: what was in doubt may come late; the fence keeps order.
func TestStandsStillUnderLoad(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s := mustOpen(t, redis.Config{Addresses: []string{server.Addr}})
	under(t, s, func([]*owner) {
		for _, d := range []time.Duration{100 * time.Millisecond, 2500 * time.Millisecond} {
			wait(200 * time.Millisecond)
			server.Pause()
			wait(d)
			server.Resume()
			eventually(t, "the store is healthy again", func() bool { return s.Healthy() == nil })
		}
		wait(200 * time.Millisecond)
	})
}
