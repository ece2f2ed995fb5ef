package pebble

import (
	"context"
	"errors"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

const (
	lookahead  = 128  // slots read at once
	maxRemoved = 1024 // messages removed in one op
)

// Delete implements channel.Store.
func (s *Store) Delete(ctx context.Context, key string, mids ...int64) (int, error) {
	if len(mids) == 0 {
		return s.removeSome(ctx, func(c *commit) (n int, more bool, err error) {
			if n, more, err = c.trim(key, 0, 0); err == nil && !more {
				err = c.endKey(key)
			}
			return n, more, err
		})
	}
	n := 0
	err := s.do(ctx, &op{entries: len(mids), apply: func(c *commit) error {
		r, err := c.record(key)
		if err != nil {
			return err
		}
		n, err = c.remove(r, mids)
		return err
	}})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Trim implements channel.Store. It takes several commits where much is to be removed; appends
// may come between them.
func (s *Store) Trim(ctx context.Context, key string, keep int, minMid int64) (int, error) {
	return s.removeSome(ctx, func(c *commit) (int, bool, error) { return c.trim(key, keep, minMid) })
}

// removeSome has the committer call remove until it says that there is no more, and returns how many it removed.
func (s *Store) removeSome(ctx context.Context, remove func(*commit) (n int, more bool, err error)) (int, error) {
	for total := 0; ; {
		n, more := 0, false
		err := s.do(ctx, &op{entries: maxRemoved, apply: func(c *commit) (err error) {
			n, more, err = remove(c)
			return err
		}})
		if err != nil {
			return total, err
		}
		if total += n; !more {
			return total, nil
		}
	}
}

// endKey makes key one that does not exist, and has no groups.
func (c *commit) endKey(key string) error {
	r, err := c.record(key)
	if err != nil || r.exists == 0 {
		return err
	}
	r.exists = 0
	c.change(r)
	return c.destroyGroups(r)
}

// trim removes the oldest messages of key while there are more than keep or they are below
// minMid, and tells how many it removed that were not expired, and whether there may be more.
func (c *commit) trim(key string, keep int, minMid int64) (living int, more bool, err error) {
	r, err := c.record(key)
	if err != nil {
		return 0, false, err
	}
	now := c.now.UnixMilli()
	if r.earliest <= now && keep > 0 {
		if err := c.purge(r); err != nil {
			return 0, false, err
		}
		if r.earliest <= now {
			return 0, true, nil // more are expired than go into one op
		}
	}
	for range maxRemoved {
		if r.count == 0 || (keep < 0 || r.count <= int64(keep)) && r.first >= minMid {
			return living, false, nil
		}
		gone, err := c.drop(r)
		if err != nil {
			return 0, false, err
		}
		if gone.expires > now {
			living++
		}
	}
	return living, true, nil
}

// oldest returns the oldest message of r's key. There is one.
func (c *commit) oldest(r *record) (slot, error) {
	if len(r.oldest) == 0 {
		if err := c.look(r); err != nil {
			return slot{}, err
		}
	}
	return r.oldest[0], nil
}

// drop removes the oldest message of r's key. There is one.
func (c *commit) drop(r *record) (slot, error) {
	s, err := c.oldest(r)
	if err != nil {
		return s, err
	}
	r.oldest = r.oldest[1:]
	r.count--
	r.first = s.mid + 1
	c.change(r)
	if err := c.batch.Delete(messageKey(r.key, s.mid), nil); err != nil {
		return s, err
	}
	return s, c.settle(r)
}

// remove removes the messages mids of r's key, and returns how many of them were not expired.
func (c *commit) remove(r *record, mids []int64) (living int, err error) {
	for _, mid := range mids {
		name := messageKey(r.key, mid)
		expires, found, err := c.expiry(name)
		if err != nil {
			return 0, err
		}
		if !found {
			continue
		}
		if err := c.batch.Delete(name, nil); err != nil {
			return 0, err
		}
		if expires > c.now.UnixMilli() {
			living++
		}
		r.count--
		r.oldest = nil
		c.change(r)
	}
	return living, c.settle(r)
}

// purge removes expired messages of r's key, as many as one op may.
func (c *commit) purge(r *record) error {
	from, err := c.read()
	if err != nil {
		return err
	}
	found, err := findExpired(from, r.key, r.first, c.now.UnixMilli())
	if err != nil {
		return err
	}
	if _, err := c.remove(r, found.mids); err != nil {
		return err
	}
	if found.all {
		r.earliest = found.earliest
		c.change(r)
	}
	return nil
}

// settle sets r.first after messages were removed.
func (c *commit) settle(r *record) error {
	if r.count == 0 {
		r.first, r.earliest, r.oldest = 0, never, nil
		return nil
	}
	if len(r.oldest) == 0 {
		return c.look(r)
	}
	r.first = r.oldest[0].mid
	return nil
}

// look reads the oldest messages of r's key, from r.first on. There is one.
func (c *commit) look(r *record) error {
	from, err := c.read()
	if err != nil {
		return err
	}
	iter, err := messages(from, r.key, r.first, never)
	if err != nil {
		return err
	}
	defer iter.Close()
	r.oldest = make([]slot, 0, lookahead)
	for ok := iter.First(); ok && len(r.oldest) < lookahead; ok = iter.Next() {
		expires, err := iterExpires(iter)
		if err != nil {
			return err
		}
		r.oldest = append(r.oldest, slot{midOf(iter.Key()), expires})
	}
	if err := iter.Error(); err != nil {
		return err
	}
	if len(r.oldest) == 0 {
		return errCorrupt
	}
	r.first = r.oldest[0].mid
	return nil
}

// expired is what findExpired found.
type expired struct {
	mids     []int64
	all      bool  // there are no more
	earliest int64 // when the first of the others expires; never if there are no others
}

// findExpired looks for expired messages of key, as many as one op may remove.
func findExpired(from pebbledb.Reader, key string, first, now int64) (expired, error) {
	found := expired{earliest: never}
	iter, err := messages(from, key, first, never)
	if err != nil {
		return found, err
	}
	defer iter.Close()
	for ok := iter.First(); ok; ok = iter.Next() {
		expires, err := iterExpires(iter)
		switch {
		case err != nil:
			return found, err
		case expires > now:
			found.earliest = min(found.earliest, expires)
		case len(found.mids) == maxRemoved:
			return found, nil
		default:
			found.mids = append(found.mids, midOf(iter.Key()))
		}
	}
	found.all = true
	return found, iter.Error()
}

// messages returns an iterator over the messages of key with from <= mid <= to.
func messages(r pebbledb.Reader, key string, from, to int64) (*pebbledb.Iterator, error) {
	upper := after(appendKeyed(nil, messagePrefix, key))
	if to < never {
		upper = messageKey(key, to+1)
	}
	return r.NewIter(&pebbledb.IterOptions{LowerBound: messageKey(key, from), UpperBound: upper})
}

// expiry returns when the message or token under name expires, in ms, and whether there is one.
func (c *commit) expiry(name []byte) (expires int64, found bool, err error) {
	from, err := c.read()
	if err != nil {
		return 0, false, err
	}
	value, closer, err := from.Get(name)
	if errors.Is(err, pebbledb.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer closer.Close()
	expires, err = decodeExpires(value)
	return expires, true, err
}

// iterExpires returns when the message under iter expires, in ms.
func iterExpires(iter *pebbledb.Iterator) (int64, error) {
	value, err := iter.ValueAndErr()
	if err != nil {
		return 0, err
	}
	return decodeExpires(value)
}
