package redis

import (
	"context"
	"math"
	"time"

	"gopush/internal/message"
)

const textNoSuchKey = "ERR no such key"

// xinfoStream is XINFO STREAM key [FULL [COUNT count]].
func xinfoStream(c *call) {
	count, problem := 0, ""
	full := len(c.args) > 3
	if full {
		count, problem = c.fullCount()
	}
	s := streamInfo{
		cursor:   cursor{keys: c.server.cfg.Keys, groups: c.server.cfg.Groups, key: string(c.args[2])},
		maxBytes: c.maxReplyBytes(), now: c.server.cfg.Now,
	}
	c.work(func(ctx context.Context, r *reply) {
		info, err := s.keys.Info(ctx, s.key)
		switch {
		case err != nil:
			r.failed(err)
		case !info.Exists:
			r.error(textNoSuchKey)
		case problem != "":
			r.error(problem)
		default:
			s.reply(ctx, r, info, full, count)
		}
	})
}

// fullCount reads FULL [COUNT count]. 0 is all.
func (c *call) fullCount() (count int, problem string) {
	options := c.args[3:]
	if !is(options[0], "full") || len(options) != 1 && (len(options) != 3 || !is(options[1], "count")) {
		return 0, "ERR unknown subcommand or wrong number of arguments for '" + show(c.args[1], maxShown) + "'. Try XINFO HELP."
	}
	const usual = 10
	if len(options) == 1 {
		return usual, ""
	}
	v, ok := parseInt(options[2])
	switch {
	case !ok:
		return 0, textNoNumber
	case v < 0:
		return usual, ""
	}
	return int(min(v, math.MaxInt32)), ""
}

// streamInfo is what XINFO tells of a key.
type streamInfo struct {
	cursor
	maxBytes int
	now      func() time.Time
}

// reply replies all of it, or why not.
func (s *streamInfo) reply(ctx context.Context, r *reply, info message.KeyInfo, full bool, count int) {
	start := len(r.dst)
	var err error
	if full {
		r.mapping(9)
		r.facts(info)
		err = s.full(ctx, r, count)
	} else {
		r.mapping(10)
		r.facts(info)
		err = s.brief(ctx, r)
	}
	if err != nil {
		r.dst = r.dst[:start]
		r.failed(err)
	}
}

// facts are the first seven of XINFO STREAM. Those that only Redis's way to keep streams has are those of a small stream.
func (r *reply) facts(info message.KeyInfo) {
	nodes := int64(min(info.Stored, 1))
	r.text("length")
	r.int(int64(info.Stored))
	r.text("radix-tree-keys")
	r.int(nodes)
	r.text("radix-tree-nodes")
	r.int(nodes + 1)
	r.text("last-generated-id")
	r.id(info.Last)
	r.text("max-deleted-entry-id")
	r.id(0)
	r.text("entries-added")
	r.int(info.Added)
	r.text("recorded-first-entry-id")
	r.id(info.First)
}

// brief is the groups, counted, and the first and last message.
func (s *streamInfo) brief(ctx context.Context, r *reply) error {
	groups, err := s.list(ctx)
	if err != nil {
		return err
	}
	r.text("groups")
	r.int(int64(len(groups)))
	for _, end := range []struct {
		name    string
		reverse bool
	}{{"first-entry", false}, {"last-entry", true}} {
		messages, err := s.keys.Range(ctx, s.key, 0, math.MaxInt64, end.reverse, 1, s.maxBytes)
		if err != nil {
			return err
		}
		r.text(end.name)
		if len(messages) == 0 {
			r.null()
			continue
		}
		r.entry(&messages[0])
	}
	return nil
}

// list returns the groups of the key.
func (s *streamInfo) list(ctx context.Context) ([]message.Group, error) {
	if s.groups == nil {
		return nil, nil
	}
	groups, err := s.groups.GroupsOf(ctx, s.key)
	if missing(err) {
		return nil, nil
	}
	return groups, err
}

// full is the first count messages, and all of the groups.
func (s *streamInfo) full(ctx context.Context, r *reply, count int) error {
	q := stretch{key: s.key, to: math.MaxInt64, count: count, maxBytes: s.maxBytes}
	messages, err := q.messages(ctx, s.keys)
	if err != nil {
		return err
	}
	r.text("entries")
	r.entries(messages)
	groups, err := s.list(ctx)
	if err != nil {
		return err
	}
	if count == 0 {
		count = s.maxBytes/pendingBytes + 1
	}
	r.text("groups")
	r.array(len(groups))
	start := len(r.dst)
	for i := range groups {
		if err := s.group(ctx, r, &groups[i], count); err != nil {
			return err
		}
		if len(r.dst)-start > s.maxBytes {
			return tooLarge(s.maxBytes)
		}
	}
	return nil
}

// group is all of a group, with at most count that are pending.
func (s *streamInfo) group(ctx context.Context, r *reply, g *message.Group, count int) error {
	pending, err := s.groups.PendingRange(ctx, s.key, g.Name, message.PendingFilter{To: math.MaxInt64, Count: count})
	if err != nil {
		return err
	}
	r.mapping(7)
	r.text("name")
	r.text(g.Name)
	r.place(g)
	r.text("pel-count")
	r.int(int64(g.Pending))
	r.text("pending")
	r.array(len(pending))
	for _, p := range pending {
		r.array(4)
		r.id(p.Mid)
		r.text(p.Consumer)
		r.int(p.Delivered.UnixMilli())
		r.int(p.Count)
	}
	return s.consumers(ctx, r, g.Name, count)
}

// consumers is all of those of a group, with at most count that are pending of each.
func (s *streamInfo) consumers(ctx context.Context, r *reply, group string, count int) error {
	consumers, err := s.groups.Consumers(ctx, s.key, group)
	if err != nil {
		return err
	}
	r.text("consumers")
	r.array(len(consumers))
	for _, c := range consumers {
		f := message.PendingFilter{To: math.MaxInt64, Count: count, Consumer: c.Name}
		pending, err := s.groups.PendingRange(ctx, s.key, group, f)
		if err != nil {
			return err
		}
		r.mapping(4)
		r.text("name")
		r.text(c.Name)
		r.text("seen-time")
		r.int(c.Seen.UnixMilli())
		r.text("pel-count")
		r.int(int64(c.Pending))
		r.text("pending")
		r.array(len(pending))
		for _, p := range pending {
			r.array(3)
			r.id(p.Mid)
			r.int(p.Delivered.UnixMilli())
			r.int(p.Count)
		}
	}
	return nil
}

// place is where a group is in its stream.
func (r *reply) place(g *message.Group) {
	r.text("last-delivered-id")
	r.id(g.Last)
	r.text("entries-read")
	r.known(g.Read)
	r.text("lag")
	r.known(g.Lag)
}

// known is a number, or null for one that is not known.
func (r *reply) known(v int64) {
	if v < 0 {
		r.null()
		return
	}
	r.int(v)
}

// xinfoGroups is XINFO GROUPS key.
func xinfoGroups(c *call) {
	s := streamInfo{cursor: cursor{keys: c.server.cfg.Keys, groups: c.server.cfg.Groups, key: string(c.args[2])}}
	c.work(func(ctx context.Context, r *reply) {
		info, err := s.keys.Info(ctx, s.key)
		var groups []message.Group
		if err == nil && info.Exists {
			groups, err = s.list(ctx)
		}
		switch {
		case err != nil:
			r.failed(err)
			return
		case !info.Exists:
			r.error(textNoSuchKey)
			return
		}
		r.array(len(groups))
		for i := range groups {
			g := &groups[i]
			r.mapping(6)
			r.text("name")
			r.text(g.Name)
			r.text("consumers")
			r.int(int64(g.Consumers))
			r.text("pending")
			r.int(int64(g.Pending))
			r.place(g)
		}
	})
}

// xinfoConsumers is XINFO CONSUMERS key group.
func xinfoConsumers(c *call) {
	g, ok := c.cursor(2)
	if !ok {
		return
	}
	now := c.server.cfg.Now
	c.work(func(ctx context.Context, r *reply) {
		consumers, err := g.groups.Consumers(ctx, g.key, g.group)
		if err != nil {
			g.failedOf(r, err, textNoSuchKey)
			return
		}
		at := now()
		r.array(len(consumers))
		for _, consumer := range consumers {
			r.mapping(3)
			r.text("name")
			r.text(consumer.Name)
			r.text("pending")
			r.int(int64(consumer.Pending))
			r.text("idle")
			r.int(since(at, consumer.Seen))
		}
	})
}
