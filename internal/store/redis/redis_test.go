package redis_test

import (
	"testing"

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
