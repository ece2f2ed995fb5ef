package comet

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis"
	"gopush/internal/wire"
	"gopush/internal/wire/ws"
)

// Budgets of one turn: who waits behind them waits no longer than they take.
const (
	readBuffer      = 64 << 10
	pushBuffer      = 16 << 10 // of a connection that pushes: each request is much more work than its bytes
	slice           = 512      // writes of walks before the loop looks at its sockets again
	publisherRounds = 2        // times that a publisher drains the inbox before it leaves the rest to the loop
	publisherWrites = 16       // writes that a publisher does itself before it leaves the rest to the loop
)

// tick is how often deadlines are looked at.
const tick = time.Second

// loop owns connections. Whoever holds mu may touch them: the loop's own goroutine, or a
// publisher that found it free and delivers its message itself.
type loop struct {
	g     *Gateway
	id    channel.SinkID // set by New
	start time.Time
	poll  poller
	inbox inbox
	load  atomic.Int64 // connections; written by the holder of mu, read by anyone

	mu          sync.Mutex // guards all below, and every connection
	conns       slab[conn]
	added       uint32 // connections so far
	groups      slab[group]
	fresh       uint32      // a group that nobody has yet: the next subscription may take it
	walks       []uint32    // groups with messages to deliver, in turn
	resting     []uint32    // groups with messages to deliver once they have rested
	alarm       *time.Timer // wakes the loop when the first has
	alarmAt     time.Time
	ended       []*walk // whose frames may be in the batch still
	spareWalks  []*walk
	batch       []sending
	sealed      frames // what is encrypted for connections and in the batch
	opened      []byte // what was decrypted last
	behind      []id   // connections of which more than was read is there
	chores      []chore
	joins       []joined // come of work for those that join; each waits for its turn
	delivered   int64    // messages to connections, not yet in Stats
	wheel       wheel
	scales      scales
	origins     map[uint32]origin // by index, of connections whose peer's address is not all there is to know
	hungry      hungry
	buf         []byte // what was read last
	encoder     wire.Encoder
	parser      ws.Parser
	args        [][]byte           // scratch of command parsing
	beats       []byte             // answers to some heartbeats over RESP; never changed
	beatWS      []byte             // the answer to one over WebSocket; never changed
	calls       calls              // what served connections share
	commandStep redis.Step         // scratch of a command
	found       []*message.Message // scratch of what a wait was for
	reply       []byte             // scratch of its reply
	lines       map[lineName]*line // of reads that wait for groups
	deadlines   deadlines          // of reads that wait
	drainAt     uint32             // the next connection that a drain looks at
	draining    bool               // all are told to go, and nothing more is delivered
	leaving     chan<- struct{}    // told when the last connection has gone; nil: nobody waits for it
	closed      bool               // connections that still come are closed at once
}

// poller waits for what concerns a loop: its sockets, if it has any itself, and wake.
// It is the engine of the connections whose sockets it watches.
type poller interface {
	engine
	// wait returns when there is something to do, or at the next tick; at once unless block.
	wait(block bool)
	// sendAll sends what sends ask for, to sockets that it watches, without checking, and sets their results.
	sendAll(sends []sending)
	// dispatch handles what wait found. The caller holds the loop's lock.
	dispatch(*loop)
	// wake ends a wait, this one or the next. Anyone may call it.
	wake()
	// end gives back what the poller has. No other method is called any more but wake.
	end()
}

func loopCount(n int) int {
	if n == 0 {
		n = runtime.GOMAXPROCS(0) / 2
	}
	return min(max(n, 1), channel.MaxSinks-1) // one is for links of other nodes
}

func newLoop(g *Gateway) (*loop, error) {
	l := &loop{g: g, start: time.Now(), lines: make(map[lineName]*line), buf: make([]byte, readBuffer), opened: make([]byte, maxPlain), beats: heartbeatAnswers(maxBeats)}
	l.beatWS = wire.AppendText(nil, wire.WebSocket, wire.TextHeartbeat)
	l.inbox.init()
	l.fresh = l.groups.take()
	var err error
	if l.poll, err = newPoller(&g.cfg, &g.Stats.Rings); err == nil {
		l.alarm = time.AfterFunc(tick, l.poll.wake)
	}
	return l, err
}

// run turns until ctx ends and all that was posted before is done. All connections have been closed by then.
func (l *loop) run(ctx context.Context) {
	defer context.AfterFunc(ctx, l.poll.wake)()
	busy := false
	for ctx.Err() == nil {
		l.poll.wait(!busy)
		busy = l.turn()
	}
	for l.turn() {
		continue
	}
}

// turn does what there is to do, a slice of it, and tells whether anything is left. Who found
// the lock taken meanwhile relies on the look at the inbox after it.
func (l *loop) turn() (busy bool) {
	looked := l.seconds() // what has come since is read in the next turn
	l.mu.Lock()
	l.newTurn()
	l.goOn() // who waited for this turn comes before who asks only now
	l.decryptMore()
	l.poll.dispatch(l)
	l.drain()
	late := l.endWaits(slice)
	l.walk(slice)
	l.letIn(effortJoinsATurn)
	l.work(slice)
	busy = l.wheel.advance(&l.conns, looked, slice, l.expired)
	l.sendBatch()
	heavy := l.keepWithin(slice)
	busy = busy || late || heavy || len(l.walks) > 0 || l.hasMore()
	l.mu.Unlock()
	return busy || l.inbox.waiting.Load() > 0
}

// hasMore tells whether anything waits for the next turn besides walks.
func (l *loop) hasMore() bool {
	return len(l.chores) > 0 || len(l.joins) > 0 || len(l.calls.ready) > 0 || len(l.calls.later) > 0 || len(l.behind) > 0
}

// seconds is the time since the loop began, which deadlines are counted in.
func (l *loop) seconds() uint32 { return uint32(time.Since(l.start) / tick) }

// in returns the moment d from now, rounded up.
func (l *loop) in(d time.Duration) uint32 {
	return uint32((time.Since(l.start) + d + tick - 1) / tick)
}

// Post implements channel.Sink.
func (l *loop) Post(c *channel.Channel, ref uint32, m *message.Message) {
	l.inbox.putMessage(c, ref, m)
}

// Kick implements channel.Sink.
func (l *loop) Kick(c *channel.Channel, ref uint32, tags []uint64, closed chan<- int) {
	l.inbox.put(item{do: func(l *loop) { l.kick(c, ref, tags, closed) }})
}

// Crowded implements channel.Sink.
func (l *loop) Crowded() bool { return l.inbox.crowded() }

// Admit implements channel.Sink.
func (l *loop) Admit() { l.inbox.admit() }

// Flush implements channel.Sink: if the loop is free, the caller does the work, so that a
// single message needs no wake-up; if not, the holder of the lock looks again when it lets go.
func (l *loop) Flush() {
	for range publisherRounds {
		if l.inbox.waiting.Load() == 0 || !l.mu.TryLock() {
			return
		}
		if more := l.help(); more {
			break
		}
	}
	l.poll.wake()
}

// help does some of the loop's work for a caller that has taken the lock, and lets go of it.
func (l *loop) help() (more bool) {
	defer crash()
	l.drain()
	more = l.walk(publisherWrites) || l.hasMore()
	more = l.keepWithin(publisherWrites) || more
	l.mu.Unlock()
	return more
}

// crash ends the process when its caller panics. Publishers are goroutines of net/http, which
// recovers their panics: the loop would stay locked for ever, and nobody would know why.
func crash() {
	if v := recover(); v != nil {
		stack := debug.Stack()
		go func() { panic(fmt.Sprintf("%v in an event loop\n\n%s", v, stack)) }()
		select {}
	}
}

// do has f run by whoever holds the loop's lock next.
func (l *loop) do(f func(*loop)) {
	l.inbox.put(item{do: f})
	l.Flush()
}

// drain empties the inbox: messages become work of the walks, and who pushed gets its answers.
func (l *loop) drain() {
	for l.inbox.waiting.Load() > 0 || l.goOn() {
		items := l.inbox.take()
		for i := range items {
			if it := &items[i]; it.do != nil {
				it.do(l)
				l.keepGrowing()
			} else {
				l.enqueue(it)
			}
		}
		l.inbox.giveBack(items)
	}
	l.flushPosted()
}

// find returns the connection with id, or nil if it has gone.
func (l *loop) find(id id) *conn {
	if c := l.conns.find(id.index); c != nil && c.gen == id.gen && c.state != free {
		return c
	}
	return nil
}

// each calls f for every connection, which may close it.
func (l *loop) each(f func(*conn)) {
	for i := uint32(1); i <= l.conns.top; i++ {
		if c := l.conns.find(i); c != nil && c.state != free {
			f(c)
		}
	}
}

// closeAll closes all connections, and has those that still come closed at once.
func (l *loop) closeAll() {
	l.closed = true
	l.each(func(c *conn) { l.close(c, Shutdown) })
}

// add makes a connection accepted by from, sniffing, with its first deadline.
func (l *loop) add(from *Listener, fd int32) *conn {
	index := l.conns.take()
	c := l.conns.at(index)
	l.added++
	*c = conn{id: id{index: index, gen: l.added}, fd: fd, state: sniffing, kind: from.kind, from: from.number}
	l.load.Add(1)
	l.wheel.set(&l.conns, c, l.in(l.g.limits.Load().FirstPacketTimeout))
	return c
}

// remove forgets c, whose socket is closed or somebody else's by now.
func (l *loop) remove(c *conn) {
	if c.speaksRedis() != nil {
		l.g.Stats.Redis.Add(-1)
	}
	l.unsubscribe(c)
	l.wheel.remove(&l.conns, c)
	l.unweigh(c)
	if len(l.origins) > 0 {
		o := l.takeOrigin(c)
		l.g.discount(&o)
	}
	index := c.index
	*c = conn{}
	l.conns.give(index)
	l.load.Add(-1)
	l.tellLeft()
}

// close ends c at once. What waits for it is lost to it; nothing stored is.
func (l *loop) close(c *conn, why Reason) {
	if l.settle(c); c.state == free {
		return
	}
	if c.why != 0 {
		why = c.why // it was on its way already
	}
	if c.why = why; why != Failed {
		if l.goodbye(c); c.state == free {
			return
		}
	}
	l.g.Stats.Closed[why].Add(1)
	if why == Slow {
		bytes, messages := c.out.waits()
		l.g.cfg.Log.Info("closed a slow connection", "peer", l.peer(c), "pending_bytes", bytes, "pending_messages", messages)
	} else {
		l.debugClose(c, why)
	}
	switch c.state {
	case served:
		l.abandon(c.aux.serving)
	case handshaking:
		l.abortHandshake(c)
	}
	l.engine(c).close(l, c)
	l.remove(c)
	l.g.open.Add(-1)
}

func (l *loop) debugClose(c *conn, why Reason) {
	if log := l.g.cfg.Log; log.Enabled(context.Background(), slog.LevelDebug) {
		log.Debug("connection closed", "reason", why.String(), "peer", l.peer(c))
	}
}

// expired closes c, which was silent for too long. It is out of the wheel.
func (l *loop) expired(c *conn) {
	switch c.state {
	case handshaking:
		l.close(c, HandshakeFailed)
	case announced, sniffing, inRESP, inHead, checking:
		l.close(c, FirstPacketTimeout)
	case flushing, lingering:
		l.close(c, Lingered)
	case served:
		l.overdue(c)
	default:
		l.closePolitely(c, HeartbeatTimeout)
	}
}
