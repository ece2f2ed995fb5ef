//go:build unix

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// TestServerOfClusterStandsStill: pushes to what other servers have go on as fast as ever, also those of the same call.
func TestServerOfClusterStandsStill(t *testing.T) {
	t.Parallel()
	cluster := redisserver.StartCluster(t, false, "--cluster-require-full-coverage", "no")
	s := mustOpen(t, redis.Config{Addresses: cluster.Addrs()})
	var keys []string
	for i := range 30 {
		keys = append(keys, fmt.Sprint("k", i))
		mustAppend(t, s, keys[i])
	}
	cluster.Masters[1].Pause()
	defer cluster.Masters[1].Resume()
	eventually(t, "the store says which server is away", func() bool {
		err := s.Healthy()
		return err != nil && strings.Contains(err.Error(), cluster.Masters[1].Addr)
	})
	entries := make([]channel.Entry, 0, len(keys))
	for _, key := range keys {
		info, err := s.Info(t.Context(), key)
		if err == nil {
			entries = append(entries, entry(key, message.NextMid(time.Now(), info.Last), info.Last))
		} else {
			entries = append(entries, entry(key, message.MidAt(time.Now()), 0))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	start, failed := time.Now(), 0
	for _, err := range s.Append(ctx, entries) {
		if err != nil && !errors.Is(err, channel.ErrUnavailable) {
			t.Errorf("Append = %v, want ErrUnavailable", err)
		}
		if err != nil {
			failed++
		}
	}
	if took := time.Since(start); failed == 0 || failed > 20 || took > time.Second {
		t.Errorf("%d of 30 appends failed, after %v, want about 10 at once", failed, took)
	}
	cluster.Masters[1].Resume()
	eventually(t, "the store is healthy again", func() bool { return s.Healthy() == nil })
	for i := range keys {
		mustAppend(t, s, fmt.Sprint("new", i))
	}
}
