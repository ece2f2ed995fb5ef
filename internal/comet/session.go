package comet

import (
	"bytes"
	"errors"
	"net/url"
	"slices"
	"time"

	"gopush/internal/channel"
	"gopush/internal/wire"
	"gopush/internal/wire/resp"
	"gopush/internal/wire/ws"
)

// A session is a state machine without I/O: bytes come in by input, answers leave by send.
// What may block goes to the pool and comes back through the inbox. The protocol is in
// docs/protocol.md.

// graceSeconds is how much longer than its heartbeat a subscriber may be silent.
const graceSeconds = 5

// legacyArgBytes bounds each of a legacy command: sub KEY HEARTBEAT TOKEN VERSION MID.
const legacyArgBytes = 4096

// input takes what was read from c. The bytes are the caller's.
func (l *loop) input(c *conn, data []byte) {
	kept := c.in
	if kept != nil {
		*kept = append(*kept, data...)
		data = *kept
	}
	used := l.consume(c, data)
	switch rest := data[used:]; {
	case c.state == free:
	case len(rest) == 0:
		c.in = nil
	case kept != nil:
		*kept = append((*kept)[:0], rest...)
	default:
		in := bytes.Clone(rest)
		c.in = &in
	}
	if c.in != nil || kept != nil && c.state != free {
		l.weigh(c)
	}
}

// consume goes through b command by command and returns how much of it is done with.
func (l *loop) consume(c *conn, b []byte) (used int) {
	for used < len(b) {
		before := c.state
		n := l.session(c, b[used:])
		if used += n; n == 0 && c.state == before {
			return used
		}
	}
	return used
}

// session does one thing with b: it returns how many bytes it is done with, or changes c's
// state; neither means that more bytes are needed.
func (l *loop) session(c *conn, b []byte) int {
	switch c.state {
	case announced:
		return l.introduce(c, b)
	case handshaking:
		return l.shake(c, b)
	case sniffing:
		l.sniff(c, b)
	case inRESP:
		return l.firstCommand(c, b)
	case inHead:
		return l.head(c, b)
	case checking:
		if len(b) > l.g.limits.Load().MaxCommandBytes[c.kind] {
			l.closePolitely(c, TooLong)
		}
	case subRESP:
		return l.heartbeats(c, b)
	case subWS:
		return l.frame(c, b)
	case served:
		return l.requests(c, b)
	default: // free, flushing, lingering
		return len(b)
	}
	return 0
}

// firstCommand takes the command that decides what c is for life: a legacy subscriber, or a client of Redis.
func (l *loop) firstCommand(c *conn, b []byte) int {
	args, n, err := resp.ParseCommand(l.args[:0], b, l.redisLimits(c))
	l.args = args
	switch {
	case err != nil:
	case n == 0:
		return 0
	case wire.IsSub(args):
		return l.legacySub(c, args, n)
	default:
		if service := l.redisOf(c); service != nil && service.server.Known(args[0]) {
			l.beginRedis(c, service)
			return 0
		}
	}
	l.refuse(c, wire.TextParam, BadCommand)
	return n
}

// legacySub takes the command of a legacy subscriber, of n bytes.
func (l *loop) legacySub(c *conn, args [][]byte, n int) int {
	defer clear(args)
	long := func(arg []byte) bool { return len(arg) > legacyArgBytes }
	sub, err := wire.ParseSub(args, l.g.wireLimits())
	if err != nil || slices.ContainsFunc(args, long) {
		l.refuse(c, wire.TextParam, BadCommand)
		return n
	}
	l.want(c, sub)
	return n
}

// subscribe makes c a subscriber: greeting, then what it missed if it asked, then what is pushed.
func (l *loop) subscribe(c *conn, sub wire.Sub, tag uint64) {
	switch {
	case l.draining:
		l.closePolitely(c, Shutdown)
		return
	case l.g.away.Load() != nil && l.turnsAway(c):
		return
	}
	ch, ref, barrier, err := l.g.cfg.Keys.Subscribe(l.id, sub.Key, l.fresh)
	if err != nil {
		l.refuse(c, wire.TextChannel, SubscriberLimit)
		return
	}
	l.enter(c, ch, ref)
	c.ref, c.seen, c.tag = ref, barrier, tag
	c.heartbeat = uint32(sub.Heartbeat / time.Second)
	c.variant |= sub.Variant()
	c.state = subRESP
	if c.webSocket() {
		c.state = subWS
	}
	l.alive(c)
	l.g.Stats.Subscribed.Add(1)
	l.text(c, wire.TextHeartbeat)
	if sub.Resume && c.state != free {
		l.resumeAt(c, sub.Mid)
	}
}

// unsubscribe takes c out of all groups that it is in.
func (l *loop) unsubscribe(c *conn) {
	if r := c.speaksRedis(); r != nil {
		l.unsubscribeAll(c, r)
		return
	}
	if c.ref == 0 {
		return
	}
	l.leavePlain(c)
	if c.aux != nil {
		c.aux.resume = nil
		l.weigh(c)
		c.tidy()
	}
}

// leavePlain ends c's own subscription.
func (l *loop) leavePlain(c *conn) {
	ref := c.ref
	c.ref = 0
	l.g.cfg.Keys.Unsubscribe(l.id, l.groups.at(ref).channel)
	l.leave(c, ref)
}

// enter puts c into the group that the hub calls ref: the fresh one if it is the first there.
func (l *loop) enter(c *conn, ch *channel.Channel, ref uint32) {
	g := l.groups.at(ref)
	if ref == l.fresh {
		g.channel = ch
		l.fresh = l.groups.take()
	}
	g.join(c.index)
}

// leave takes c out of a group.
func (l *loop) leave(c *conn, ref uint32) {
	l.forgetLatest(c, ref, false)
	g := l.groups.at(ref)
	if g.leave(c.index); !g.empty() {
		return
	}
	if g.channel = nil; g.walk == nil {
		l.freeGroup(ref, g)
	}
}

// alive gives c until its next heartbeat.
func (l *loop) alive(c *conn) {
	l.wheel.set(&l.conns, c, l.in(time.Duration(c.heartbeat+graceSeconds)*time.Second))
}

// heartbeats takes the bytes that a legacy RESP subscriber may send: h, each answered, and line ends.
func (l *loop) heartbeats(c *conn, b []byte) int {
	n, beats := 0, 0
	for ; n < len(b); n++ {
		if b[n] == 'h' {
			beats++
		} else if b[n] != '\r' && b[n] != '\n' {
			break
		}
	}
	l.answerHeartbeats(c, beats)
	if n < len(b) && c.state != free {
		l.closePolitely(c, BadHeartbeat)
	}
	return n
}

// maxBeats is how many heartbeats of one read are answered without an allocation.
const maxBeats = 64

// heartbeatAnswers returns n answers.
func heartbeatAnswers(n int) []byte { return bytes.Repeat([]byte(wire.TextHeartbeat), n) }

func (l *loop) answerHeartbeats(c *conn, n int) {
	if n == 0 {
		return
	}
	l.g.Stats.Heartbeats.Add(int64(n))
	l.alive(c)
	answers := l.beats
	if n > maxBeats {
		answers = heartbeatAnswers(n)
	}
	l.send(c, answers[:n*len(wire.TextHeartbeat)], n)
}

// frame takes one WebSocket frame.
func (l *loop) frame(c *conn, b []byte) int {
	var part *ws.Assembly
	if c.aux != nil {
		part = c.aux.part
	}
	l.parser.MaxMessage = l.g.limits.Load().MaxCommandBytes[Public]
	msg, n, part, err := l.parser.Next(b, part, c.flags&deflates != 0)
	if err != nil {
		l.frameError(c, err)
		return len(b)
	}
	if n == 0 {
		return 0
	}
	l.keepPart(c, part)
	l.received(c, msg)
	return n
}

// keepPart has c remember the fragments that came, if any did.
func (l *loop) keepPart(c *conn, part *ws.Assembly) {
	if part != nil {
		c.more().part = part
		l.weigh(c)
	} else if c.aux != nil && c.aux.part != nil {
		c.aux.part = nil
		l.weigh(c)
		c.tidy()
	}
}

func (l *loop) frameError(c *conn, err error) {
	closing := &ws.CloseError{Code: ws.CloseInternal}
	errors.As(err, &closing)
	l.closeWS(c, closing.Code, closing.Reason, BadFrame)
}

// received takes a whole WebSocket message: a heartbeat, or a control frame.
func (l *loop) received(c *conn, msg ws.Message) {
	switch {
	case msg.Op == ws.Continuation: // consumed, but no message is whole yet
	case msg.Op == ws.Close:
		l.closeWS(c, echoCode(msg.Code), "", PeerClosed)
	case msg.Op == ws.Pong:
	case msg.Op == ws.Ping:
		l.send(c, ws.AppendFrame(nil, ws.Pong, false, msg.Payload), 1)
	case string(bytes.TrimRight(msg.Payload, "\r\n")) == "h":
		l.g.Stats.Heartbeats.Add(1)
		l.alive(c)
		l.send(c, l.beatWS, 1)
	default:
		l.refuse(c, wire.TextParam, BadHeartbeat)
	}
}

// echoCode is the code that answers a close frame: its own, if it had one.
func echoCode(code int) int {
	if code == 0 || code == ws.CloseNoStatus {
		return ws.CloseNormal
	}
	return code
}

// upgraded makes c a WebSocket connection, answers the handshake, and has it subscribe as its
// query asks.
func (l *loop) upgraded(c *conn, reply []byte, deflate bool, query url.Values) {
	c.variant |= wire.WebSocket
	if deflate {
		c.variant |= wire.Deflate
		c.flags |= deflates
	}
	c.state = checking
	l.send(c, reply, 0)
	if c.state == free {
		return
	}
	sub, err := wire.ParseSubQuery(query, l.g.wireLimits())
	if err != nil {
		l.refuse(c, wire.TextParam, BadCommand)
		return
	}
	l.want(c, sub)
}
