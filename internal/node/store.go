package node

import (
	"crypto/tls"
	"log/slog"
	"time"

	"gopush/internal/channel"
	"gopush/internal/config"
	"gopush/internal/store/memory"
	"gopush/internal/store/pebble"
	"gopush/internal/store/redis"
)

// store is what a node asks of a store.
type store interface {
	channel.Store
	channel.Groups
	channel.Tokens
	channel.Limits
	SetMaxStoredPerKey(n int)
	SetMaxDevicesPerKey(n int)
	SetIdempotencyWindow(d time.Duration)
}

func openStore(cfg *config.Config, f faults, log *slog.Logger) (store, error) {
	switch cfg.Store {
	case "memory":
		return memory.New(memory.Config{
			MaxStoredPerKey: cfg.MaxStoredPerKey, MaxDevicesPerKey: cfg.MaxDevicesPerKey, IdempotencyWindow: time.Duration(cfg.IdempotencyWindow),
			Now: f.now(),
		}), nil
	case "redis":
		return openRedis(cfg, f.now(), log)
	}
	s, err := pebble.Open(pebble.Config{
		Dir: cfg.Data, MaxStoredPerKey: cfg.MaxStoredPerKey, MaxDevicesPerKey: cfg.MaxDevicesPerKey,
		IdempotencyWindow: time.Duration(cfg.IdempotencyWindow), MinFreeBytes: int64(cfg.MinFreeBytes), CacheBytes: int64(cfg.CacheBytes),
		FS: f.disk(), Now: f.now(), Log: log,
	})
	if err != nil {
		return nil, err // a nil *pebble.Store is not a nil store
	}
	return s, nil
}

func openRedis(cfg *config.Config, now func() time.Time, log *slog.Logger) (store, error) {
	rc := redis.Config{
		Addresses: cfg.RedisAddress, SentinelMaster: cfg.RedisSentinelMaster,
		Username: cfg.RedisUsername, Password: string(cfg.RedisPassword),
		WaitReplicas: cfg.RedisWaitReplicas, Prefix: cfg.RedisPrefix,
		MaxStoredPerKey: cfg.MaxStoredPerKey, MaxDevicesPerKey: cfg.MaxDevicesPerKey,
		IdempotencyWindow: time.Duration(cfg.IdempotencyWindow), Now: now, Log: log,
	}
	if cfg.RedisTLS {
		rc.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	s, err := redis.Open(rc)
	if err != nil {
		return nil, err
	}
	return s, nil
}
