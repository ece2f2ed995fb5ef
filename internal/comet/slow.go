package comet

import (
	"maps"
	"slices"
	"strings"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire"
)

// What becomes of messages for a connection for which others wait already is decided by their key:
//
//	close   they wait, too; past max_pending_bytes or max_pending_messages the connection is closed
//	drop    they wait, too; past that live-only ones are left out
//	latest  of the live-only ones only the newest waits, beside the queue, until that has left
//
// Stored messages are never left out. Where one has no room the connection is closed, or, if its dialect resumes, falls behind: it reads
// the rest from the store once what waits has left, like one that comes back.

// SlowPolicy is what becomes of messages for connections that do not read them.
type SlowPolicy uint8

const (
	SlowClose SlowPolicy = iota
	SlowDrop
	SlowLatest
)

// SlowConsumers is the policy for keys, or patterns, that begin with a prefix.
type SlowConsumers struct {
	Prefix string
	Policy SlowPolicy
}

// policyOf returns what becomes of messages of g: what the longest prefix of its name says.
func (l *loop) policyOf(g *group) (p SlowPolicy) {
	longest := -1
	for _, s := range l.g.limits.Load().SlowConsumers {
		if len(s.Prefix) > longest && strings.HasPrefix(g.channel.Key(), s.Prefix) {
			longest, p = len(s.Prefix), s.Policy
		}
	}
	return p
}

// latest has live-only messages that wait beside a queue, one at most of each group.
type latest struct {
	of    map[uint32]latestMessage // by group
	bytes int                      // of payload
}

type latestMessage struct {
	*message.Message
	channel *channel.Channel
	variant wire.Variant
}

// sizeOfLatest is about what one more costs besides its payload.
const sizeOfLatest = 64

func (q *latest) size() int { return q.bytes + sizeOfLatest*len(q.of) }

// sendSlowly queues those of w's messages, from the first on, for c, for which others wait, that its policy lets wait. before is the mid up to
// which c has what is stored.
func (l *loop) sendSlowly(c *conn, p SlowPolicy, v wire.Variant, ref uint32, w *walk, first int, before int64) {
	f, newest := w.frames[v], len(w.now)-1
	if p == SlowLatest {
		l.forgetLatest(c, ref, true)
	}
	for i := first; i <= newest; i++ {
		m, b := w.now[i], f.frame(i)
		full := c.out != nil && l.overfull(c, len(b), 1)
		switch {
		case full && m.Stored():
			l.fallBehind(c, ref, before, w.now[i:])
			return
		case p == SlowLatest && !m.Stored() && c.out != nil:
			if i < newest || !l.keepLatest(c, ref, v, m) {
				l.g.Stats.DroppedSlow.Add(1)
			}
		case full:
			l.g.Stats.DroppedSlow.Add(1)
		default:
			l.delivered++
			if l.sendFrames(c, b, 1, f); c.state == free {
				return
			}
		}
		before = m.Mid
	}
}

// frame returns that of the ith message.
func (f *frames) frame(i int) []byte {
	if i+1 < len(f.starts) {
		return f.bytes[f.starts[i]:f.starts[i+1]]
	}
	return f.bytes[f.starts[i]:]
}

// fallBehind has c, for which there is no room for the first of messages, read it and what follows from the store; or closes it, where its
// dialect knows no such thing.
func (l *loop) fallBehind(c *conn, ref uint32, before int64, messages []*message.Message) {
	if c.state != subRESP && c.state != subWS {
		l.close(c, Slow)
		return
	}
	l.forgetLatest(c, ref, true)
	r := &resume{position: before, behind: true}
	c.more().resume = r
	c.seen = before
	l.g.Stats.FellBehind.Add(1)
	l.hold(r, messages)
	l.weigh(c)
}

// keepLatest has m wait beside c's queue, in place of the one before; false: there is no room even so.
func (l *loop) keepLatest(c *conn, ref uint32, v wire.Variant, m *message.Message) bool {
	limits, q := l.g.limits.Load(), c.more().latest
	if q == nil {
		q = &latest{of: make(map[uint32]latestMessage, 1)}
		c.aux.latest = q
	}
	if len(q.of) > 0 && (len(q.of) >= limits.MaxPendingMessages || q.bytes+len(m.Payload) > limits.MaxPendingBytes) {
		return false
	}
	q.of[ref] = latestMessage{m, l.groups.at(ref).channel, v}
	q.bytes += len(m.Payload)
	l.weigh(c)
	return true
}

// forgetLatest forgets what waits of a group beside c's queue: a newer one has come, or nobody is to get it any more.
func (l *loop) forgetLatest(c *conn, ref uint32, dropped bool) {
	if c.aux == nil || c.aux.latest == nil {
		return
	}
	q := c.aux.latest
	m, waits := q.of[ref]
	if !waits {
		return
	}
	if dropped {
		l.g.Stats.DroppedSlow.Add(1)
	}
	q.bytes -= len(m.Payload)
	if delete(q.of, ref); len(q.of) == 0 {
		c.aux.latest = nil
	}
	l.weigh(c)
}

// sendLatest sends what waited beside c's queue, which has left.
func (l *loop) sendLatest(c *conn) {
	if c.aux == nil || c.aux.latest == nil {
		return
	}
	q := c.aux.latest
	c.aux.latest = nil
	l.weigh(c)
	var out []byte
	for _, ref := range slices.Sorted(maps.Keys(q.of)) {
		m := q.of[ref]
		if m.channel.Pattern() {
			out = l.encoder.AppendPatternFrame(out, m.variant, m.channel.Key(), m.Message)
		} else {
			out = l.encoder.AppendFrame(out, m.variant, m.Message)
		}
	}
	l.delivered += int64(len(q.of))
	l.send(c, out, len(q.of))
}
