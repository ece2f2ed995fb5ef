package pebble

import (
	"context"
	"fmt"
	"slices"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// maxDropped is the most messages that one append drops: that is all but after
// MaxStoredPerKey was made smaller, or where an entry's Trim wants more.
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
		if len(entries[n].IdemKey) > 0 {
			size += len(entries[n].Key) + maxKnown
		}
		n++
	}
	results := make([]error, n)
	err := s.doHere(ctx, &op{entries: n, bytes: size, grows: true, apply: func(c *commit) (err error) {
		refused := map[string]error{}
		for i := range results {
			e := &entries[i]
			if results[i], err = s.append(c, e, refused[e.Key]); err != nil {
				return err
			}
			if results[i] != nil && refused[e.Key] == nil {
				refused[e.Key] = fmt.Errorf("append %d to %q, after one that was not stored: %w", e.Mid, e.Key, channel.ErrOrder)
			}
		}
		return nil
	}})
	if err != nil {
		return slices.Repeat([]error{err}, n)
	}
	return results
}

// append puts e into c, unless its idempotency key was stored before, one before it was refused, or it does not follow the key's last
// message: that is its result.
func (s *Store) append(c *commit, e *channel.Entry, refused error) (result, err error) {
	if len(e.IdemKey) == 0 || !knowsKeys {
		return s.put(c, e, refused)
	}
	id := e.IdemName()
	first, err := c.firstOf(e.Key, id)
	if err != nil {
		return nil, err
	}
	if first != 0 {
		return &channel.Duplicate{Mid: first}, nil
	}
	if result, err = s.put(c, e, refused); result != nil || err != nil {
		return result, err
	}
	return nil, c.know(e, id, s.window.Load())
}

// put puts e, whose idempotency key is new, into c, unless it is refused.
func (s *Store) put(c *commit, e *channel.Entry, refused error) (result, err error) {
	if refused != nil {
		return refused, nil
	}
	r, err := c.record(e.Key)
	if err != nil {
		return nil, err
	}
	if e.Prev != r.last || e.Mid <= r.last {
		return fmt.Errorf("append %d after %d to %q, whose last is %d: %w", e.Mid, e.Prev, e.Key, r.last, channel.ErrOrder), nil
	}
	if err := c.makeRoom(r, room(s.maxStored.Load(), int64(e.Trim.Keep))); err != nil {
		return nil, err
	}
	if r.count == 0 {
		r.first = e.Mid
	}
	r.last = e.Mid
	r.count++
	r.added++
	r.exists = 1
	if e.Mid < message.MidAt(c.now.Add(-usedStep)) { // somebody named it
		r.used = c.now.UnixMilli()
	}
	r.earliest = min(r.earliest, e.Expires.UnixMilli())
	c.change(r)
	if err := c.putMessage(e.Key, &e.Message); err != nil {
		return nil, err
	}
	return nil, c.dropBelow(r, e)
}

// room returns how many messages a key may have: the cap and what an entry asks to keep, each 0 for no limit.
func room(maxStored, keep int64) int64 {
	if maxStored <= 0 || keep > 0 && keep < maxStored {
		return max(keep, 0)
	}
	return maxStored
}

// dropBelow removes what e.Trim does not want kept, the entry too, as much as one append may; e.Trim.Keep has been seen
// to if it is positive.
func (c *commit) dropBelow(r *record, e *channel.Entry) error {
	below := e.Trim.MinMid
	if e.Trim.Keep < 0 {
		below = never
	}
	for dropped := 0; r.count > 0 && r.first < below && dropped < maxDropped; dropped++ {
		if _, err := c.drop(r); err != nil {
			return err
		}
	}
	return nil
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
