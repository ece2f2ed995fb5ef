package pebble

import (
	"context"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// Range implements channel.Store.
func (s *Store) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	in, err := s.reader(ctx)
	if err != nil {
		return nil, err
	}
	defer in.using.RUnlock()
	r, err := in.record(key)
	if err != nil || r == nil || r.count == 0 || max(from, r.first) > to {
		return nil, err
	}
	iter, err := messages(in.db, key, max(from, r.first), to) // what was removed below first is slow to skip
	if err != nil {
		return nil, unavailable(err)
	}
	defer iter.Close()
	found, err := s.collect(ctx, iter, reverse, limit, maxBytes)
	if err != nil {
		return nil, unavailable(err)
	}
	return found, nil
}

// collect reads messages that are not expired.
func (s *Store) collect(ctx context.Context, iter *pebbledb.Iterator, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	first, next := iter.First, iter.Next
	if reverse {
		first, next = iter.Last, iter.Prev
	}
	var found []message.Message
	bytes, now := 0, s.cfg.Now().UnixMilli()
	for ok := first(); ok && ctx.Err() == nil; ok = next() {
		m, living, err := iterMessage(iter, now)
		if err != nil {
			return nil, err
		}
		if !living {
			continue
		}
		bytes += len(m.Payload)
		if maxBytes > 0 && bytes > maxBytes && len(found) > 0 {
			return found, nil
		}
		if found = append(found, m); len(found) == limit {
			return found, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return found, iter.Error()
}

// iterMessage returns the message under iter, if it is not expired at now.
func iterMessage(iter *pebbledb.Iterator, now int64) (m message.Message, living bool, err error) {
	value, err := iter.ValueAndErr()
	if err != nil {
		return m, false, err
	}
	if expires, err := decodeExpires(value); err != nil || expires <= now {
		return m, false, err
	}
	m, err = decodeMessage(midOf(iter.Key()), value)
	return m, true, err
}

// Info implements channel.Store.
func (s *Store) Info(ctx context.Context, key string) (channel.Info, error) {
	in, err := s.reader(ctx)
	if err != nil {
		return channel.Info{}, err
	}
	defer in.using.RUnlock()
	r, err := in.record(key)
	if err != nil {
		return channel.Info{}, err
	}
	if r == nil {
		return channel.Info{Since: in.since(s.cfg.Now())}, nil
	}
	return channel.Info{First: r.first, Last: r.last, Length: int(r.count), Added: r.added, Since: r.since}, nil
}

// record returns the record of key, nil if there is none.
func (in *instance) record(key string) (*record, error) {
	value, err := get(in.db, recordKey(key))
	if err != nil {
		return nil, unavailable(err)
	}
	if value == nil {
		return nil, nil
	}
	r, err := decodeRecord(key, value)
	if err != nil {
		return nil, unavailable(err)
	}
	return r, nil
}

// Keys implements channel.Store. The order is that of the bytes of the keys.
func (s *Store) Keys(ctx context.Context, cursor string, limit int) (keys []string, next string, err error) {
	in, err := s.reader(ctx)
	if err != nil {
		return nil, "", err
	}
	defer in.using.RUnlock()
	iter, err := in.after(recordPrefix, cursor)
	if err != nil {
		return nil, "", unavailable(err)
	}
	defer iter.Close()
	for ok := iter.First(); ok; ok = iter.Next() {
		if len(keys) == limit {
			return keys, cursor, nil
		}
		cursor, _ = keyOf(iter.Key())
		keys = append(keys, cursor)
	}
	if err := iter.Error(); err != nil {
		return nil, "", unavailable(err)
	}
	return keys, "", nil
}

// after returns an iterator over all with prefix that is about keys after cursor, which is empty
// for all of them.
func (in *instance) after(prefix byte, cursor string) (*pebbledb.Iterator, error) {
	lower := []byte{prefix}
	if cursor != "" {
		lower = after(appendKeyed(nil, prefix, cursor))
	}
	return in.db.NewIter(&pebbledb.IterOptions{LowerBound: lower, UpperBound: after([]byte{prefix})})
}
