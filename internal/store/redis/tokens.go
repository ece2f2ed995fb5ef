package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// PutToken implements channel.Tokens.
func (s *Store) PutToken(ctx context.Context, key string, hash [32]byte, lifetime time.Duration, expires time.Time) error {
	_, err := s.run(ctx, putTokenScript, []string{s.name(tokenKind, key)},
		strconv.FormatInt(s.nowMS(), 10), string(hash[:]), strconv.FormatInt(int64(lifetime), 10), formatTime(expires))
	if err != nil {
		return fmt.Errorf("put a token of %q: %w", key, err)
	}
	return nil
}

// RenewToken implements channel.Tokens.
func (s *Store) RenewToken(ctx context.Context, key string, hash [32]byte, now time.Time) (bool, error) {
	reply, err := s.run(ctx, renewTokenScript, []string{s.name(tokenKind, key)},
		strconv.FormatInt(s.nowMS(), 10), string(hash[:]), formatTime(now))
	if err != nil {
		return false, fmt.Errorf("renew a token of %q: %w", key, err)
	}
	return reply.AsBool()
}

// Token implements channel.Tokens.
func (s *Store) Token(ctx context.Context, key string, hash [32]byte) (lifetime time.Duration, expires time.Time, found bool, err error) {
	reply, err := s.read(ctx, s.name(tokenKind, key), func(b rueidis.Builder, name string) rueidis.Completed {
		return b.Hget().Key(name).Field(string(hash[:])).Build()
	})
	if rueidis.IsRedisNil(err) {
		return 0, time.Time{}, false, nil
	}
	if err == nil {
		lifetime, expires, err = parseToken(reply)
	}
	if err != nil {
		return 0, time.Time{}, false, fmt.Errorf("token of %q: %w", key, err)
	}
	return lifetime, expires, true, nil
}

func parseToken(reply rueidis.RedisMessage) (lifetime time.Duration, expires time.Time, err error) {
	text, err := reply.ToString()
	if err != nil {
		return 0, time.Time{}, err
	}
	first, second, _ := strings.Cut(text, " ")
	ns, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, time.Time{}, err
	}
	ms, err := strconv.ParseInt(second, 10, 64)
	return time.Duration(ns), time.UnixMilli(ms), err
}

// HasTokens implements channel.Tokens.
func (s *Store) HasTokens(ctx context.Context, key string) (bool, error) {
	reply, err := s.read(ctx, s.name(tokenKind, key), func(b rueidis.Builder, name string) rueidis.Completed { return b.Exists().Key(name).Build() })
	if err != nil {
		return false, fmt.Errorf("tokens of %q: %w", key, err)
	}
	return reply.AsBool()
}

// DeleteTokens implements channel.Tokens.
func (s *Store) DeleteTokens(ctx context.Context, key string, hashes ...[32]byte) (int, error) {
	name := s.name(tokenKind, key)
	if err := s.readyFor(ctx, name); err != nil {
		return 0, err
	}
	commands := rueidis.Commands{s.client.B().Hlen().Key(name).Build(), s.client.B().Del().Key(name).Build()}
	if len(hashes) > 0 {
		fields := make([]string, len(hashes))
		for i := range hashes {
			fields[i] = string(hashes[i][:])
		}
		commands = rueidis.Commands{s.client.B().Hdel().Key(name).Field(slices.Compact(fields)...).Build()}
	}
	results := s.doKept(ctx, commands...)
	for _, r := range results {
		if err := r.Error(); err != nil {
			return 0, fmt.Errorf("delete tokens of %q: %w", key, s.failed(err))
		}
	}
	n, err := results[0].AsInt64()
	return int(n), err
}
