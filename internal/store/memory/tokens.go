package memory

import (
	"context"
	"maps"
	"time"
)

type token struct {
	lifetime time.Duration
	expires  time.Time
}

// PutToken implements channel.Tokens.
func (s *Store) PutToken(ctx context.Context, key string, hash [32]byte, lifetime time.Duration, expires time.Time) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.tokens[key] == nil {
		s.tokens[key] = map[[32]byte]token{}
	}
	s.tokens[key][hash] = token{lifetime, expires}
	return nil
}

// RenewToken implements channel.Tokens.
func (s *Store) RenewToken(ctx context.Context, key string, hash [32]byte, now time.Time) (found bool, err error) {
	if err := s.lock(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	t, found := s.tokens[key][hash]
	if found {
		s.tokens[key][hash] = token{t.lifetime, now.Add(t.lifetime)}
	}
	return found, nil
}

// Token implements channel.Tokens.
func (s *Store) Token(ctx context.Context, key string, hash [32]byte) (lifetime time.Duration, expires time.Time, found bool, err error) {
	if err := s.lock(ctx); err != nil {
		return 0, time.Time{}, false, err
	}
	defer s.mu.Unlock()
	t, found := s.tokens[key][hash]
	return t.lifetime, t.expires, found, nil
}

// HasTokens implements channel.Tokens.
func (s *Store) HasTokens(ctx context.Context, key string) (bool, error) {
	if err := s.lock(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	return len(s.tokens[key]) > 0, nil
}

// DeleteTokens implements channel.Tokens.
func (s *Store) DeleteTokens(ctx context.Context, key string, hashes ...[32]byte) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	before := len(s.tokens[key])
	if len(hashes) == 0 {
		delete(s.tokens, key)
	}
	for _, h := range hashes {
		delete(s.tokens[key], h)
	}
	return before - len(s.tokens[key]), nil
}

// sweepTokens forgets tokens that have been expired for so long that nobody asks for them.
func (s *Store) sweepTokens(now time.Time) {
	maps.DeleteFunc(s.tokens, func(_ string, tokens map[[32]byte]token) bool {
		maps.DeleteFunc(tokens, func(_ [32]byte, t token) bool { return t.expires.Before(now.Add(-remember)) })
		return len(tokens) == 0
	})
}

// MidLimit implements channel.Limits.
func (s *Store) MidLimit(ctx context.Context) (int64, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return s.highestLimit(), nil
}

func (s *Store) highestLimit() (highest int64) {
	for _, limit := range s.limits {
		highest = max(highest, limit)
	}
	return highest
}

// SetMidLimit implements channel.Limits.
func (s *Store) SetMidLimit(ctx context.Context, node string, limit int64) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.limits[node] = max(s.limits[node], limit)
	return nil
}
