package comet

import (
	"bytes"
	"context"
	"errors"

	"gopush/internal/message"
	"gopush/internal/redis"
	"gopush/internal/wire"
	"gopush/internal/wire/resp"
)

// A connection that speaks Redis is served: package redis says what a command means, and what of it is to be
// done here.
//
//	bytes ─> resp.ParseRequest ─> redis.Server.Command ─┬─ a reply
//	                                                    └─ a step: push, subscribe, wait, or work for the pool
//
// Pushes are begun without waiting for each other. Everything else waits for the pushes before it, and what
// comes behind waits for it.

// redisConn is what a connection that speaks Redis has.
type redisConn struct {
	server  *redis.Server
	session *redis.Session
	many    []subscription           // all but the one that conn itself has
	index   map[subscriptionName]int // where they are in many; nil while they are few
	wait    *waiting                 // what the last read that could wait follows; nil: nothing
	trusted bool                     // it came to an admin listener
	spoke   bool                     // a command has come

	began  uint32 // second at which it connected
	active uint32 // second at which its last command came
}

// redisService is how a listener serves Redis.
type redisService struct {
	server *redis.Server
	trust  redis.Trust
}

// ServeRedis has the connections of ln served by s, as far as they are trusted.
func (ln *Listener) ServeRedis(s *redis.Server, trust redis.Trust) {
	ln.redis.Store(&redisService{server: s, trust: trust})
}

// redisOf returns how the listener of c serves Redis, or nil.
func (l *loop) redisOf(c *conn) *redisService { return l.g.all()[c.from].redis.Load() }

// speaksRedis returns what c has for it, or nil if it speaks something else.
func (c *conn) speaksRedis() *redisConn {
	if c.aux == nil || c.aux.serving == nil {
		return nil
	}
	return c.aux.serving.redis
}

// beginRedis has c speak Redis from now on. The deadline of its first command stays.
func (l *loop) beginRedis(c *conn, s *redisService) {
	if c.kind == Public {
		if hint, why := l.g.unwelcome(); why != 0 {
			l.refuseRedis(c, hint, why)
			return
		}
	}
	trust := s.trust
	trust.Open = trust.Open && !l.far(c)
	r := &redisConn{server: s.server, trusted: trust.Admin, began: l.seconds()}
	r.session = s.server.NewSession(l.g.redisIDs.Add(1), trust)
	c.more().serving = &serving{redis: r, partial: true}
	c.state = served
	c.variant = wire.Redis
	l.g.Stats.Redis.Add(1)
	l.engine(c).keepAlive(c)
}

// command carries out the command that b begins with, as far as that may be done now, and returns its size.
func (l *loop) command(c *conn, p *serving, b []byte) (n int, next next) {
	r := p.redis
	args, n, err := resp.ParseRequest(l.args[:0], b, l.redisLimits(c), r.trusted)
	if l.args = args; cap(args) > maxSpareArgs {
		l.args = nil
	}
	switch {
	case err != nil:
		l.malformed(c, p, err)
		return len(b), goOn
	case n == 0:
		return 0, incomplete
	case len(args) == 0:
		return n, goOn
	case !r.spoke && l.isLink(c, args[0], b):
		return len(b), goOn
	case isHead(args[0]):
		p.why = BadCommand
		return len(b), goOn
	case len(p.calls) > 0 && !redis.Pushes(args[0]):
		return 0, later
	case redis.Pushes(args[0]) && l.waitsForRoom(c, p):
		return 0, later
	}
	r.spoke, r.active = true, l.seconds()
	step := &l.commandStep
	from := len(l.calls.answers.bytes)
	l.calls.answers.bytes = r.server.Command(r.session, args, l.calls.answers.bytes, step)
	if step.Mute {
		l.calls.answers.bytes = l.calls.answers.bytes[:from]
	}
	l.calls.effort += 1 + (len(l.calls.answers.bytes)-from)/effortBytes
	l.carryOut(c, p, step, n, from)
	clear(args)
	if step.Kind == redis.Check {
		return 0, later
	}
	return n, goOn
}

// isHead tells whether a command is a line of an HTTP head: somebody is tricked into sending commands for somebody else.
// Redis closes such connections without a word, too.
func isHead(name []byte) bool {
	return bytes.EqualFold(name, []byte("post")) || bytes.EqualFold(name, []byte("host:"))
}

// redisLimits bounds a command of c.
func (l *loop) redisLimits(c *conn) resp.Limits {
	limits := l.g.limits.Load()
	most := limits.MaxCommandBytes[c.kind]
	return resp.Limits{MaxArgs: limits.MaxArguments, MaxArgBytes: most, MaxBytes: most}
}

// carryOut does what a command of n bytes asks for. What it was answered is among the answers, from from on.
func (l *loop) carryOut(c *conn, p *serving, step *redis.Step, n, from int) {
	switch step.Kind {
	case redis.Done:
		l.answeredAtOnce(c, p, n, from)
		l.vary(c, p.redis)
	case redis.Close:
		p.why = PeerClosed
	case redis.Push:
		l.push(c, p, step, n)
	case redis.Work, redis.Check:
		l.beginWork(c, p, step, n)
	case redis.Subscribe, redis.Wait:
		l.carryOutSubscription(c, p, step)
	case redis.Unsubscribe:
		l.unsubscribeNames(c, p.redis, step)
	case redis.Reset:
		l.unsubscribeAll(c, p.redis)
		l.vary(c, p.redis)
	}
}

// carryOutSubscription has c subscribe or wait, unless it would have to go at once.
func (l *loop) carryOutSubscription(c *conn, p *serving, step *redis.Step) {
	switch a := l.g.away.Load(); {
	case a != nil && !step.Mute:
		l.calls.answers.bytes = resp.AppendError(l.calls.answers.bytes, awayRedis(a.hint(), Draining))
	case a != nil:
	case step.Kind == redis.Wait:
		l.beginWait(c, p, step)
	default:
		l.subscribeNames(c, p.redis, step)
	}
}

// answeredAtOnce has the reply of a command wait for those of the calls under way before it.
func (l *loop) answeredAtOnce(c *conn, p *serving, n, from int) {
	reply := l.calls.answers.bytes[from:]
	if len(p.calls) == 0 || len(reply) == 0 {
		return
	}
	call := l.newCall()
	call.conn, call.pushes, call.bytes, call.done = c.id, 1, n, true
	call.reply = append([]byte(nil), reply...)
	l.calls.answers.bytes = l.calls.answers.bytes[:from]
	l.putUnderWay(p, call)
}

// vary has deliveries to c look as its session wants them.
func (l *loop) vary(c *conn, r *redisConn) {
	c.variant = wire.Redis
	if r.session.RESP3() {
		c.variant |= wire.RESP3
		if r.session.Attributes() {
			c.variant |= wire.IDs
		}
	}
}

// malformed answers bytes that are no command; nothing after them can be read.
func (l *loop) malformed(c *conn, p *serving, err error) {
	from := len(l.calls.answers.bytes)
	l.calls.answers.bytes = p.redis.server.Malformed(l.calls.answers.bytes, err)
	l.answeredAtOnce(c, p, 0, from)
	p.why = BadCommand
}

// push begins a push of n bytes.
func (l *loop) push(c *conn, p *serving, step *redis.Step, n int) {
	l.calls.effort += effortOfPush
	call := l.newCall()
	call.one[0] = step.Push
	receipts, posted := l.g.cfg.Keys.Start(l.id, call.one[:], call.told)
	l.calls.posted |= posted
	if receipts != nil && len(p.calls) == 0 {
		if !step.Mute {
			l.calls.answers.bytes = step.Answer(l.calls.answers.bytes, receipts, false)
		}
		l.giveBack(call)
		return
	}
	call.conn, call.answer, call.mute, call.pushes, call.bytes = c.id, step.Answer, step.Mute, 1, n
	if receipts != nil {
		call.receipts, call.done = receipts, true
	}
	l.putUnderWay(p, call)
}

// beginWork has the pool do what may block. Nothing else of c begins before it has ended.
func (l *loop) beginWork(c *conn, p *serving, step *redis.Step, n int) {
	l.calls.effort += effortOfPush
	call := l.newCall()
	call.conn, call.bytes, call.alone, call.mute = c.id, n, true, step.Mute
	call.work, call.again = step.Work, step.Kind == redis.Check
	p.busy = true
	l.putUnderWay(p, call)
	if p.calls[0] == call {
		l.beginHead(p)
	}
}

// beginHead has the pool do the work of the first call, which waited for those before it.
func (l *loop) beginHead(p *serving) {
	call := p.calls[0]
	work := call.work
	call.work = nil
	queued := l.g.pool.run(func() {
		ctx, cancel := context.WithTimeout(context.Background(), l.g.cfg.StoreTimeout)
		reply, then := work(ctx, nil)
		cancel()
		l.do(func(l *loop) {
			call.reply, call.then = reply, then
			call.take(l)
		})
	})
	if !queued {
		if call.again {
			p.why = AuthFailed // its command would be answered twice
		}
		call.reply = p.redis.server.AppendError(nil, errBusy)
		call.take(l)
	}
}

// maxSpareArgs is room for how many arguments is kept for the next command.
const maxSpareArgs = 4096

// errBusy is what a command fails with that finds too many others waiting for the store.
var errBusy = errors.Join(message.ErrUnavailable, errors.New("too many commands wait: try again later"))

// maxUnread is how many bytes of commands are read of a connection while none can begin.
const maxUnread = pushBuffer

// arrangeRedis decides how c goes on. It is read also while it waits for something, so that it is known when its peer goes; but not before
// its first command, which may give it away: then nobody must be reading.
func (l *loop) arrangeRedis(c *conn, p *serving, rest []byte) {
	l.read(c, !p.ended && (p.partial || len(rest) == 0 || p.redis.spoke && len(rest) < maxUnread))
	switch {
	case p.partial: // a deadline is set
	case c.out != nil || !p.busy && p.redis.session.Anonymous():
		l.wheel.set(&l.conns, c, l.in(l.g.cfg.IdleTimeout))
	case p.redis.wait != nil && !p.busy:
		l.wheel.set(&l.conns, c, l.in(followOn))
	default:
		l.wheel.remove(&l.conns, c)
	}
}

// overdueRedis is told that c's deadline has come, and that nothing waits to be written.
func (l *loop) overdueRedis(c *conn, p *serving) {
	switch {
	case p.partial:
		l.closePolitely(c, CommandTimeout)
	case p.busy || len(p.calls) > 0:
	case p.redis.session.Anonymous():
		l.closePolitely(c, CommandTimeout)
	case p.redis.wait != nil:
		l.endFollowing(c, p.redis)
	}
}
