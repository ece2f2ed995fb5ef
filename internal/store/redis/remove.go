package redis

import (
	"context"
	"fmt"
	"strconv"
)

// Delete implements channel.Store.
func (s *Store) Delete(ctx context.Context, key string, mids ...int64) (int, error) {
	ids := make([]string, 0, len(mids))
	for _, mid := range mids {
		if mid > 0 {
			ids = append(ids, formatID(mid))
		}
	}
	if len(mids) > 0 && len(ids) == 0 {
		return 0, s.ready(ctx)
	}
	return s.remove(ctx, "delete from", deleteScript, key, ids...)
}

// Trim implements channel.Store.
func (s *Store) Trim(ctx context.Context, key string, keep int, minMid int64) (int, error) {
	return s.remove(ctx, "trim", trimScript, key, strconv.Itoa(keep), formatID(minMid))
}

func (s *Store) remove(ctx context.Context, what string, sc script, key string, args ...string) (int, error) {
	reply, err := s.runKey(ctx, sc, key, args...)
	if err != nil {
		return 0, fmt.Errorf("%s %q: %w", what, key, err)
	}
	n, err := reply.AsInt64()
	return int(n), err
}
