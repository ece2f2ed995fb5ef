package pebble

import (
	"context"
	"errors"
	"math"

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
	r, found, err := in.record(key)
	if err != nil || !found || r.count == 0 || max(from, r.first) > to {
		return nil, err
	}
	iter, err := messages(in.db, key, max(from, r.first), to) // what was removed below first is slow to skip
	if err != nil {
		return nil, unavailable(err)
	}
	defer iter.Close()
	if limit <= 0 || int64(limit) > r.count {
		limit = int(r.count)
	}
	got, err := s.collect(ctx, iter, key, reverse, limit, maxBytes)
	if err != nil {
		return nil, unavailable(err)
	}
	return got, nil
}

// RangeFirm implements channel.Firm. A store that has failed can be read, but does not know what it is about to have: when it is opened
// again the journal may hold what nobody was told of. (A failed write comes before the answer to its Append, and so before the question.)
func (s *Store) RangeFirm(ctx context.Context, key string, from int64, maxBytes int) ([]message.Message, error) {
	if in := s.db.Load(); in != nil && in.cause() != nil {
		return nil, unavailable(in.cause())
	}
	return s.Range(ctx, key, from, math.MaxInt64, false, 0, maxBytes)
}

// firstRoom is for how many messages a Range has room before it grows.
const firstRoom = 16

// collect reads at most limit messages that are not expired.
func (s *Store) collect(ctx context.Context, iter *pebbledb.Iterator, key string, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	first, next := iter.First, iter.Next
	if reverse {
		first, next = iter.Last, iter.Prev
	}
	var found []message.Message
	var payloads arena
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
		if found == nil {
			found = make([]message.Message, 0, min(limit, firstRoom))
		}
		m.Key, m.Payload = key, payloads.clone(m.Payload)
		if found = append(found, m); len(found) == limit {
			return found, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return found, iter.Error()
}

// arena has copies of payloads in few pieces, each twice as large as the one before.
type arena []byte

// maxPiece is how large a piece is at most, but for a larger payload: a message that is kept
// keeps its piece.
const maxPiece = 8 << 10

// clone returns a copy of b, nil for nothing.
func (a *arena) clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if cap(*a)-len(*a) < len(b) {
		*a = make([]byte, 0, max(len(b), min(2*cap(*a), maxPiece)))
	}
	begin := len(*a)
	*a = append(*a, b...)
	return (*a)[begin:len(*a):len(*a)]
}

// iterMessage returns the message under iter, if it is not expired at now. Its payload is iter's.
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

// message returns the living message mid of key, nil if there is none.
func (in *instance) message(key string, mid, now int64) (*message.Message, error) {
	value, err := get(in.db, messageKey(key, mid))
	if value == nil || err != nil {
		return nil, err
	}
	if expires, err := decodeExpires(value); err != nil || expires <= now {
		return nil, err
	}
	m, err := decodeMessage(mid, value)
	m.Key = key
	return &m, err
}

// warm has what is under name, if anything is, where the committer finds it without waiting for the disk.
func (in *instance) warm(name []byte) error {
	_, closer, err := in.db.Get(name)
	if errors.Is(err, pebbledb.ErrNotFound) {
		return nil
	}
	if err != nil {
		return unavailable(err)
	}
	return closer.Close()
}

// Info implements channel.Store.
func (s *Store) Info(ctx context.Context, key string) (channel.Info, error) {
	in, err := s.reader(ctx)
	if err != nil {
		return channel.Info{}, err
	}
	defer in.using.RUnlock()
	r, found, err := in.record(key)
	if err != nil {
		return channel.Info{}, err
	}
	if !found {
		return channel.Info{Since: in.since(s.cfg.Now())}, nil
	}
	return channel.Info{First: r.first, Last: r.last, Length: int(r.count), Added: r.added, Since: r.since, Exists: r.exists == 1}, nil
}

// record returns the record of key, if there is one.
func (in *instance) record(key string) (r record, found bool, err error) {
	if r, found := in.hot.get(key); found {
		return r, true, nil
	}
	value, closer, err := in.db.Get(recordKey(key))
	if errors.Is(err, pebbledb.ErrNotFound) {
		return r, false, nil
	}
	if err != nil {
		return r, false, unavailable(err)
	}
	defer closer.Close()
	if err := r.decode(value); err != nil {
		return r, false, unavailable(err)
	}
	return r, true, nil
}

// Keys implements channel.Store. The order is that of the bytes of the keys.
func (s *Store) Keys(ctx context.Context, cursor string, limit int) (keys []string, next string, err error) {
	in, err := s.reader(ctx)
	if err != nil {
		return nil, "", err
	}
	defer in.using.RUnlock()
	iter, err := in.recordsAfter(cursor)
	if err != nil {
		return nil, "", unavailable(err)
	}
	defer iter.Close()
	for iter.next() {
		if len(keys) == limit {
			return keys, cursor, nil
		}
		if cursor = iter.key; iter.exists == 1 {
			keys = append(keys, cursor)
		}
	}
	if err := iter.problem(); err != nil {
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

// all returns an iterator over all that begins with prefix.
func all(r pebbledb.Reader, prefix []byte) (*pebbledb.Iterator, error) {
	return r.NewIter(&pebbledb.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
}
