package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gopush/internal/message"
)

// group is the cursor of a device.
type group struct {
	last      int64                // mid that was delivered last
	read      int64                // see message.Group
	consumers map[string]time.Time // when each was seen, by name
	pending   []message.Pending    // by mid
}

// CreateGroup implements channel.Groups.
func (s *Store) CreateGroup(ctx context.Context, key, name string, last int64, create bool) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	now, r := s.cfg.Now(), s.keys[key]
	if (r == nil || !r.exists) && !create {
		return message.ErrNoKey
	}
	if r == nil {
		r = &record{since: s.since(now)}
	}
	if r.groups[name] != nil {
		return message.ErrGroupExists
	}
	if s.full(len(r.groups)) {
		return message.ErrTooManyGroups
	}
	if r.groups == nil {
		r.groups = map[string]*group{}
	}
	r.groups[name] = &group{last: r.position(last), read: -1, consumers: map[string]time.Time{}}
	r.exists, r.used = true, now
	s.keys[key] = r
	return nil
}

// full tells whether n is as many groups or consumers as there may be.
func (s *Store) full(n int) bool { return s.cfg.MaxDevicesPerKey > 0 && n >= s.cfg.MaxDevicesPerKey }

// position returns the mid that last stands for.
func (r *record) position(last int64) int64 {
	if last == message.LastMid {
		return r.last
	}
	return last
}

// SetGroup implements channel.Groups.
func (s *Store) SetGroup(ctx context.Context, key, name string, last int64) error {
	return s.with(ctx, key, name, func(r *record, g *group, now time.Time) error {
		g.last, g.read = r.position(last), -1
		r.used = now
		return nil
	})
}

// DestroyGroup implements channel.Groups.
func (s *Store) DestroyGroup(ctx context.Context, key, name string) (found bool, err error) {
	err = s.withKey(ctx, key, func(r *record, _ time.Time) error {
		found = r.groups[name] != nil
		delete(r.groups, name)
		return nil
	})
	return found, err
}

// withKey calls f with the record of a key that exists.
func (s *Store) withKey(ctx context.Context, key string, f func(*record, time.Time) error) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	r := s.keys[key]
	if r == nil || !r.exists {
		return message.ErrNoKey
	}
	return f(r, s.cfg.Now())
}

// with calls f with a group that is there.
func (s *Store) with(ctx context.Context, key, name string, f func(*record, *group, time.Time) error) error {
	return s.withKey(ctx, key, func(r *record, now time.Time) error {
		g := r.groups[name]
		if g == nil {
			return message.ErrNoGroup
		}
		return f(r, g, now)
	})
}

// GroupsOf implements channel.Groups.
func (s *Store) GroupsOf(ctx context.Context, key string) (groups []message.Group, err error) {
	err = s.withKey(ctx, key, func(r *record, now time.Time) error {
		for name, g := range r.groups {
			groups = append(groups, message.Group{
				Name: name, Last: g.last, Read: g.read, Lag: r.lag(g, now), Consumers: len(g.consumers), Pending: len(g.pending),
			})
		}
		slices.SortFunc(groups, func(a, b message.Group) int { return cmp.Compare(a.Name, b.Name) })
		return nil
	})
	return groups, err
}

// lag counts the living messages that g has not delivered.
func (r *record) lag(g *group, now time.Time) (n int64) {
	for i := len(r.messages) - 1; i >= 0 && r.messages[i].Mid > g.last; i-- {
		if r.messages[i].Expires.After(now) {
			n++
		}
	}
	return n
}

// find returns where what is pending with mid is, or would be.
func (g *group) find(mid int64) (i int, found bool) {
	return slices.BinarySearchFunc(g.pending, mid, func(p message.Pending, mid int64) int { return cmp.Compare(p.Mid, mid) })
}

// put makes p pending, instead of what was with its mid.
func (g *group) put(p message.Pending) {
	i, found := g.find(p.Mid)
	if !found {
		g.pending = slices.Insert(g.pending, i, p)
	}
	g.pending[i] = p
}

// drop ends what is pending with mid, and tells whether it was.
func (g *group) drop(mid int64) bool {
	i, found := g.find(mid)
	if found {
		g.pending = slices.Delete(g.pending, i, i+1)
	}
	return found
}

// message returns the living message mid with a payload of its own, nil if there is none.
func (r *record) message(mid int64, now time.Time) *message.Message {
	i := r.from(mid)
	if i == len(r.messages) || r.messages[i].Mid != mid || !r.messages[i].Expires.After(now) {
		return nil
	}
	m := r.messages[i]
	m.Payload = slices.Clone(m.Payload)
	return &m
}
