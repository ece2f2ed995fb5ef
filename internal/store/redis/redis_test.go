package redis_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis/redisserver"
	"gopush/internal/store/memory"
	"gopush/internal/store/redis"
	"gopush/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	storetest.Run(t, opener(redis.Config{Addresses: []string{server.Addr}}))
	storetest.RunReopen(t, opener(redis.Config{Addresses: []string{server.Addr}}))
}

// TestAgreesWithMemory: whatever is asked of both stores, they answer the same.
func TestAgreesWithMemory(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	storetest.RunAgreement(t, openMemory, opener(redis.Config{Addresses: []string{server.Addr}}))
}

func openMemory(_ *testing.T, cfg storetest.Config) storetest.Store {
	return memory.New(memory.Config{MaxStoredPerKey: cfg.MaxStoredPerKey, Now: cfg.Now})
}

// opener opens stores that share a Redis, each with a prefix of its own.
func opener(cfg redis.Config) storetest.Open {
	return func(t *testing.T, test storetest.Config) storetest.Store {
		t.Helper()
		cfg := cfg
		cfg.MaxStoredPerKey, cfg.Now, cfg.Prefix = test.MaxStoredPerKey, test.Now, test.Dir+":"
		s, err := redis.Open(cfg)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return s
	}
}

// TestAppendInParts: of more entries of a key than go into one call none is stored after one that was refused.
func TestAppendInParts(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	s := mustOpen(t, redis.Config{Addresses: []string{server.Addr}})
	const n = 600
	for _, test := range []struct {
		key    string
		refuse int // this entry follows one that is not there
	}{{"none", n}, {"in the first part", 100}, {"the last of a part", 255}, {"the first of a part", 256}, {"the last", n - 1}} {
		var entries []channel.Entry
		last := int64(0)
		for i := range n {
			e := entry(test.key, message.NextMid(time.Now(), last), last)
			last = e.Mid
			if i == test.refuse {
				e.Prev++
			}
			entries = append(entries, e)
		}
		for i, err := range s.Append(t.Context(), entries) {
			if i < test.refuse && err != nil || i >= test.refuse && !errors.Is(err, channel.ErrOrder) {
				t.Fatalf("refused %s: entry %d: %v", test.key, i, err)
			}
		}
		found, err := s.Range(t.Context(), test.key, 0, math.MaxInt64, false, 0, 0)
		if err != nil || len(found) != test.refuse {
			t.Errorf("refused %s: %d are stored, %v, want %d", test.key, len(found), err, test.refuse)
		}
	}
}
