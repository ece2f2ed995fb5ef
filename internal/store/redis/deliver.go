package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"gopush/internal/message"
)

// ReadGroup implements channel.Groups.
func (s *Store) ReadGroup(ctx context.Context, q message.GroupRead) ([]message.Message, error) {
	values, err := s.runGroup(ctx, readGroupScript, "read", q.Key, q.Group, q.Consumer, strconv.Itoa(q.Count), strconv.Itoa(q.MaxBytes),
		formatBool(q.NoAck), s.mostDevices(), strconv.FormatInt(s.maxStored.Load(), 10))
	if err != nil {
		return nil, err
	}
	return parseEntries(q.Key, values)
}

func parseEntries(key string, entries []rueidis.RedisMessage) (messages []message.Message, err error) {
	for i := range entries {
		m, err := parseEntry(key, &entries[i])
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// ReadPending implements channel.Groups.
func (s *Store) ReadPending(ctx context.Context, key, group, consumer string, after int64, count, maxBytes int) (found []message.Delivery, err error) {
	values, err := s.runGroup(ctx, readPendingScript, "read", key, group, consumer, formatID(after), strconv.Itoa(count), strconv.Itoa(maxBytes), s.mostDevices())
	if err != nil {
		return nil, err
	}
	for i := range values {
		m, err := parseEntry(key, &values[i])
		if err != nil {
			return nil, err
		}
		found = append(found, message.Delivery{Message: m, Gone: m.Expires.IsZero()})
	}
	return found, nil
}

// Ack implements channel.Groups.
func (s *Store) Ack(ctx context.Context, key, group string, mids ...int64) (int, error) {
	name := s.name(streamKind, key)
	if err := s.readyFor(ctx, name); err != nil {
		return 0, err
	}
	ids := make([]string, 0, len(mids))
	for _, mid := range mids {
		if mid > 0 {
			ids = append(ids, formatID(mid))
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	n, err := s.doKept(ctx, s.client.B().Xack().Key(name).Group(group).Id(ids...).Build())[0].AsInt64()
	if err != nil {
		return 0, fmt.Errorf("acknowledge in group %q of %q: %w", group, key, s.failed(err))
	}
	return int(n), nil
}

// Claim implements channel.Groups.
func (s *Store) Claim(ctx context.Context, c message.Claim, mids []int64) ([]message.Message, error) {
	args := append(s.claimArgs(&c), formatMid(c.Last))
	for _, mid := range mids {
		args = append(args, formatID(mid))
	}
	values, err := s.runGroup(ctx, claimScript, "claim in", c.Key, c.Group, args...)
	if err != nil {
		return nil, err
	}
	return parseEntries(c.Key, values)
}

// claimArgs are the arguments for claiming.lua.
func (s *Store) claimArgs(c *message.Claim) []string {
	delivered := strconv.FormatInt(s.nowMS(), 10)
	if !c.Delivered.IsZero() {
		delivered = strconv.FormatInt(c.Delivered.UnixMilli(), 10)
	}
	return []string{
		c.Consumer, formatMS(c.MinIdle), delivered, strconv.FormatInt(c.Count, 10), formatBool(c.JustID), formatBool(c.Force),
		strconv.Itoa(c.MaxBytes), s.mostDevices(),
	}
}

// AutoClaim implements channel.Groups.
func (s *Store) AutoClaim(ctx context.Context, c message.Claim, from int64, count int) (claimed []message.Message, gone []int64, next int64, err error) {
	c.Count, c.Force = -1, false
	args := append(s.claimArgs(&c), formatID(from), strconv.Itoa(count))
	values, err := s.runGroup(ctx, autoClaimScript, "claim in", c.Key, c.Group, args...)
	if err == nil {
		claimed, gone, next, err = parseAutoClaim(c.Key, values)
	}
	return claimed, gone, next, err
}

// parseAutoClaim reads what autoclaim.lua replies.
func parseAutoClaim(key string, values []rueidis.RedisMessage) (claimed []message.Message, gone []int64, next int64, err error) {
	if len(values) != 3 {
		return nil, nil, 0, fmt.Errorf("autoclaim.lua replied %d values", len(values))
	}
	entries, err := values[0].ToArray()
	if err != nil {
		return nil, nil, 0, err
	}
	if claimed, err = parseEntries(key, entries); err != nil {
		return nil, nil, 0, err
	}
	if gone, err = parseIDs(&values[1]); err != nil {
		return nil, nil, 0, err
	}
	if at, err := values[2].ToString(); err != nil || at == "" {
		return claimed, gone, 0, err
	}
	next, err = parseID(&values[2])
	return claimed, gone, next, err
}
