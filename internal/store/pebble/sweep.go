package pebble

import (
	"context"
	"fmt"
	"time"

	"gopush/internal/message"
)

// sweepPage is how many records or tokens are looked at for one op.
const sweepPage = 1000

// runSweeper looks after free space, and removes what is expired or was remembered for long
// enough, until the store is closed. It walks along the records, and works for at most a tenth
// of the time.
func (s *Store) runSweeper() {
	ticker := time.NewTicker(s.cfg.Tick)
	defer ticker.Stop()
	var w sweep
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		s.checkSpace()
		for end := time.Now().Add(s.cfg.Tick / 10); time.Now().Before(end); {
			done, err := s.sweepPage(context.Background(), &w)
			if err != nil {
				s.cfg.Log.Debug("sweep", "error", err)
			}
			if done || err != nil {
				break
			}
		}
	}
}

// checkSpace finds out whether there is room to store more.
func (s *Store) checkSpace() {
	if s.cfg.MinFreeBytes == 0 {
		return
	}
	usage, err := s.cfg.FS.GetDiskUsage(s.cfg.Dir)
	if err != nil {
		s.cfg.Log.Debug("free space unknown", "dir", s.cfg.Dir, "error", err)
		return
	}
	was := s.low.Load() != nil
	if usage.AvailBytes >= uint64(s.cfg.MinFreeBytes) {
		s.low.Store(nil)
		if was {
			s.cfg.Log.Info("store has room again", "dir", s.cfg.Dir, "free", usage.AvailBytes)
		}
		return
	}
	low := fmt.Errorf("%d bytes free in %s, min_free_bytes is %d: make room, or lower it", usage.AvailBytes, s.cfg.Dir, s.cfg.MinFreeBytes)
	s.low.Store(&low)
	if !was {
		s.cfg.Log.Warn("store refuses messages", "reason", low)
	}
}

// Sweep removes now all that the sweeper would remove in time.
func (s *Store) Sweep(ctx context.Context) error {
	var w sweep
	for {
		if done, err := s.sweepPage(ctx, &w); done || err != nil {
			return err
		}
	}
}

// sweep is how far a walk along the store has come.
type sweep struct {
	tokens bool   // past the records
	cursor string // the last key that was looked at; empty: none was
}

// page is what was found of a sweep.
type page struct {
	cursor string // the last key that was done
	end    bool   // it was the last page
	size   int    // of op, in entries
	op     func(*commit) error
}

// sweepPage does the next page of w, and tells whether that was the last one: then w is at the
// beginning again.
func (s *Store) sweepPage(ctx context.Context, w *sweep) (done bool, err error) {
	if err := s.sweepKnown(ctx); err != nil {
		return false, err
	}
	p, err := s.readPage(ctx, *w)
	if err == nil && p.size > 0 {
		err = s.do(ctx, &op{entries: p.size, apply: p.op})
	}
	if err != nil {
		return false, err
	}
	w.cursor = p.cursor
	if p.end {
		done = w.tokens
		*w = sweep{tokens: !w.tokens}
	}
	return done, nil
}

// sweepKnown removes idempotency keys whose window is over, when all of a generation are.
func (s *Store) sweepKnown(ctx context.Context) error {
	if in := s.db.Load(); in == nil || in.known.next.Load() > s.cfg.Now().UnixMilli() {
		return nil
	}
	return s.do(ctx, &op{entries: 1, apply: (*commit).dropGenerations})
}

func (s *Store) readPage(ctx context.Context, w sweep) (page, error) {
	in, err := s.reader(ctx)
	if err != nil {
		return page{}, err
	}
	defer in.using.RUnlock()
	if w.tokens {
		return in.oldTokens(w.cursor, s.cfg.Now())
	}
	return in.dueKeys(w.cursor, s.cfg.Now())
}

// due is what is to be removed of a key.
type due struct {
	key  string
	last int64 // the key's last mid when it was looked at
	expired
}

// dueKeys looks at the keys after cursor for what is to be removed.
func (in *instance) dueKeys(cursor string, now time.Time) (page, error) {
	p := page{cursor: cursor}
	iter, err := in.recordsAfter(cursor)
	if err != nil {
		return p, err
	}
	defer iter.Close()
	var all []due
	p.op = func(c *commit) error { return c.sweep(all) }
	ok := iter.next()
	for seen := 0; ok && seen < sweepPage && p.size < maxRemoved; seen++ {
		d, err := in.due(&iter.record, now)
		if err != nil {
			return p, err
		}
		if d != nil {
			all = append(all, *d)
			p.size += 1 + len(d.mids)
			if !d.all {
				return p, nil // the rest of this key is for the next page
			}
		}
		p.cursor = iter.key
		ok = iter.next()
	}
	p.end = !ok
	return p, iter.problem()
}

// due returns what is to be removed of r's key now, nil if nothing is.
func (in *instance) due(r *record, now time.Time) (*due, error) {
	switch {
	case r.count > 0 && r.earliest <= now.UnixMilli():
		found, err := findExpired(in.db, r.key, r.first, now.UnixMilli())
		return &due{r.key, r.last, found}, err
	case r.forgettable(now):
		return &due{r.key, r.last, expired{all: true, earliest: never}}, nil
	}
	return nil, nil
}

// forgettable tells whether nothing of the key needs to be known any more.
func (r *record) forgettable(now time.Time) bool {
	return r.count == 0 && r.last < message.MidAt(now.Add(-remember)) && r.used < now.Add(-remember-usedStep).UnixMilli()
}

// sweep removes what is due, as far as it still is.
func (c *commit) sweep(all []due) error {
	for _, d := range all {
		r, err := c.record(d.key)
		if err != nil {
			return err
		}
		if _, err := c.remove(r, d.mids); err != nil {
			return err
		}
		if d.all && r.count > 0 && r.last == d.last {
			r.earliest = d.earliest
			c.change(r)
		}
		if !r.forgettable(c.now) {
			continue
		}
		if err := c.destroyGroups(r); err != nil {
			return err
		}
		if err := c.forget(r); err != nil {
			return err
		}
	}
	return nil
}

// oldTokens looks at the tokens of keys after cursor for those that expired long ago; all of a
// key's are on one page.
func (in *instance) oldTokens(cursor string, now time.Time) (page, error) {
	p := page{cursor: cursor}
	iter, err := in.after(tokenPrefix, cursor)
	if err != nil {
		return p, err
	}
	defer iter.Close()
	horizon := now.Add(-remember).UnixMilli()
	var old [][]byte
	p.op = func(c *commit) error { return c.sweepTokens(old, horizon) }
	ok := iter.First()
	for seen := 0; ok; seen++ {
		key, _ := keyOf(iter.Key())
		if seen >= sweepPage && key != p.cursor {
			break
		}
		p.cursor = key
		if expires, err := decodeExpires(iter.Value()); err == nil && expires < horizon {
			old = append(old, append([]byte{}, iter.Key()...))
			p.size++
		}
		ok = iter.Next()
	}
	p.end = !ok
	return p, iter.Error()
}

// sweepTokens deletes the tokens that expired before horizon and were not renewed meanwhile.
func (c *commit) sweepTokens(names [][]byte, horizon int64) error {
	for _, name := range names {
		expires, found, err := c.expiry(name)
		if err != nil {
			return err
		}
		if !found || expires >= horizon {
			continue
		}
		if err := c.batch.Delete(name, nil); err != nil {
			return err
		}
	}
	return nil
}
