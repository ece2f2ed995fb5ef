package pebble

import (
	"context"
	"encoding/binary"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

// PutToken implements channel.Tokens.
func (s *Store) PutToken(ctx context.Context, key string, hash [32]byte, lifetime time.Duration, expires time.Time) error {
	value := tokenValue(lifetime, expires)
	return s.do(ctx, &op{entries: 1, grows: true, apply: func(c *commit) error {
		return c.batch.Set(tokenKey(key, hash), value, nil)
	}})
}

func tokenValue(lifetime time.Duration, expires time.Time) []byte {
	return binary.AppendVarint(binary.AppendVarint(nil, expires.UnixMilli()), int64(lifetime))
}

func readToken(value []byte) (lifetime time.Duration, expires time.Time, err error) {
	var until, nanos int64
	if _, err := readVarints(value, &until, &nanos); err != nil {
		return 0, time.Time{}, err
	}
	return time.Duration(nanos), time.UnixMilli(until), nil
}

// RenewToken implements channel.Tokens.
func (s *Store) RenewToken(ctx context.Context, key string, hash [32]byte, now time.Time) (bool, error) {
	found := false
	err := s.do(ctx, &op{entries: 1, grows: true, apply: func(c *commit) error {
		name := tokenKey(key, hash)
		value, err := c.get(name)
		if found = value != nil; !found || err != nil {
			return err
		}
		lifetime, _, err := readToken(value)
		if err != nil {
			return err
		}
		return c.batch.Set(name, tokenValue(lifetime, now.Add(lifetime)), nil)
	}})
	if err != nil {
		return false, err
	}
	return found, nil
}

// Token implements channel.Tokens.
func (s *Store) Token(ctx context.Context, key string, hash [32]byte) (lifetime time.Duration, expires time.Time, found bool, err error) {
	in, err := s.reader(ctx)
	if err != nil {
		return 0, time.Time{}, false, err
	}
	defer in.using.RUnlock()
	value, err := get(in.db, tokenKey(key, hash))
	if err != nil {
		return 0, time.Time{}, false, unavailable(err)
	}
	if value == nil {
		return 0, time.Time{}, false, nil
	}
	if lifetime, expires, err = readToken(value); err != nil {
		return 0, time.Time{}, false, unavailable(err)
	}
	return lifetime, expires, true, nil
}

// HasTokens implements channel.Tokens.
func (s *Store) HasTokens(ctx context.Context, key string) (bool, error) {
	in, err := s.reader(ctx)
	if err != nil {
		return false, err
	}
	defer in.using.RUnlock()
	iter, err := tokens(in.db, key)
	if err != nil {
		return false, unavailable(err)
	}
	defer iter.Close()
	if iter.First() {
		return true, nil
	}
	if err := iter.Error(); err != nil {
		return false, unavailable(err)
	}
	return false, nil
}

// DeleteTokens implements channel.Tokens.
func (s *Store) DeleteTokens(ctx context.Context, key string, hashes ...[32]byte) (int, error) {
	n := 0
	err := s.do(ctx, &op{entries: max(1, len(hashes)), apply: func(c *commit) (err error) {
		names := make([][]byte, len(hashes))
		for i, hash := range hashes {
			names[i] = tokenKey(key, hash)
		}
		if len(hashes) == 0 {
			if names, err = c.tokenNames(key); err != nil {
				return err
			}
		}
		n, err = c.deleteAll(names)
		return err
	}})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// deleteAll deletes what has one of names, and returns how many there were.
func (c *commit) deleteAll(names [][]byte) (int, error) {
	n := 0
	for _, name := range names {
		value, err := c.get(name)
		if err != nil {
			return 0, err
		}
		if value == nil {
			continue
		}
		if err := c.batch.Delete(name, nil); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func tokens(r pebbledb.Reader, key string) (*pebbledb.Iterator, error) {
	return all(r, appendKeyed(nil, tokenPrefix, key))
}

// tokenNames returns under what the tokens of key are stored.
func (c *commit) tokenNames(key string) ([][]byte, error) {
	from, err := c.read()
	if err != nil {
		return nil, err
	}
	iter, err := tokens(from, key)
	if err != nil {
		return nil, err
	}
	defer iter.Close()
	var names [][]byte
	for ok := iter.First(); ok; ok = iter.Next() {
		names = append(names, append([]byte{}, iter.Key()...))
	}
	return names, iter.Error()
}

// MidLimit implements channel.Limits.
func (s *Store) MidLimit(ctx context.Context) (int64, error) {
	in, err := s.reader(ctx)
	if err != nil {
		return 0, err
	}
	defer in.using.RUnlock()
	iter, err := in.db.NewIter(&pebbledb.IterOptions{LowerBound: limitKey(""), UpperBound: after(limitKey(""))})
	if err != nil {
		return 0, unavailable(err)
	}
	defer iter.Close()
	highest := int64(0)
	for ok := iter.First(); ok; ok = iter.Next() {
		var limit int64
		if _, err := readVarints(iter.Value(), &limit); err != nil {
			return 0, unavailable(err)
		}
		highest = max(highest, limit)
	}
	if err := iter.Error(); err != nil {
		return 0, unavailable(err)
	}
	return highest, nil
}

// SetMidLimit implements channel.Limits. It goes through however little room is left.
func (s *Store) SetMidLimit(ctx context.Context, node string, limit int64) error {
	return s.do(ctx, &op{entries: 1, apply: func(c *commit) error {
		value, err := c.get(limitKey(node))
		if err != nil {
			return err
		}
		var before int64
		if value != nil {
			if _, err := readVarints(value, &before); err != nil {
				return err
			}
		}
		return c.batch.Set(limitKey(node), binary.AppendVarint(nil, max(before, limit)), nil)
	}})
}
