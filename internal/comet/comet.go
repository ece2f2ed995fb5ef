// Package comet is the gateway: it accepts connections, finds out what they speak, lets them
// subscribe, and writes to them what is pushed.
//
//	accept ─> loop ─> sniff ─> session (legacy RESP, legacy WebSocket) ─> channel.Subscribe
//	                    ├─> plain pushes over HTTP ─> Keys.Start ─> answers
//	                    └─> other HTTP: handed to net/http, socket and bytes read so far
//	channel.Post ─> inbox of the loop ─> walk of the key's group ─> one write per connection
//
// It promises: a connection sees a key's messages in mid order, each at most once; one that
// resumes sees all that is stored; a slow, silent or hostile one costs a bounded number of
// bytes and delays no other. A connection belongs to one loop for life, and only the holder
// of the loop's lock touches it. It knows no stores, no clusters, no credentials: whether a
// token is good is a function it is given.
package comet

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire"
)

// Kind is how far a listener's peers are trusted, and so what they may ask for.
type Kind uint8

const (
	Public Kind = iota // devices, browsers: subscribe, public HTTP
	Admin              // backends: HTTP that pushes and administers
	Ops                // operators: HTTP only
	numKinds
)

func (k Kind) String() string { return [...]string{"public", "admin", "ops"}[k] }

// Engine is how the bytes of connections are moved.
type Engine uint8

const (
	EngineAuto  Engine = iota // the first of these that the system has
	EngineRing                // Linux: as EngineEpoll, and sends leave in batches through an io_uring
	EngineEpoll               // Linux: event loops over non-blocking sockets
	EngineNet                 // anywhere: net.Conn, a goroutine that reads each
)

// Keys is how connections reach keys; *channel.Hub is one.
type Keys interface {
	Attach(channel.Sink) channel.SinkID
	Subscribe(sink channel.SinkID, key string, spare uint32) (c *channel.Channel, ref uint32, barrier int64, err error)
	Unsubscribe(sink channel.SinkID, c *channel.Channel)
	Resume(ctx context.Context, key string, mid int64, first bool) (channel.Page, error)
	Follow(sink channel.SinkID, key string, spare uint32) (c *channel.Channel, ref uint32, last int64, known bool, err error)
	Unfollow(sink channel.SinkID, c *channel.Channel)
	SubscribePattern(sink channel.SinkID, pattern string, spare uint32) (c *channel.Channel, ref uint32, err error)
	UnsubscribePattern(sink channel.SinkID, c *channel.Channel)
	Furthest() int64 // no message that is not stored has a higher mid by now

	// Near tells whether what is pushed to key once Subscribe or Follow has returned is posted to who subscribed, wherever it was
	// pushed. It does not block. Where it is false, Approach makes it so, for a while if nobody subscribes then; it may block, and
	// when ctx has ended it still begins to. Its error is a *message.WrongNode, of who must not subscribe here, or says why it is
	// not so yet: then it will be later, without a gap.
	Near(key string) bool
	Approach(ctx context.Context, key string) error

	// Start pushes without waiting; Flush lets go what that posted; Crowded tells that there is no room for
	// more, and Admit waits for it. channel.Hub says more.
	Start(from channel.SinkID, pushes []message.Push, done func([]message.Receipt)) ([]message.Receipt, channel.SinkSet)
	Flush(posted channel.SinkSet)
	Crowded() bool
	Admit()
}

// Limits bounds what a connection may cost; the names are those of the settings. They may be
// changed while the gateway runs, for what comes after.
type Limits struct {
	MaxKeyBytes        int
	MaxCommandBytes    [numKinds]int
	MaxHeadBytes       int
	MaxPendingBytes    int // waiting for one connection; past it the connection is closed as slow
	MaxPendingMessages int
	MaxMemory          int64 // bytes that all connections hold; past it the heaviest are closed; 0: unlimited
	MaxArguments       int   // of a command of Redis
	MaxSubscriptions   int   // of one connection that speaks Redis; 0: unlimited
	MaxConnections     int   // in all, HTTP included; past it those of public listeners are refused

	SlowConsumers []SlowConsumers // of keys that begin with none of them: SlowClose

	MaxPerAddress           int // connections of one address to public listeners; 0: unlimited
	MaxHandshakesPerAddress int // new ones within a second; 0: unlimited

	// Whom connections and handshakes are taken to be forwarded for that come from these is what they say of it. RequireProxyHeader
	// has each connection of theirs begin with a header of the PROXY protocol.
	TrustedProxies     []netip.Prefix
	RequireProxyHeader bool

	// Handshakes, token checks and reads of what was missed that wait or are under way; past it nobody is accepted on public listeners; 0:
	// unlimited. Where they take longer than JoiningWait who comes is told when to come back.
	MaxJoining  int
	JoiningWait time.Duration

	FirstPacketTimeout time.Duration
	MinHeartbeat       time.Duration
}

// Config has what a gateway needs.
type Config struct {
	Keys   Keys
	Limits Limits
	Loops  int // event loops, fewer than channel.MaxSinks; 0: half the cores, at least one
	Engine Engine

	// Authorize checks the token that a subscriber of key presents and returns a tag by which
	// the connection is found when the token is revoked. It may block. Errors wrap
	// message.ErrUnknownKey or message.ErrToken; others close the connection. nil: all may subscribe.
	Authorize func(ctx context.Context, key, token string) (tag uint64, err error)

	// Revocations counts what was revoked; it moves after a revocation took effect and before
	// connections are kicked for it. Needed with Authorize.
	Revocations func() uint64

	// Origins judges the Origin of WebSocket handshakes that have one. nil: all are welcome.
	Origins func(origin string) bool

	StoreTimeout time.Duration // for reading what a device missed
	ReadTimeout  time.Duration // for a request that pushes to come whole; 0: 1 minute
	IdleTimeout  time.Duration // between requests that push, and for some more of their answers to be read; 0: 2 minutes
	Log          *slog.Logger  // nil: none
}

// Gateway has the listeners and the loops.
type Gateway struct {
	Stats Stats

	cfg    Config // set at New, never changed but for Limits
	limits atomic.Pointer[Limits]
	away   atomic.Pointer[Away] // nil: who comes to subscribe is welcome

	joining joining
	loops   []*loop
	pool    *pool

	tlsBuffers  tlsBuffers // set by New, never changed
	handshakes  *pool
	calculating chan struct{} // has room for as many handshakes as may calculate at once

	addresses addresses

	open         atomic.Int64   // connections, those handed to net/http included
	redisIDs     atomic.Int64   // connections that ever spoke Redis
	acceptLogged atomic.Int64   // when a failed accept was logged last, Unix nanoseconds
	shedLogged   atomic.Int64   // when it was logged last that connections hold too much, Unix nanoseconds
	wg           sync.WaitGroup // goroutines of the net.Conn engine

	mu        sync.Mutex
	listeners []*Listener // by number; guarded by mu
}

// New makes a gateway whose loops are attached to cfg.Keys. Run must run for anything to happen.
func New(cfg Config) (*Gateway, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, time.Minute)
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, 2*time.Minute)
	g := &Gateway{cfg: cfg, pool: newPool(poolWorkers), handshakes: newPool(maxHandshakes), tlsBuffers: findTLSBuffers(), calculating: make(chan struct{}, runtime.GOMAXPROCS(0))}
	g.SetLimits(cfg.Limits)
	for range loopCount(cfg.Loops) {
		l, err := newLoop(g)
		if err != nil {
			g.closeLoops()
			return nil, err
		}
		l.id = cfg.Keys.Attach(l)
		g.loops = append(g.loops, l)
	}
	return g, nil
}

// SetLimits changes the limits for what comes after; that of memory at once.
func (g *Gateway) SetLimits(limits Limits) {
	before := g.limits.Swap(&limits)
	if before == nil || before.MaxMemory == limits.MaxMemory {
		return
	}
	for _, l := range g.loops {
		l.inbox.put(item{do: func(l *loop) { l.scales.look = true }})
		l.poll.wake()
	}
}

// Run serves until ctx ends, and returns when all that it started has ended: all
// connections are closed then, except those that net/http has.
func (g *Gateway) Run(ctx context.Context) {
	var wg sync.WaitGroup
	loopCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	for _, l := range g.loops {
		wg.Go(func() { l.run(loopCtx) })
	}
	<-ctx.Done()
	g.StopAccepting()
	for _, l := range g.loops {
		l.do((*loop).closeAll)
	}
	// The loops are the last to go: whatever else runs has something to tell them.
	g.wg.Wait()
	g.handshakes.stop()
	g.pool.stop()
	stop()
	wg.Wait()
	for _, ln := range g.all() {
		ln.Close()
	}
	g.closeLoops()
}

// StopAccepting closes all listening sockets. Connections live on.
func (g *Gateway) StopAccepting() {
	for _, ln := range g.all() {
		ln.stopOnce.Do(ln.stop)
	}
}

// EndPushes begins no more pushes of connections that loops serve, and returns when those under way
// are answered and posted or ctx ends.
func (g *Gateway) EndPushes(ctx context.Context) {
	g.await(ctx, func(l *loop, idle chan<- struct{}) { l.endPushes(idle) })
}

// Dismiss tells every connection to go, each in its dialect, once what waits for it has left,
// and returns when all have gone or ctx ends. Nothing is delivered any more.
func (g *Gateway) Dismiss(ctx context.Context) {
	g.await(ctx, func(l *loop, left chan<- struct{}) { l.drainAll(left) })
}

// await has all loops do something, and returns when each has told that it is done or ctx ends.
func (g *Gateway) await(ctx context.Context, do func(l *loop, done chan<- struct{})) {
	done := make(chan struct{}, len(g.loops))
	for _, l := range g.loops {
		l.do(func(l *loop) { do(l, done) })
	}
	for range g.loops {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// Connections returns how many connections are open, those with net/http included.
func (g *Gateway) Connections() int { return int(g.open.Load()) }

func (g *Gateway) closeLoops() {
	for _, l := range g.loops {
		l.poll.end()
	}
}

// lightest returns the loop with the fewest connections.
func (g *Gateway) lightest() *loop {
	best := g.loops[0]
	for _, l := range g.loops[1:] {
		if l.load.Load() < best.load.Load() {
			best = l
		}
	}
	return best
}

// admit counts a new connection, or returns false: there are max_connections already. Backends
// and operators are let in all the same, so that devices cannot shut them out.
func (g *Gateway) admit(kind Kind) bool {
	g.Stats.Accepted.Add(1)
	if n := g.open.Add(1); kind == Public && n > int64(g.limits.Load().MaxConnections) {
		g.open.Add(-1)
		g.Stats.Closed[MaxConnections].Add(1)
		return false
	}
	return true
}

func (g *Gateway) wireLimits() wire.Limits {
	l := g.limits.Load()
	return wire.Limits{MaxKeyBytes: l.MaxKeyBytes, MinHeartbeat: l.MinHeartbeat}
}
