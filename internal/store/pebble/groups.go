package pebble

import (
	"cmp"
	"context"
	"slices"

	"gopush/internal/message"
)

// CreateGroup implements channel.Groups.
func (s *Store) CreateGroup(ctx context.Context, key, name string, last int64, create bool) error {
	return s.doRefusable(ctx, &op{entries: 1, grows: true, apply: func(c *commit) error {
		r, err := c.record(key)
		if err != nil {
			return err
		}
		if r.exists == 0 && !create {
			return message.ErrNoKey
		}
		value, err := c.lookup(groupKey(key, name))
		switch {
		case err != nil:
			return err
		case value != nil:
			return message.ErrGroupExists
		case s.full(r.groups):
			return message.ErrTooManyGroups
		}
		r.exists, r.used = 1, c.now.UnixMilli()
		r.groups++
		c.change(r)
		g := &group{key: key, name: name, last: r.position(last), read: -1, low: never, used: r.used, changed: true}
		return c.putGroup(g)
	}})
}

// full tells whether n is as many groups or consumers as there may be.
func (s *Store) full(n int64) bool {
	most := s.maxDevices.Load()
	return most > 0 && n >= most
}

// position returns the mid that last stands for.
func (r *record) position(last int64) int64 {
	if last == message.LastMid {
		return r.last
	}
	return last
}

// SetGroup implements channel.Groups.
func (s *Store) SetGroup(ctx context.Context, key, name string, last int64) error {
	return s.doGroup(ctx, key, name, &op{}, func(c *commit, g *group) error {
		r, err := c.record(key)
		if err != nil {
			return err
		}
		g.last, g.read, g.changed = r.position(last), -1, true
		return c.use(g)
	})
}

// DestroyGroup implements channel.Groups.
func (s *Store) DestroyGroup(ctx context.Context, key, name string) (found bool, err error) {
	err = s.doRefusable(ctx, &op{entries: 1, apply: func(c *commit) error {
		found = false
		g, err := c.group(key, name)
		if err == message.ErrNoGroup {
			return nil
		}
		if err != nil {
			return err
		}
		r, err := c.record(key)
		if err != nil {
			return err
		}
		found = true
		r.groups--
		c.change(r)
		return c.destroy(g)
	}})
	if err != nil {
		return false, err
	}
	return found, nil
}

// destroy removes g with all that belongs to it.
func (c *commit) destroy(g *group) error {
	if err := c.delete(groupKey(g.key, g.name)); err != nil {
		return err
	}
	if g.consumers > 0 {
		if err := c.deleteAllOf(ofGroup(consumerPrefix, g.key, g.name)); err != nil {
			return err
		}
	}
	if g.pending > 0 {
		return c.deleteAllOf(ofGroup(pendingPrefix, g.key, g.name))
	}
	return nil
}

// destroyGroups removes all groups of r's key.
func (c *commit) destroyGroups(r *record) error {
	if r.groups == 0 {
		return nil
	}
	for _, prefix := range []byte{groupPrefix, consumerPrefix, pendingPrefix} {
		if err := c.deleteAllOf(appendKeyed(nil, prefix, r.key)); err != nil {
			return err
		}
	}
	r.groups = 0
	c.change(r)
	return nil
}

// GroupsOf implements channel.Groups.
func (s *Store) GroupsOf(ctx context.Context, key string) ([]message.Group, error) {
	in, err := s.reader(ctx)
	if err != nil {
		return nil, err
	}
	defer in.using.RUnlock()
	r, _, err := in.record(key)
	if err != nil {
		return nil, err
	}
	if r.exists == 0 {
		return nil, message.ErrNoKey
	}
	r.key = key
	groups, err := in.groupsOf(&r)
	if err == nil {
		err = in.countLags(&r, groups, s.cfg.Now().UnixMilli())
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return groups, nil
}

// groupsOf returns the groups of r's key by name, without their lag.
func (in *instance) groupsOf(r *record) ([]message.Group, error) {
	if r.groups == 0 {
		return nil, nil
	}
	iter, err := all(in.db, appendKeyed(nil, groupPrefix, r.key))
	if err != nil {
		return nil, err
	}
	defer iter.Close()
	var groups []message.Group
	for ok := iter.First(); ok; ok = iter.Next() {
		var g group
		if err := g.decode(iter.Value()); err != nil {
			return nil, err
		}
		_, name := keyOf(iter.Key())
		groups = append(groups, message.Group{
			Name: string(name), Last: g.last, Read: g.read, Consumers: int(g.consumers), Pending: int(g.pending),
		})
	}
	return groups, iter.Error()
}

// countLags counts for each of groups the living messages of r's key after its last one, in one walk from the newest.
func (in *instance) countLags(r *record, groups []message.Group, now int64) error {
	order := make([]*message.Group, len(groups)) // who has delivered most first
	for i := range groups {
		order[i] = &groups[i]
	}
	slices.SortFunc(order, func(a, b *message.Group) int { return cmp.Compare(b.Last, a.Last) })
	if len(order) == 0 || r.count == 0 || order[len(order)-1].Last >= r.last {
		return nil
	}
	iter, err := messages(in.db, r.key, max(r.first, order[len(order)-1].Last+1), never)
	if err != nil {
		return err
	}
	defer iter.Close()
	living := int64(0)
	for ok := iter.Last(); ok; ok = iter.Prev() {
		for mid := midOf(iter.Key()); len(order) > 0 && order[0].Last >= mid; order = order[1:] {
			order[0].Lag = living
		}
		expires, err := iterExpires(iter)
		if err != nil {
			return err
		}
		if expires > now {
			living++
		}
	}
	for _, g := range order {
		g.Lag = living
	}
	return iter.Error()
}
