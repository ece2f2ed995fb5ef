package node

import (
	"errors"
	"log/slog"

	"gopush/internal/channel"
	"gopush/internal/config"
	"gopush/internal/store/memory"
	"gopush/internal/store/pebble"
)

// store is what a node asks of a store of its own.
type store interface {
	channel.Store
	channel.Groups
	channel.Tokens
	channel.Limits
	SetMaxStoredPerKey(n int)
	SetMaxDevicesPerKey(n int)
}

func openStore(cfg *config.Config, log *slog.Logger) (store, error) {
	if cfg.Store == "redis" {
		return nil, errors.New("store = redis is not there yet")
	}
	if cfg.Store == "memory" {
		return memory.New(memory.Config{MaxStoredPerKey: cfg.MaxStoredPerKey, MaxDevicesPerKey: cfg.MaxDevicesPerKey}), nil
	}
	s, err := pebble.Open(pebble.Config{
		Dir: cfg.Data, MaxStoredPerKey: cfg.MaxStoredPerKey, MaxDevicesPerKey: cfg.MaxDevicesPerKey,
		MinFreeBytes: int64(cfg.MinFreeBytes), CacheBytes: int64(cfg.CacheBytes), Log: log,
	})
	if err != nil {
		return nil, err // a nil *pebble.Store is not a nil store
	}
	return s, nil
}
