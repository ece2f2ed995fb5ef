package redis_test

import (
	"cmp"
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis"
	"gopush/internal/store/memory"
	"gopush/internal/wire"
	"gopush/internal/wire/resp"
)

// gateway has a server's connections, as package comet has those of a node, in the simplest way: one command at a time.
type gateway struct {
	server *redis.Server
	hub    *channel.Hub
	sink   channel.SinkID
	limits resp.Limits

	mu    sync.Mutex // of the one command
	conns map[int64]*conn
	next  int64

	posting sync.Mutex
	posted  []post
}

// post is a message for those who subscribe to a channel.
type post struct {
	to *channel.Channel
	m  *message.Message
}

// conn is a connection of a gateway. All but its socket is guarded by the gateway's lock.
type conn struct {
	net.Conn
	gateway *gateway
	session *redis.Session
	subs    map[redis.How]map[string]*channel.Channel
	out     []byte // not written yet
	step    redis.Step
	wait    *wait // it is blocked
}

// wait is a read that blocks.
type wait struct {
	*redis.Waiting
	after []int64
	until time.Time // zero: for ever
	mute  bool      // what it replies is not sent
	over  chan struct{}
}

// serveGateway starts a gateway on a memory store and returns its address.
func serveGateway(t testing.TB) string {
	t.Helper()
	store := memory.New(memory.Config{})
	hub, err := channel.Open(t.Context(), channel.Config{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{hub: hub, conns: map[int64]*conn{}, limits: resp.Limits{MaxArgs: 1024, MaxArgBytes: 1 << 20, MaxBytes: 2 << 20}}
	g.sink = hub.Attach(g)
	limits := redis.Limits{MaxKeyBytes: message.MaxKeyBytes, MaxMessageBytes: 1 << 20, MaxReplyBytes: [2]int{1 << 20, 16 << 20}}
	g.server = redis.New(redis.Config{
		Keys: hub, Groups: store, Clients: g, Now: time.Now,
		Limits: func() redis.Limits { return limits }, Facts: func() redis.Facts { return redis.Facts{Version: "test"} },
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	running.Go(func() { g.accept(l) })
	t.Cleanup(func() {
		l.Close()
		cancel()
		running.Wait()
	})
	return l.Addr().String()
}

func (g *gateway) accept(l net.Listener) {
	for {
		socket, err := l.Accept()
		if err != nil {
			return
		}
		g.mu.Lock()
		g.next++
		c := &conn{Conn: socket, gateway: g, subs: map[redis.How]map[string]*channel.Channel{}}
		c.session = g.server.NewSession(g.next, redis.Trust{Admin: true, Open: true})
		g.conns[g.next] = c
		g.mu.Unlock()
		go c.serve()
	}
}

func (c *conn) serve() {
	defer c.end()
	in, chunk := []byte(nil), make([]byte, 16<<10)
	for {
		n, err := c.Read(chunk)
		if err != nil {
			return
		}
		in = append(in, chunk[:n]...)
		rest, open := c.carryOut(in)
		if !open {
			return
		}
		in = append([]byte(nil), rest...)
	}
}

// carryOut carries out the requests that in begins with.
func (c *conn) carryOut(in []byte) (rest []byte, open bool) {
	for {
		args, n, err := resp.ParseRequest(nil, in, c.gateway.limits, true)
		switch {
		case err != nil:
			c.Write(c.gateway.server.Malformed(nil, err))
			return nil, false
		case n == 0:
			return in, true
		}
		in = in[n:]
		if len(args) > 0 && !c.command(args) {
			return nil, false
		}
	}
}

// command carries out one command, and tells whether the connection stays open.
func (c *conn) command(args [][]byte) bool {
	g := c.gateway
	g.mu.Lock()
	c.out = g.server.Command(c.session, args, c.out, &c.step)
	before := len(c.out)
	c.take(args)
	if c.step.Mute {
		c.out = c.out[:before]
	}
	closes, w := c.step.Kind == redis.Close, c.wait
	g.deliver()
	g.wake()
	g.flush()
	g.mu.Unlock()
	if w != nil {
		w.block()
		c.unblock(w)
	}
	return !closes
}

// take does what the step asks for.
func (c *conn) take(args [][]byte) {
	g, ctx := c.gateway, context.Background()
	switch c.step.Kind {
	case redis.Push:
		c.out = c.step.Answer(c.out, g.hub.Publish(ctx, []message.Push{c.step.Push}), true)
	case redis.Work, redis.Check:
		var then func(*redis.Session)
		c.out, then = c.step.Work(ctx, c.out)
		if then != nil {
			then(c.session)
		}
		if c.step.Kind == redis.Check {
			c.out = g.server.Command(c.session, args, c.out, &c.step)
			c.take(args)
		}
	case redis.Subscribe:
		for _, name := range c.step.Names {
			c.subscribe(c.step.How, string(name))
			c.out = c.session.AppendSubscribed(c.out, c.step.How, false, name)
		}
	case redis.Unsubscribe:
		c.unsubscribe(c.step.How, c.step.Names)
	case redis.Reset:
		c.leave()
	case redis.Wait:
		c.wait = &wait{Waiting: c.step.Wait, after: slices.Clone(c.step.Wait.After), mute: c.step.Mute, over: make(chan struct{})}
		if c.wait.Block > 0 {
			c.wait.until = time.Now().Add(c.wait.Block)
		}
	}
}

func (c *conn) subscribe(how redis.How, name string) {
	of := c.subs[how]
	if of == nil {
		of = map[string]*channel.Channel{}
		c.subs[how] = of
	}
	if of[name] != nil {
		return
	}
	if how == redis.Pattern {
		of[name], _, _ = c.gateway.hub.SubscribePattern(c.gateway.sink, name, 0)
	} else {
		of[name], _, _, _ = c.gateway.hub.Subscribe(c.gateway.sink, name, 0)
	}
	*c.counter(how)++
}

func (c *conn) counter(how redis.How) *int32 {
	s := &c.session.Subscriptions
	return map[redis.How]*int32{redis.Channel: &s.Channels, redis.Shard: &s.Shards, redis.Pattern: &s.Patterns}[how]
}

func (c *conn) unsubscribe(how redis.How, names [][]byte) {
	if len(names) == 0 {
		for name := range c.subs[how] {
			names = append(names, []byte(name))
		}
		if len(names) == 0 {
			c.out = c.session.AppendSubscribed(c.out, how, true, nil)
		}
	}
	for _, name := range names {
		c.drop(how, string(name))
		c.out = c.session.AppendSubscribed(c.out, how, true, name)
	}
}

func (c *conn) drop(how redis.How, name string) {
	ch := c.subs[how][name]
	switch {
	case ch == nil:
		return
	case how == redis.Pattern:
		c.gateway.hub.UnsubscribePattern(c.gateway.sink, ch)
	default:
		c.gateway.hub.Unsubscribe(c.gateway.sink, ch)
	}
	delete(c.subs[how], name)
	*c.counter(how)--
}

// leave ends all subscriptions.
func (c *conn) leave() {
	for how, of := range c.subs {
		for _, name := range slices.Collect(maps.Keys(of)) {
			c.drop(how, name)
		}
	}
}

// block returns when the read has its reply, or its time is up.
func (w *wait) block() {
	var up <-chan time.Time
	if !w.until.IsZero() {
		timer := time.NewTimer(time.Until(w.until))
		defer timer.Stop()
		up = timer.C
	}
	select {
	case <-w.over:
	case <-up:
	}
}

// unblock replies that time is up, if nothing else has ended w.
func (c *conn) unblock(w *wait) {
	c.gateway.mu.Lock()
	defer c.gateway.mu.Unlock()
	if c.wait == w {
		c.wait = nil
		if !w.mute {
			c.out = append(c.out, w.None...)
		}
		c.gateway.flush()
	}
}

func (c *conn) end() {
	g := c.gateway
	g.mu.Lock()
	defer g.mu.Unlock()
	c.leave()
	delete(g.conns, c.session.ID())
	c.Close()
}

// byID returns the connections in the order in which they came.
func (g *gateway) byID() []*conn {
	return slices.SortedFunc(maps.Values(g.conns), func(a, b *conn) int { return cmp.Compare(a.session.ID(), b.session.ID()) })
}

// wake has all that wait look.
func (g *gateway) wake() {
	for _, c := range g.byID() {
		if c.wait == nil {
			continue
		}
		before := len(c.out)
		var found bool
		if c.out, found = c.wait.Try(context.Background(), c.out, c.wait.after); found {
			if c.wait.mute {
				c.out = c.out[:before]
			}
			close(c.wait.over)
			c.wait = nil
		}
	}
}

// flush writes what is to be written.
func (g *gateway) flush() {
	for _, c := range g.conns {
		if len(c.out) > 0 {
			c.Write(c.out)
			c.out = nil
		}
	}
}

// deliver hands what was posted to the subscribers.
func (g *gateway) deliver() {
	g.posting.Lock()
	posted := g.posted
	g.posted = nil
	g.posting.Unlock()
	for _, p := range posted {
		for _, c := range g.byID() {
			c.deliver(p)
		}
	}
}

func (c *conn) deliver(p post) {
	v := wire.Redis
	if c.session.RESP3() {
		v |= wire.RESP3
	}
	var e wire.Encoder
	switch {
	case p.to.Pattern() && c.subs[redis.Pattern][p.to.Key()] == p.to:
		c.out = e.AppendPatternFrame(c.out, v, p.to.Key(), p.m)
	case p.to.Pattern():
	case c.subs[redis.Channel][p.to.Key()] != nil:
		c.out = e.AppendFrame(c.out, v, p.m)
	case c.subs[redis.Shard][p.to.Key()] != nil:
		c.out = e.AppendFrame(c.out, v|wire.Shard, p.m)
	}
}

func (g *gateway) Post(ch *channel.Channel, _ uint32, m *message.Message) {
	g.posting.Lock()
	defer g.posting.Unlock()
	g.posted = append(g.posted, post{ch, m})
}

func (g *gateway) Kick(_ *channel.Channel, _ uint32, _ []uint64, closed chan<- int) { closed <- 0 }
func (g *gateway) Flush()                                                           {}
func (g *gateway) Crowded() bool                                                    { return false }
func (g *gateway) Admit()                                                           {}

// VisitClients is called while g is locked: by a command.
func (g *gateway) VisitClients(_ context.Context, visit func(*redis.Client) bool) {
	for _, c := range g.byID() {
		if !visit(&redis.Client{ID: c.session.ID(), Session: c.session, Blocked: c.wait != nil, Subscriptions: c.session.Subscriptions}) {
			return
		}
	}
}

func (g *gateway) KillClients(context.Context, func(*redis.Client) bool) int { return 0 }
