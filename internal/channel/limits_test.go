package channel_test

import (
	"context"
	"errors"
	"sync/atomic"

	"gopush/internal/store/memory"
)

// noLimits is a store whose mid limit cannot be renewed once fail is set.
type noLimits struct {
	*memory.Store
	fail  atomic.Bool
	limit atomic.Int64
}

func (s *noLimits) SetMidLimit(ctx context.Context, node string, limit int64) error {
	if s.fail.Load() {
		return errors.New("no")
	}
	s.limit.Store(limit)
	return s.Store.SetMidLimit(ctx, node, limit)
}
