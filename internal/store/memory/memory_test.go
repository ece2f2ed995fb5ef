package memory_test

import (
	"testing"

	"gopush/internal/store/memory"
	"gopush/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, cfg storetest.Config) storetest.Store {
		return memory.New(memory.Config{MaxStoredPerKey: cfg.MaxStoredPerKey, Now: cfg.Now})
	})
}
