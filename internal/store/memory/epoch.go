package memory

import (
	"context"
	"fmt"
	"maps"
	"time"

	"gopush/internal/channel"
)

// rememberOwner is for how long who owns a key is known.
const rememberOwner = 7 * 24 * time.Hour

// owned is who owns a key.
type owned struct {
	channel.Owner
	came time.Time
}

// BeginEpoch implements channel.Epochs.
func (s *Store) BeginEpoch(ctx context.Context, known int64) (channel.Epoch, error) {
	if err := s.lock(ctx); err != nil {
		return channel.Epoch{}, err
	}
	defer s.mu.Unlock()
	s.begin(max(s.epoch.Number, known) + 1)
	return s.epoch, nil
}

// begin begins an epoch: no limit that there is now is above its floor.
func (s *Store) begin(number int64) {
	s.epoch = channel.Epoch{Number: number, Floor: max(s.epoch.Floor, s.highestLimit())}
}

// SetLimitIn implements channel.Epochs.
func (s *Store) SetLimitIn(ctx context.Context, epoch int64, node string, limit int64) (channel.Epoch, error) {
	if err := s.lock(ctx); err != nil {
		return channel.Epoch{}, err
	}
	defer s.mu.Unlock()
	if s.epoch.Number > epoch {
		return s.epoch, nil
	}
	s.limits[node] = max(s.limits[node], limit)
	if s.epoch.Number < epoch {
		s.begin(epoch + 1)
	}
	return s.epoch, nil
}

// Own implements channel.Epochs.
func (s *Store) Own(ctx context.Context, key string, owner channel.Owner) (channel.Info, error) {
	if err := s.lock(ctx); err != nil {
		return channel.Info{}, err
	}
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.sweep(now)
	if err := s.mayOwn(key, &owner); err != nil {
		return channel.Info{}, fmt.Errorf("own %q: %w", key, err)
	}
	s.owners[key] = owned{owner, now}
	return s.info(key), nil
}

// mayOwn returns a *channel.Owned where key is another one's.
func (s *Store) mayOwn(key string, owner *channel.Owner) error {
	has, found := s.owners[key]
	if found && (has.Epoch > owner.Epoch || has.Epoch == owner.Epoch && has.Name != owner.Name) {
		return &channel.Owned{Epoch: has.Epoch}
	}
	return nil
}

// sweepOwners forgets those that came long ago.
func (s *Store) sweepOwners(now time.Time) {
	maps.DeleteFunc(s.owners, func(_ string, o owned) bool { return now.Sub(o.came) >= rememberOwner })
}
