package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"gopush/internal/message"
)

// CreateConsumer implements channel.Groups.
func (s *Store) CreateConsumer(ctx context.Context, key, group, consumer string) (bool, error) {
	n, err := s.runCount(ctx, createConsumerScript, "create a consumer in", key, group, consumer, s.mostDevices())
	return n > 0, err
}

// DeleteConsumer implements channel.Groups.
func (s *Store) DeleteConsumer(ctx context.Context, key, group, consumer string) (pending int, err error) {
	return s.runCount(ctx, deleteConsumerScript, "delete a consumer of", key, group, consumer)
}

// Consumers implements channel.Groups.
func (s *Store) Consumers(ctx context.Context, key, group string) (consumers []message.Consumer, err error) {
	values, err := s.runGroup(ctx, consumersScript, "consumers of", key, group)
	if err != nil {
		return nil, err
	}
	for i := range values {
		c, seen, err := parseConsumer(&values[i])
		if err != nil {
			return nil, fmt.Errorf("consumers of group %q of %q: %w", group, key, err)
		}
		c.Seen = time.UnixMilli(seen)
		consumers = append(consumers, c)
	}
	return consumers, nil
}

// parseConsumer reads a name, how much is pending, and, where it stands there, when the consumer was seen.
func parseConsumer(r *rueidis.RedisMessage) (c message.Consumer, seen int64, err error) {
	parts, err := r.ToArray()
	if err != nil || len(parts) < 2 {
		return c, 0, fmt.Errorf("no consumer: %v", err)
	}
	if c.Name, err = parts[0].ToString(); err != nil {
		return c, 0, err
	}
	pending, err := parts[1].AsInt64()
	if err == nil && len(parts) > 2 {
		seen, err = parts[2].AsInt64()
	}
	c.Pending = int(pending)
	return c, seen, err
}

// Pending implements channel.Groups.
func (s *Store) Pending(ctx context.Context, key, group string) (message.PendingSummary, error) {
	values, err := s.runGroup(ctx, pendingScript, "pending in", key, group)
	if err != nil {
		return message.PendingSummary{}, err
	}
	sum, err := parseSummary(&values[0])
	if err != nil {
		return sum, fmt.Errorf("pending in group %q of %q: %w", group, key, err)
	}
	return sum, nil
}

// parseSummary reads what XPENDING replies: how much, the first and the last id, and how much with each consumer.
func parseSummary(r *rueidis.RedisMessage) (sum message.PendingSummary, err error) {
	parts, err := r.ToArray()
	if err != nil || len(parts) != 4 {
		return sum, fmt.Errorf("no summary: %v", err)
	}
	count, err := parts[0].AsInt64()
	if err != nil || count == 0 {
		return sum, err
	}
	sum.Count = int(count)
	if sum.First, err = parseID(&parts[1]); err != nil {
		return sum, err
	}
	if sum.Last, err = parseID(&parts[2]); err != nil {
		return sum, err
	}
	consumers, err := parts[3].ToArray()
	for i := range consumers {
		c, _, err := parseConsumer(&consumers[i])
		if err != nil {
			return sum, err
		}
		sum.Consumers = append(sum.Consumers, c)
	}
	return sum, err
}

// PendingRange implements channel.Groups.
func (s *Store) PendingRange(ctx context.Context, key, group string, f message.PendingFilter) (pending []message.Pending, err error) {
	values, err := s.runGroup(ctx, pendingRangeScript, "pending in", key, group,
		formatID(f.From), formatID(f.To), strconv.Itoa(f.Count), f.Consumer, formatMS(f.MinIdle))
	if err != nil {
		return nil, err
	}
	for i := range values {
		p, err := parsePending(&values[i])
		if err != nil {
			return nil, fmt.Errorf("pending in group %q of %q: %w", group, key, err)
		}
		pending = append(pending, p)
	}
	return pending, nil
}

func formatMS(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// parsePending reads an id, a consumer, when it was delivered, and how often.
func parsePending(r *rueidis.RedisMessage) (p message.Pending, err error) {
	parts, err := r.ToArray()
	if err != nil || len(parts) != 4 {
		return p, fmt.Errorf("nothing pending: %v", err)
	}
	if p.Mid, err = parseID(&parts[0]); err != nil {
		return p, err
	}
	if p.Consumer, err = parts[1].ToString(); err != nil {
		return p, err
	}
	delivered, err := parts[2].AsInt64()
	if err != nil {
		return p, err
	}
	p.Delivered = time.UnixMilli(delivered)
	p.Count, err = parts[3].AsInt64()
	return p, err
}
