package redis

import (
	"context"
	"time"
)

// watch asks Redis again and again whether it can be used, until ctx ends.
func (s *Store) watch(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.ask(ctx)
		}
	}
}

// ask notes whether stored pushes can be taken.
func (s *Store) ask(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := s.readFormat(asking)
	was := s.ill.Load()
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.ill.Store(&err)
		if was == nil {
			s.cfg.Log.Error("redis takes no stored pushes", "err", err)
		}
	case was != nil:
		s.ill.Store(nil)
		s.cfg.Log.Info("redis takes stored pushes again")
	}
}

// Healthy implements channel.Health.
func (s *Store) Healthy() error {
	if s.closed.Load() {
		return errClosed
	}
	if err := s.ill.Load(); err != nil {
		return *err
	}
	return nil
}
