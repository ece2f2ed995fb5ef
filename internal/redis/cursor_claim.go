package redis

import (
	"context"
	"time"

	"gopush/internal/message"
)

// claiming is what an XCLAIM or XAUTOCLAIM is about to do.
type claiming struct {
	cursor
	claim message.Claim
}

// claiming returns that of group and consumer, arguments 2 and 3. The caller fills in the rest of the claim. What a reply has no
// room for is not claimed.
func (c *call) claiming() (claiming, bool) {
	g, ok := c.cursor(1, c.args[3])
	return claiming{cursor: g, claim: message.Claim{
		Key: g.key, Group: g.group, Consumer: string(c.args[3]),
		Delivered: c.server.cfg.Now(), Count: -1, MaxBytes: c.maxReplyBytes(),
	}}, ok
}

// claimed is what was claimed: messages, or with JUSTID their ids.
func (r *reply) claimed(messages []message.Message, justID bool) {
	if !justID {
		r.entries(messages)
		return
	}
	r.array(len(messages))
	for i := range messages {
		r.id(messages[i].Mid)
	}
}

// xclaim is XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-ms] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id].
func xclaim(c *call) {
	g, ok := c.claiming()
	if !ok {
		return
	}
	mids, problem := parseClaim(c.args[4:], &g.claim)
	c.work(func(ctx context.Context, r *reply) {
		if len(mids) == 0 || problem != "" {
			g.refuse(ctx, r, problem)
			return
		}
		claimed, err := g.groups.Claim(ctx, g.claim, mids)
		if err != nil {
			g.failed(r, err)
			return
		}
		r.claimed(claimed, g.claim.JustID)
	})
}

// refuse replies problem, or nothing claimed if there is none. Without a group it says that.
func (g *claiming) refuse(ctx context.Context, r *reply, problem string) {
	err := g.look(ctx)
	if err == nil && problem == "" && g.claim.Last > 0 {
		_, err = g.groups.Claim(ctx, g.claim, nil)
	}
	switch {
	case err != nil:
		g.failed(r, err)
	case problem != "":
		r.error(problem)
	default:
		r.array(0)
	}
}

// parseClaim reads the min-idle-time, ids and options of XCLAIM.
func parseClaim(args [][]byte, claim *message.Claim) (mids []int64, problem string) {
	idle, ok := parseInt(args[0])
	if !ok {
		return nil, "ERR Invalid min-idle-time argument for XCLAIM"
	}
	claim.MinIdle = milliseconds(idle)
	rest := args[1:]
	for ; len(rest) > 0; rest = rest[1:] {
		id, ok := parseOneID(rest[0])
		if !ok {
			break
		}
		if mid, ok := id.mid(); ok {
			mids = append(mids, mid)
		}
	}
	now := claim.Delivered
	for len(rest) > 0 {
		took, problem := claimOption(rest, claim, now)
		if problem != "" {
			return nil, problem
		}
		rest = rest[took:]
	}
	return mids, ""
}

// claimOption takes the option that args begin with, and returns how many arguments that was.
func claimOption(args [][]byte, claim *message.Claim, now time.Time) (took int, problem string) {
	switch more := len(args) > 1; {
	case is(args[0], "force"):
		claim.Force = true
		return 1, ""
	case is(args[0], "justid"):
		claim.JustID = true
		return 1, ""
	case more && is(args[0], "lastid"):
		id, ok := parseOneID(args[1])
		if !ok {
			return 2, textBadID
		}
		claim.Last = id.position()
		return 2, ""
	case more && (is(args[0], "idle") || is(args[0], "time") || is(args[0], "retrycount")):
		return 2, claimNumber(args[0], args[1], claim, now)
	}
	return 1, "ERR Unrecognized XCLAIM option '" + show(args[0], maxShown) + "'"
}

// claimNumber takes IDLE, TIME or RETRYCOUNT. A time that is not in the past is now.
func claimNumber(option, arg []byte, claim *message.Claim, now time.Time) (problem string) {
	v, ok := parseInt(arg)
	switch {
	case is(option, "retrycount"):
		if !ok {
			return "ERR Invalid RETRYCOUNT option argument for XCLAIM"
		}
		claim.Count = max(v, -1)
		return ""
	case is(option, "idle"):
		if !ok {
			return "ERR Invalid IDLE option argument for XCLAIM"
		}
		v = now.UnixMilli() - v
	case !ok:
		return "ERR Invalid TIME option argument for XCLAIM"
	}
	claim.Delivered = now
	if 0 <= v && v < now.UnixMilli() {
		claim.Delivered = time.UnixMilli(v)
	}
	return ""
}

// xautoclaim is XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID].
func xautoclaim(c *call) {
	g, ok := c.claiming()
	if !ok {
		return
	}
	from, count, problem := parseAutoClaim(c.args[4:], &g.claim)
	if problem != "" {
		c.error(problem)
		return
	}
	c.work(func(ctx context.Context, r *reply) {
		claimed, gone, next, err := g.groups.AutoClaim(ctx, g.claim, from, count)
		if err != nil {
			g.failed(r, err)
			return
		}
		r.array(3)
		r.id(next)
		r.claimed(claimed, g.claim.JustID)
		r.ids(gone)
	})
}

// parseAutoClaim reads the min-idle-time, start and options of XAUTOCLAIM.
func parseAutoClaim(args [][]byte, claim *message.Claim) (from int64, count int, problem string) {
	idle, ok := parseInt(args[0])
	if !ok {
		return 0, 0, "ERR Invalid min-idle-time argument for XAUTOCLAIM"
	}
	claim.MinIdle = milliseconds(idle)
	if from, problem = parseFrom(args[1]); problem != "" {
		return 0, 0, problem
	}
	count = 100
	for rest := args[2:]; len(rest) > 0; {
		switch {
		case is(rest[0], "count") && len(rest) > 1:
			const most = 1<<63/16 - 1 // as Redis has it
			v, ok := parseInt(rest[1])
			if !ok || v < 1 || v > most {
				return 0, 0, "ERR COUNT must be > 0"
			}
			count, rest = int(min(v, 1<<31-1)), rest[2:]
		case is(rest[0], "justid"):
			claim.JustID, rest = true, rest[1:]
		default:
			return 0, 0, textSyntax
		}
	}
	return from, count, ""
}
