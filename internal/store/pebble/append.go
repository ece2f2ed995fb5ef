package pebble

import (
	"context"
	"fmt"
	"slices"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// maxDropped is the most messages that one append drops: that is all but after
// MaxStoredPerKey was made smaller.
const maxDropped = 1024

// Append implements channel.Store.
func (s *Store) Append(ctx context.Context, entries []channel.Entry) []error {
	results := make([]error, 0, len(entries))
	for len(results) < len(entries) {
		results = append(results, s.appendSome(ctx, entries[len(results):])...)
	}
	return results
}

// appendSome appends as many of the first of entries as fit into one batch, one at least.
func (s *Store) appendSome(ctx context.Context, entries []channel.Entry) []error {
	n, size := 0, 0
	for n < min(len(entries), batchEntries) && (n == 0 || size < batchBytes) {
		size += len(entries[n].Key) + len(entries[n].Payload) + maxMessageHeader
		n++
	}
	results := make([]error, n)
	err := s.do(ctx, &op{entries: n, bytes: size, grows: true, apply: func(c *commit) (err error) {
		for i := range results {
			if results[i], err = s.append(c, &entries[i]); err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		return slices.Repeat([]error{err}, n)
	}
	return results
}

// append puts e into c, unless it does not follow the key's last message: that is its result.
func (s *Store) append(c *commit, e *channel.Entry) (result, err error) {
	r, err := c.record(e.Key)
	if err != nil {
		return nil, err
	}
	if e.Prev != r.last || e.Mid <= r.last {
		return fmt.Errorf("append %d after %d to %q, whose last is %d: %w", e.Mid, e.Prev, e.Key, r.last, channel.ErrOrder), nil
	}
	if err := c.makeRoom(r, s.maxStored.Load()); err != nil {
		return nil, err
	}
	if r.count == 0 {
		r.first = e.Mid
	}
	r.last = e.Mid
	r.count++
	r.added++
	r.earliest = min(r.earliest, e.Expires.UnixMilli())
	c.change(r)
	return nil, c.putMessage(e.Key, &e.Message)
}

// putMessage writes m, encoded where the batch has it.
func (c *commit) putMessage(key string, m *message.Message) error {
	var buf [maxMessageHeader]byte
	header := appendHeader(buf[:0], m)
	o := c.batch.SetDeferred(keyedLen(key)+midLen, len(header)+len(m.Payload))
	appendMessageKey(o.Key[:0], key, m.Mid)
	copy(o.Value[copy(o.Value, header):], m.Payload)
	return o.Finish()
}

// makeRoom removes messages of r's key until there is room for one more: expired ones first, then
// the oldest.
func (c *commit) makeRoom(r *record, maxStored int64) error {
	for dropped := 0; maxStored > 0 && r.count >= maxStored && dropped < maxDropped; dropped++ {
		oldest, err := c.oldest(r)
		if err != nil {
			return err
		}
		now := c.now.UnixMilli()
		if oldest.expires > now && r.earliest <= now {
			err = c.purge(r)
		} else {
			_, err = c.drop(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
