package pebble

import (
	"context"
	"time"

	"gopush/internal/message"
)

// candidate is a pending message that may be claimed, as it was before the committer is asked.
type candidate struct {
	mid     int64
	message *message.Message // nil: it is gone
}

// Claim implements channel.Groups.
func (s *Store) Claim(ctx context.Context, cl message.Claim, mids []int64) (claimed []message.Message, err error) {
	var all []candidate
	err = s.readGroup(ctx, cl.Key, cl.Group, func(in *instance, g *group) (err error) {
		all, err = in.candidates(g, &cl, mids, s.cfg.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.doGroup(ctx, cl.Key, cl.Group, &op{entries: len(all), lazy: true}, func(c *commit, g *group) error {
		if err := s.room(c, g, cl.Consumer); err != nil {
			return err
		}
		if cl.Last > g.last {
			g.last, g.changed = cl.Last, true
		}
		if claimed, _, err = c.claim(g, &cl, all); err != nil {
			return err
		}
		return s.given(c, g, cl.Consumer, len(claimed))
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// candidates returns those of mids that may be claimed, with their messages, as many as fit.
func (in *instance) candidates(g *group, cl *message.Claim, mids []int64, now time.Time) ([]candidate, error) {
	if err := in.warm(g.consumerKey(cl.Consumer)); err != nil {
		return nil, err
	}
	found := candidates{in: in, g: g, cl: cl, now: now}
	for _, mid := range mids {
		value, err := get(in.db, g.pendingKey(mid))
		if err != nil {
			return nil, unavailable(err)
		}
		if value == nil && !cl.Force {
			continue
		}
		var p pending
		if value != nil {
			if _, err := p.decode(value); err != nil {
				return nil, unavailable(err)
			}
		}
		if fits, err := found.add(mid, &p); !fits || err != nil {
			return found.all, err
		}
	}
	return found.all, nil
}

// candidates are collected for a claim.
type candidates struct {
	in  *instance
	g   *group
	cl  *message.Claim
	now time.Time

	all   []candidate
	bytes int
}

// add adds mid, pending as p says, if it is gone or idle; it does not if its message does not fit any more.
func (f *candidates) add(mid int64, p *pending) (fits bool, err error) {
	m, err := f.in.message(f.g.key, mid, f.now.UnixMilli())
	if err != nil {
		return false, unavailable(err)
	}
	if m != nil {
		if !p.idle(f.now, f.cl.MinIdle) {
			return true, nil
		}
		if f.cl.JustID {
			m = &message.Message{Key: f.g.key, Mid: mid}
		}
		if f.cl.MaxBytes > 0 && f.bytes > 0 && f.bytes+len(m.Payload) > f.cl.MaxBytes {
			return false, nil
		}
		f.bytes += len(m.Payload)
	}
	f.all = append(f.all, candidate{mid, m})
	return true, nil
}

// claim gives candidates to cl.Consumer, where they are still pending and idle, and returns their messages, and the mids of those
// that are gone.
func (c *commit) claim(g *group, cl *message.Claim, all []candidate) (claimed []message.Message, gone []int64, err error) {
	for _, a := range all {
		p, err := c.pendingAt(g, a.mid)
		switch {
		case err != nil:
			return nil, nil, err
		case a.message == nil && p != nil:
			gone = append(gone, a.mid)
			if err := c.endPending(g, a.mid); err != nil {
				return nil, nil, err
			}
			continue
		case a.message == nil, p == nil && !cl.Force, p != nil && !p.idle(c.now, cl.MinIdle):
			continue
		}
		claimed = append(claimed, *a.message)
		if err := c.putPending(g, a.mid, c.claimedBy(cl, p), p != nil); err != nil {
			return nil, nil, err
		}
	}
	return claimed, gone, nil
}

// claimedBy returns what p becomes when cl claims it; nil: nothing was pending.
func (c *commit) claimedBy(cl *message.Claim, p *pending) *pending {
	next := pending{delivered: cl.Delivered.UnixMilli(), count: 1, consumer: cl.Consumer}
	if cl.Delivered.IsZero() {
		next.delivered = c.now.UnixMilli()
	}
	if p != nil {
		next.count = p.count
	}
	switch {
	case cl.Count >= 0:
		next.count = cl.Count
	case !cl.JustID:
		next.count++
	}
	return &next
}

// autoLook is how many pending messages AutoClaim looks at for each that it may claim.
const autoLook = 10

// AutoClaim implements channel.Groups.
func (s *Store) AutoClaim(ctx context.Context, cl message.Claim, from int64, count int) (claimed []message.Message, gone []int64, next int64, err error) {
	cl.Count, cl.Force = -1, false
	var all []candidate
	err = s.readGroup(ctx, cl.Key, cl.Group, func(in *instance, g *group) (err error) {
		all, next, err = in.autoCandidates(g, &cl, from, count, s.cfg.Now())
		return err
	})
	if err != nil {
		return nil, nil, 0, err
	}
	err = s.doGroup(ctx, cl.Key, cl.Group, &op{entries: len(all), lazy: true}, func(c *commit, g *group) error {
		if err := s.room(c, g, cl.Consumer); err != nil {
			return err
		}
		if claimed, gone, err = c.claim(g, &cl, all); err != nil {
			return err
		}
		return s.given(c, g, cl.Consumer, len(claimed))
	})
	if err != nil {
		return nil, nil, 0, err
	}
	return claimed, gone, next, nil
}

// autoCandidates returns at most count that may be claimed from a mid on, and where to go on.
func (in *instance) autoCandidates(g *group, cl *message.Claim, from int64, count int, now time.Time) (all []candidate, next int64, err error) {
	if err := in.warm(g.consumerKey(cl.Consumer)); err != nil {
		return nil, 0, err
	}
	found, looked := candidates{in: in, g: g, cl: cl, now: now}, 0
	var failed error
	err = g.scan(in.db, from, never, func(mid int64, p pending, _ []byte) bool {
		fits := len(found.all) < count && looked < autoLook*count
		if fits {
			fits, failed = found.add(mid, &p)
		}
		if !fits {
			next = mid
		}
		looked++
		return fits
	})
	if failed != nil {
		return nil, 0, failed
	}
	if err != nil {
		return nil, 0, unavailable(err)
	}
	return found.all, next, nil
}
