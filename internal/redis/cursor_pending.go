package redis

import (
	"context"
	"strconv"
	"time"

	"gopush/internal/message"
)

// xack is XACK key group id [id ...].
func xack(c *call) {
	g, ok := c.cursor(1)
	if !ok {
		return
	}
	mids, ok := parseMids(c.args[3:])
	c.work(func(ctx context.Context, r *reply) {
		switch {
		case !ok:
			g.refuseAck(ctx, r)
		case len(mids) == 0:
			r.int(0)
		default:
			n, err := g.groups.Ack(ctx, g.key, g.group, mids...)
			if missing(err) {
				n, err = 0, nil
			}
			r.count(n, err)
		}
	})
}

// refuseAck replies that an id is bad; where there is no group no id is looked at.
func (g *cursor) refuseAck(ctx context.Context, r *reply) {
	err := g.look(ctx)
	switch {
	case missing(err):
		r.int(0)
	case err != nil:
		r.failed(err)
	default:
		r.error(textBadID)
	}
}

// xpending is XPENDING key group [[IDLE min-idle-time] start end count [consumer]].
func xpending(c *call) {
	if n := len(c.args); n == 3 {
		c.pendingSummary()
		return
	} else if n < 6 || n > 9 {
		c.syntax()
		return
	}
	f, consumer, problem := parsePending(c.args[3:])
	if problem != "" {
		c.error(problem)
		return
	}
	g, ok := c.cursor(1, consumer...)
	if !ok {
		return
	}
	maxBytes, now := c.maxReplyBytes(), c.server.cfg.Now
	c.work(func(ctx context.Context, r *reply) {
		if f.Count == 0 {
			if err := g.look(ctx); err != nil {
				g.failed(r, err)
				return
			}
			r.array(0)
			return
		}
		g.pending(ctx, r, f, maxBytes, now)
	})
}

// parsePending reads [IDLE min-idle-time] start end count [consumer]. consumer is that, or none. What follows it changes nothing, as in Redis.
func parsePending(args [][]byte) (f message.PendingFilter, consumer [][]byte, problem string) {
	if is(args[0], "idle") {
		idle, ok := parseInt(args[1])
		switch {
		case !ok:
			return f, nil, textNoNumber
		case len(args) < 5:
			return f, nil, textSyntax
		}
		f.MinIdle, args = milliseconds(idle), args[2:]
	}
	var ok bool
	if f.Count, ok = parseCount(args[2]); !ok {
		return f, nil, textNoNumber
	}
	if f.From, problem = parseFrom(args[0]); problem != "" {
		return f, nil, problem
	}
	if f.To, problem = parseTo(args[1]); problem != "" {
		return f, nil, problem
	}
	if len(args) > 3 {
		f.Consumer, consumer = string(args[3]), [][]byte{args[3]}
	}
	return f, consumer, ""
}

// pendingBytes is what an entry of XPENDING has at least, roughly.
const pendingBytes = 32

// pending replies what f chooses, or that it is too much.
func (g *cursor) pending(ctx context.Context, r *reply, f message.PendingFilter, maxBytes int, now func() time.Time) {
	f.Count = min(f.Count, maxBytes/pendingBytes+1)
	pending, err := g.groups.PendingRange(ctx, g.key, g.group, f)
	if err != nil {
		g.failed(r, err)
		return
	}
	start, at := len(r.dst), now()
	r.array(len(pending))
	for i := range pending {
		p := &pending[i]
		r.array(4)
		r.id(p.Mid)
		r.text(p.Consumer)
		r.int(since(at, p.Delivered))
		r.int(p.Count)
	}
	if len(r.dst)-start > maxBytes {
		r.dst = r.dst[:start]
		r.failed(tooLarge(maxBytes))
	}
}

// since returns the milliseconds from then to now, 0 if the clock went back.
func since(now, then time.Time) int64 { return max(now.Sub(then).Milliseconds(), 0) }

// pendingSummary is XPENDING key group.
func (c *call) pendingSummary() {
	g, ok := c.cursor(1)
	if !ok {
		return
	}
	c.work(func(ctx context.Context, r *reply) {
		s, err := g.groups.Pending(ctx, g.key, g.group)
		if err != nil {
			g.failed(r, err)
			return
		}
		r.summary(s)
	})
}

// summary is how many are pending, the first and the last id, and how many of each consumer.
func (r *reply) summary(s message.PendingSummary) {
	r.array(4)
	r.int(int64(s.Count))
	if s.Count == 0 {
		r.null()
		r.null()
		r.nullArray()
		return
	}
	r.id(s.First)
	r.id(s.Last)
	r.array(len(s.Consumers))
	for _, c := range s.Consumers {
		r.array(2)
		r.text(c.Name)
		r.text(strconv.Itoa(c.Pending))
	}
}
