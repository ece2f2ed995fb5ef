package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"gopush/internal/message"
)

// CreateConsumer implements channel.Groups.
func (s *Store) CreateConsumer(ctx context.Context, key, name, consumer string) (created bool, err error) {
	err = s.with(ctx, key, name, func(r *record, g *group, now time.Time) error {
		if _, found := g.consumers[consumer]; found {
			return nil
		}
		created = true
		return s.see(r, g, consumer, now)
	})
	return created && err == nil, err
}

// see notes that a consumer asks for something; it is made if it is not there.
func (s *Store) see(r *record, g *group, consumer string, now time.Time) error {
	if err := s.room(g, consumer); err != nil {
		return err
	}
	g.consumers[consumer] = now
	r.used = now
	return nil
}

// room is message.ErrTooManyGroups if consumer is not there and cannot be made.
func (s *Store) room(g *group, consumer string) error {
	if _, found := g.consumers[consumer]; !found && s.full(len(g.consumers)) {
		return message.ErrTooManyGroups
	}
	return nil
}

// given notes that consumer was given n messages: as in Redis 7.0, one that gets none is not seen.
func (s *Store) given(r *record, g *group, consumer string, n int, now time.Time) error {
	r.used = now
	if n == 0 {
		return nil
	}
	return s.see(r, g, consumer, now)
}

// DeleteConsumer implements channel.Groups.
func (s *Store) DeleteConsumer(ctx context.Context, key, name, consumer string) (pending int, err error) {
	err = s.with(ctx, key, name, func(_ *record, g *group, _ time.Time) error {
		before := len(g.pending)
		g.pending = slices.DeleteFunc(g.pending, func(p message.Pending) bool { return p.Consumer == consumer })
		delete(g.consumers, consumer)
		pending = before - len(g.pending)
		return nil
	})
	return pending, err
}

// Consumers implements channel.Groups.
func (s *Store) Consumers(ctx context.Context, key, name string) (consumers []message.Consumer, err error) {
	err = s.with(ctx, key, name, func(_ *record, g *group, _ time.Time) error {
		pending := g.pendingBy()
		for consumer, seen := range g.consumers {
			consumers = append(consumers, message.Consumer{Name: consumer, Pending: pending[consumer], Seen: seen})
		}
		sortConsumers(consumers)
		return nil
	})
	return consumers, err
}

// pendingBy counts what is pending by consumer.
func (g *group) pendingBy() map[string]int {
	n := map[string]int{}
	for _, p := range g.pending {
		n[p.Consumer]++
	}
	return n
}

func sortConsumers(consumers []message.Consumer) {
	slices.SortFunc(consumers, func(a, b message.Consumer) int { return cmp.Compare(a.Name, b.Name) })
}

// Pending implements channel.Groups.
func (s *Store) Pending(ctx context.Context, key, name string) (sum message.PendingSummary, err error) {
	err = s.with(ctx, key, name, func(_ *record, g *group, _ time.Time) error {
		if sum.Count = len(g.pending); sum.Count == 0 {
			return nil
		}
		sum.First, sum.Last = g.pending[0].Mid, g.pending[sum.Count-1].Mid
		for consumer, n := range g.pendingBy() {
			sum.Consumers = append(sum.Consumers, message.Consumer{Name: consumer, Pending: n})
		}
		sortConsumers(sum.Consumers)
		return nil
	})
	return sum, err
}

// PendingRange implements channel.Groups.
func (s *Store) PendingRange(ctx context.Context, key, name string, f message.PendingFilter) (pending []message.Pending, err error) {
	err = s.with(ctx, key, name, func(_ *record, g *group, now time.Time) error {
		from, _ := g.find(f.From)
		for _, p := range g.pending[from:] {
			if p.Mid > f.To || len(pending) >= f.Count {
				break
			}
			if (f.Consumer == "" || p.Consumer == f.Consumer) && (f.MinIdle <= 0 || now.Sub(p.Delivered) >= f.MinIdle) {
				pending = append(pending, p)
			}
		}
		return nil
	})
	return pending, err
}
