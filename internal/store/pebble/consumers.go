package pebble

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"gopush/internal/message"
)

// CreateConsumer implements channel.Groups.
func (s *Store) CreateConsumer(ctx context.Context, key, name, consumer string) (created bool, err error) {
	err = s.doGroup(ctx, key, name, &op{grows: true}, func(c *commit, g *group) error {
		value, err := c.lookup(g.consumerKey(consumer))
		if created = value == nil && err == nil; !created {
			return err
		}
		return s.see(c, g, consumer)
	})
	if err != nil {
		return false, err
	}
	return created, nil
}

// see notes that a consumer asks for something; it is made if it is not there.
func (s *Store) see(c *commit, g *group, consumer string) error {
	name := g.consumerKey(consumer)
	value, err := c.lookup(name)
	if err != nil {
		return err
	}
	if value == nil {
		if s.full(g.consumers) {
			return message.ErrTooManyGroups
		}
		g.consumers++
		g.changed = true
	}
	if err := c.put(name, binary.AppendVarint(nil, c.now.UnixMilli())); err != nil {
		return err
	}
	return c.use(g)
}

// room is message.ErrTooManyGroups if consumer is not there and cannot be made.
func (s *Store) room(c *commit, g *group, consumer string) error {
	value, err := c.lookup(g.consumerKey(consumer))
	if err == nil && value == nil && s.full(g.consumers) {
		return message.ErrTooManyGroups
	}
	return err
}

// given notes that consumer was given n messages: as in Redis 7.0, one that gets none is not seen.
func (s *Store) given(c *commit, g *group, consumer string, n int) error {
	if n == 0 {
		return c.use(g)
	}
	return s.see(c, g, consumer)
}

// DeleteConsumer implements channel.Groups.
func (s *Store) DeleteConsumer(ctx context.Context, key, name, consumer string) (n int, err error) {
	err = s.doGroup(ctx, key, name, &op{}, func(c *commit, g *group) error {
		n = 0
		value, err := c.lookup(g.consumerKey(consumer))
		if err != nil || value == nil {
			return err
		}
		from, err := c.read()
		if err != nil {
			return err
		}
		var mids []int64
		err = g.scan(from, 0, never, func(mid int64, _ pending, who []byte) bool {
			if string(who) == consumer {
				mids = append(mids, mid)
			}
			return true
		})
		if err != nil {
			return err
		}
		n = len(mids)
		for _, mid := range mids {
			if err := c.endPending(g, mid); err != nil {
				return err
			}
		}
		g.consumers--
		g.changed = true
		return c.delete(g.consumerKey(consumer))
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Consumers implements channel.Groups.
func (s *Store) Consumers(ctx context.Context, key, name string) (consumers []message.Consumer, err error) {
	err = s.readGroup(ctx, key, name, func(in *instance, g *group) error {
		sum, err := g.sum(in)
		if err != nil {
			return err
		}
		iter, err := all(in.db, ofGroup(consumerPrefix, key, name))
		if err != nil {
			return unavailable(err)
		}
		defer iter.Close()
		begin := len(ofGroup(consumerPrefix, key, name))
		for ok := iter.First(); ok; ok = iter.Next() {
			consumer := string(iter.Key()[begin:])
			var seen int64
			if _, err := readVarints(iter.Value(), &seen); err != nil {
				return unavailable(err)
			}
			consumers = append(consumers, message.Consumer{Name: consumer, Pending: sum.by[consumer], Seen: time.UnixMilli(seen)})
		}
		if err := iter.Error(); err != nil {
			return unavailable(err)
		}
		return nil
	})
	return consumers, err
}

// sum is what is pending in a group, in all.
type sum struct {
	n           int
	first, last int64
	by          map[string]int // consumer
}

func (g *group) sum(in *instance) (sum, error) {
	s := sum{by: map[string]int{}}
	err := g.scan(in.db, 0, never, func(mid int64, _ pending, consumer []byte) bool {
		if s.n == 0 {
			s.first = mid
		}
		s.last = mid
		s.n++
		s.by[string(consumer)]++
		return true
	})
	if err != nil {
		return s, unavailable(err)
	}
	return s, nil
}

// Pending implements channel.Groups.
func (s *Store) Pending(ctx context.Context, key, name string) (found message.PendingSummary, err error) {
	err = s.readGroup(ctx, key, name, func(in *instance, g *group) error {
		sum, err := g.sum(in)
		found = message.PendingSummary{Count: sum.n, First: sum.first, Last: sum.last}
		for _, consumer := range slices.Sorted(maps.Keys(sum.by)) {
			found.Consumers = append(found.Consumers, message.Consumer{Name: consumer, Pending: sum.by[consumer]})
		}
		return err
	})
	return found, err
}

// PendingRange implements channel.Groups.
func (s *Store) PendingRange(ctx context.Context, key, name string, f message.PendingFilter) (found []message.Pending, err error) {
	now := s.cfg.Now()
	err = s.readGroup(ctx, key, name, func(in *instance, g *group) error {
		if f.Count <= 0 {
			return nil
		}
		err := g.scan(in.db, f.From, f.To, func(mid int64, p pending, consumer []byte) bool {
			if (f.Consumer == "" || f.Consumer == string(consumer)) && p.idle(now, f.MinIdle) {
				found = append(found, message.Pending{
					Mid: mid, Consumer: string(consumer), Delivered: time.UnixMilli(p.delivered), Count: p.count,
				})
			}
			return len(found) < f.Count
		})
		if err != nil {
			return unavailable(err)
		}
		return nil
	})
	return found, err
}
