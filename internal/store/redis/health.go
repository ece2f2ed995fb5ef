package redis

import (
	"context"
	"time"

	"github.com/redis/rueidis"
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
	err := s.askAll(asking)
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

// askAll asks for what this store needs to know, and of a Redis Cluster all servers. The error is why stored pushes, or some of
// them, are not taken.
func (s *Store) askAll(ctx context.Context) error {
	if s.client.Mode() != rueidis.ClientModeCluster {
		return s.readFormat(ctx)
	}
	format := make(chan error, 1)
	if !s.start(func() { format <- s.readFormat(ctx) }) {
		return errClosed
	}
	out := s.askServers(ctx)
	s.out.Store(out)
	err := <-format
	if out != nil {
		return out
	}
	return err
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
