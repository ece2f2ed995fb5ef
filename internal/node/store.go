package node

import (
	"log/slog"

	"gopush/internal/channel"
	"gopush/internal/config"
	"gopush/internal/store/memory"
)

// store is what a node asks of a store of its own.
type store interface {
	channel.Store
	channel.Tokens
	channel.Limits
}

func openStore(cfg *config.Config, log *slog.Logger) (store, error) {
	return memory.New(memory.Config{MaxStoredPerKey: cfg.MaxStoredPerKey}), nil
}
