package memory

import (
	"context"
	"errors"
	"slices"
	"time"

	"gopush/internal/message"
)

// ReadGroup implements channel.Groups.
func (s *Store) ReadGroup(ctx context.Context, q message.GroupRead) (found []message.Message, err error) {
	err = s.with(ctx, q.Key, q.Group, func(r *record, g *group, now time.Time) error {
		if err := s.room(g, q.Consumer); err != nil {
			return err
		}
		bytes, before := 0, g.last
		for m := range s.between(q.Key, before+1, r.last, false) {
			bytes += len(m.Payload)
			if q.Count > 0 && len(found) == q.Count || q.MaxBytes > 0 && bytes > q.MaxBytes && len(found) > 0 {
				break
			}
			m.Payload = slices.Clone(m.Payload)
			found = append(found, m)
			g.last = m.Mid
			if !q.NoAck {
				g.put(message.Pending{Mid: m.Mid, Consumer: q.Consumer, Delivered: now, Count: 1})
			}
		}
		r.countRead(g, before, len(found))
		s.forget(r, g, now)
		return s.given(r, g, q.Consumer, len(found), now)
	})
	return found, err
}

// countRead sets g.read after n messages were delivered, beginning after a mid.
func (r *record) countRead(g *group, after int64, n int) {
	switch {
	case n == 0:
	case g.last >= r.last:
		g.read = r.added
	case g.read >= 0:
		g.read += int64(n)
	case after < r.messages[0].Mid:
		g.read = r.added - int64(len(r.messages)-n)
	}
}

// forget ends what is pending beyond MaxStoredPerKey, where its messages are gone.
func (s *Store) forget(r *record, g *group, now time.Time) {
	excess := len(g.pending) - s.cfg.MaxStoredPerKey
	if s.cfg.MaxStoredPerKey == 0 || excess <= 0 {
		return
	}
	g.pending = slices.DeleteFunc(g.pending, func(p message.Pending) bool {
		forgotten := excess > 0 && r.message(p.Mid, now) == nil
		if forgotten {
			excess--
		}
		return forgotten
	})
}

// ReadPending implements channel.Groups.
func (s *Store) ReadPending(ctx context.Context, key, name, consumer string, after int64, count, maxBytes int) (found []message.Delivery, err error) {
	err = s.with(ctx, key, name, func(r *record, g *group, now time.Time) error {
		if err := s.see(r, g, consumer, now); err != nil {
			return err
		}
		bytes := 0
		for i := range g.pending {
			p := &g.pending[i]
			if p.Mid <= after || p.Consumer != consumer {
				continue
			}
			d := message.Delivery{Message: message.Message{Key: key, Mid: p.Mid}, Gone: true}
			if m := r.message(p.Mid, now); m != nil {
				d = message.Delivery{Message: *m}
			}
			bytes += len(d.Payload)
			if count > 0 && len(found) == count || maxBytes > 0 && bytes > maxBytes && len(found) > 0 {
				break
			}
			if !d.Gone {
				p.Delivered = now
				p.Count++
			}
			found = append(found, d)
		}
		return nil
	})
	return found, err
}

// Ack implements channel.Groups.
func (s *Store) Ack(ctx context.Context, key, name string, mids ...int64) (n int, err error) {
	err = s.with(ctx, key, name, func(_ *record, g *group, _ time.Time) error {
		for _, mid := range mids {
			if g.drop(mid) {
				n++
			}
		}
		return nil
	})
	if errors.Is(err, message.ErrNoKey) || errors.Is(err, message.ErrNoGroup) {
		return 0, nil
	}
	return n, err
}

// claiming is a claim that is being carried out.
type claiming struct {
	message.Claim
	r     *record
	g     *group
	now   time.Time
	bytes int  // of payload claimed
	full  bool // what came last does not fit any more
}

// Claim implements channel.Groups.
func (s *Store) Claim(ctx context.Context, c message.Claim, mids []int64) (claimed []message.Message, err error) {
	err = s.with(ctx, c.Key, c.Group, func(r *record, g *group, now time.Time) error {
		if err := s.room(g, c.Consumer); err != nil {
			return err
		}
		g.last = max(g.last, c.Last)
		x := claiming{Claim: c, r: r, g: g, now: now}
		for _, mid := range mids {
			m, _ := x.claim(mid)
			if x.full {
				break
			}
			if m != nil {
				claimed = append(claimed, *m)
			}
		}
		return s.given(r, g, c.Consumer, len(claimed), now)
	})
	return claimed, err
}

// claim gives mid to c.Consumer and returns its message, nil if it does not; gone: it was pending, but its message is not there.
func (c *claiming) claim(mid int64) (m *message.Message, gone bool) {
	m = c.r.message(mid, c.now)
	if m == nil {
		return nil, c.g.drop(mid)
	}
	i, found := c.g.find(mid)
	p := message.Pending{Mid: mid, Count: 1}
	switch {
	case found && c.MinIdle > 0 && c.now.Sub(c.g.pending[i].Delivered) < c.MinIdle, !found && !c.Force:
		return nil, false
	case found:
		p = c.g.pending[i]
	}
	if c.JustID {
		m = &message.Message{Key: c.Key, Mid: mid}
	}
	if c.full = c.MaxBytes > 0 && c.bytes > 0 && c.bytes+len(m.Payload) > c.MaxBytes; c.full {
		return nil, false
	}
	c.bytes += len(m.Payload)
	c.g.put(c.claimed(p))
	return m, false
}

// claimed returns what p becomes when it is claimed.
func (c *claiming) claimed(p message.Pending) message.Pending {
	p.Consumer, p.Delivered = c.Consumer, c.Delivered
	if p.Delivered.IsZero() {
		p.Delivered = c.now
	}
	switch {
	case c.Count >= 0:
		p.Count = c.Count
	case !c.JustID:
		p.Count++
	}
	return p
}

// autoLook is how many pending messages AutoClaim looks at for each that it may claim.
const autoLook = 10

// AutoClaim implements channel.Groups.
func (s *Store) AutoClaim(ctx context.Context, c message.Claim, from int64, count int) (claimed []message.Message, gone []int64, next int64, err error) {
	c.Count, c.Force = -1, false
	err = s.with(ctx, c.Key, c.Group, func(r *record, g *group, now time.Time) error {
		if err := s.room(g, c.Consumer); err != nil {
			return err
		}
		x := claiming{Claim: c, r: r, g: g, now: now}
		first, _ := g.find(from)
		for i, p := range slices.Clone(g.pending[first:]) {
			if len(claimed)+len(gone) >= count || i >= autoLook*count {
				next = p.Mid
				break
			}
			m, lost := x.claim(p.Mid)
			if x.full {
				next = p.Mid
				break
			}
			switch {
			case m != nil:
				claimed = append(claimed, *m)
			case lost:
				gone = append(gone, p.Mid)
			}
		}
		return s.given(r, g, c.Consumer, len(claimed), now)
	})
	return claimed, gone, next, err
}
