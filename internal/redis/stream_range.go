package redis

import (
	"context"
	"math"
	"slices"

	"gopush/internal/message"
)

// xrange is XRANGE key start end [COUNT count].
func xrange(c *call) { c.ranged(2, 3, false) }

// xrevrange is XREVRANGE key end start [COUNT count].
func xrevrange(c *call) { c.ranged(3, 2, true) }

// ranged reads from the id at one argument to that at another.
func (c *call) ranged(start, end int, reverse bool) {
	from, problem := parseFrom(c.args[start])
	if problem != "" {
		c.error(problem)
		return
	}
	to, problem := parseTo(c.args[end])
	if problem != "" {
		c.error(problem)
		return
	}
	count, counted := 0, false
	for rest := c.args[4:]; len(rest) > 0; rest = rest[2:] {
		if len(rest) < 2 || !is(rest[0], "count") {
			c.syntax()
			return
		}
		if count, counted = parseCount(rest[1]); !counted {
			c.error(textNoNumber)
			return
		}
	}
	key, store, maxBytes := string(c.args[1]), c.server.cfg.Keys, c.maxReplyBytes()
	if counted && count == 0 {
		c.nothingOf(key)
		return
	}
	c.work(func(ctx context.Context, r *reply) {
		q := stretch{key: key, from: from, to: to, reverse: reverse, count: count, maxBytes: maxBytes}
		messages, err := q.messages(ctx, store)
		if err != nil {
			r.failed(err)
			return
		}
		r.entries(messages)
	})
}

// nothingOf replies what Redis has for no messages of a key: what it is depends on whether there is one.
func (c *call) nothingOf(key string) {
	store := c.server.cfg.Keys
	c.work(func(ctx context.Context, r *reply) {
		info, err := store.Info(ctx, key)
		switch {
		case err != nil:
			r.failed(err)
		case info.Exists:
			r.nullArray()
		default:
			r.array(0)
		}
	})
}

// stretch is messages of a key: those of mids in a range, at most count, and no more than maxBytes in all.
type stretch struct {
	key      string
	from, to int64
	reverse  bool
	count    int // 0: no limit
	maxBytes int
}

// messages returns the messages, or that they are too many.
func (q *stretch) messages(ctx context.Context, store Keys) ([]message.Message, error) {
	messages, err := store.Range(ctx, q.key, q.from, q.to, q.reverse, q.count, q.maxBytes)
	if n := len(messages); err == nil && n > 0 && (q.count == 0 || n < q.count) {
		var more bool
		if more, err = q.more(ctx, store, messages[n-1].Mid); more {
			err = tooLarge(q.maxBytes)
		}
	}
	return messages, err
}

// more tells whether there are messages beyond the one that was the last in a reply.
func (q *stretch) more(ctx context.Context, store Keys, last int64) (bool, error) {
	from, to := q.from, q.to
	switch {
	case last == math.MaxInt64, q.reverse && last <= from, !q.reverse && last >= to:
		return false, nil
	case q.reverse:
		to = last - 1
	default:
		from = last + 1
	}
	messages, err := store.Range(ctx, q.key, from, to, q.reverse, 1, 1)
	return len(messages) > 0, err
}

// xlen is XLEN key.
func xlen(c *call) {
	key, store := string(c.args[1]), c.server.cfg.Keys
	c.work(func(ctx context.Context, r *reply) {
		info, err := store.Info(ctx, key)
		r.count(info.Stored, err)
	})
}

// xdel is XDEL key id [id ...].
func xdel(c *call) {
	key, store := string(c.args[1]), c.server.cfg.Keys
	mids, ok := parseMids(c.args[2:])
	c.work(func(ctx context.Context, r *reply) {
		switch {
		case !ok:
			info, err := store.Info(ctx, key)
			if err == nil && info.Exists {
				r.error(textBadID)
				return
			}
			r.count(0, err)
		case len(mids) == 0: // which would delete all
			r.int(0)
		default:
			r.count(store.Delete(ctx, key, mids...))
		}
	})
}

// parseMids returns the different mids among the ids that are args. Ids that no message can have are left out.
func parseMids(args [][]byte) (mids []int64, ok bool) {
	mids = make([]int64, 0, len(args))
	for _, arg := range args {
		id, ok := parseOneID(arg)
		if !ok {
			return nil, false
		}
		if mid, ok := id.mid(); ok {
			mids = append(mids, mid)
		}
	}
	slices.Sort(mids)
	return slices.Compact(mids), true
}

// xsetid is XSETID: mids are never set back, nor ahead of the clock.
func xsetid(c *call) {
	c.error("ERR XSETID is not supported: ids follow the clock, and only XADD with an id moves a stream's last one")
}
