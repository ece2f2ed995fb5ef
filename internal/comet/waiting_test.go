package comet

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/redis"
	"gopush/internal/store/memory"
)

// redisLoop is a loop that nobody runs but the test, with connections that speak Redis to a fake engine, over a hub that stores at once.
// What the pool has to do waits for the test.
type redisLoop struct {
	*loop
	t      *testing.T
	hub    *channel.Hub
	store  *memory.Store
	ln     *Listener
	engine *fakeEngine
	got    map[int32]*bytes.Buffer // by descriptor
}

func newRedisLoop(t *testing.T) *redisLoop {
	return newRedisLoopWith(t, func(*channel.Config, *redis.Config, *redis.Trust) {})
}

func newRedisLoopWith(t *testing.T, set func(*channel.Config, *redis.Config, *redis.Trust)) *redisLoop {
	t.Helper()
	store := memory.New(memory.Config{})
	hubCfg := channel.Config{Store: store, Node: "n", Instant: true}
	cfg := redis.Config{
		Groups: store, Now: time.Now,
		Limits: func() redis.Limits {
			return redis.Limits{MaxKeyBytes: 255, MaxMessageBytes: 1 << 20, MaxReplyBytes: [...]int{1 << 20, 1 << 20}}
		},
		Facts: func() redis.Facts { return redis.Facts{} },
	}
	trust := redis.Trust{Admin: true, Open: true}
	set(&hubCfg, &cfg, &trust)
	hub, err := channel.Open(t.Context(), hubCfg)
	if err != nil {
		t.Fatal(err)
	}
	f := &redisLoop{t: t, hub: hub, store: store, ln: &Listener{kind: Admin}, got: make(map[int32]*bytes.Buffer)}
	g := &Gateway{
		cfg: Config{
			Keys: hub, Log: slog.New(slog.DiscardHandler), StoreTimeout: time.Minute,
			IdleTimeout: time.Minute, ReadTimeout: time.Minute,
		},
		pool: newPool(0), listeners: []*Listener{f.ln},
	}
	g.SetLimits(testLimits())
	if f.loop, err = newLoop(g); err != nil {
		t.Fatal(err)
	}
	f.poll.end()
	f.engine = &fakeEngine{full: make(map[int32]bool), fails: make(map[int32]bool), took: func(fd int32, b []byte) { f.got[fd].Write(b) }}
	f.poll = f.engine
	f.id = hub.Attach(f.loop)
	cfg.Keys, cfg.Clients = hub, g
	f.ln.ServeRedis(redis.New(cfg), trust)
	return f
}

// dial adds a connection.
func (f *redisLoop) dial() *conn {
	fd := int32(len(f.got) + 1)
	f.got[fd] = new(bytes.Buffer)
	return f.add(f.ln, fd)
}

// turn does what a loop does between two waits.
func (f *redisLoop) turn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		f.newTurn()
		f.drain()
		f.endWaits(slice)
		f.walk(slice)
		f.work(slice)
		f.sendBatch()
		if !f.hasMore() && !f.delivering() && f.inbox.waiting.Load() == 0 {
			return
		}
	}
}

// say has c send commands.
func (f *redisLoop) say(c *conn, lines ...string) {
	f.mu.Lock()
	f.input(c, []byte(commands(lines...)))
	f.mu.Unlock()
	f.turn()
}

// commands returns the bytes of commands that are given as words with spaces between them.
func commands(lines ...string) string {
	var b strings.Builder
	for _, words := range lines {
		args := strings.Fields(words)
		fmt.Fprintf(&b, "*%d\r\n", len(args))
		for _, a := range args {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
		}
	}
	return b.String()
}

// blocking does what the pool has to do, until nothing is left.
func (f *redisLoop) blocking() {
	for p := f.g.pool; len(p.jobs) > 0; {
		job := p.jobs[0]
		p.jobs = p.jobs[1:]
		job()
		f.turn()
	}
}

// want compares all that c got since the last time.
func (f *redisLoop) want(c *conn, want string) {
	f.t.Helper()
	got := f.got[c.fd]
	if got.String() != want {
		f.t.Fatalf("connection %d got %q, want %q", c.fd, got, want)
	}
	got.Reset()
}

// push stores a message.
func (f *redisLoop) push(key, payload string) string {
	r := f.hub.Publish(context.Background(), []message.Push{{Key: key, Payload: []byte(payload), Expire: time.Hour}})[0]
	if r.Err != nil {
		f.t.Fatal(r.Err)
	}
	return message.FormatID(r.Mid)
}

// timeIsUp has all reads that wait end.
func (f *redisLoop) timeIsUp() {
	for _, wt := range f.deadlines {
		wt.until = time.Time{}
	}
	f.turn()
}

// A read whose time is up while the store is looked into is answered after that; the next one waits for as long as it says,
// and for what comes after what was found to be last.
func TestAReadAfterOneThatWasLateWaits(t *testing.T) {
	t.Parallel()
	f := newRedisLoop(t)
	c := f.dial()
	f.say(c, "XREAD BLOCK 60000 STREAMS k $")
	f.timeIsUp()
	f.want(c, "")
	f.blocking()
	f.want(c, "*-1\r\n")

	f.say(c, "XREAD BLOCK 60000 STREAMS k $")
	f.blocking()
	f.timeIsUp()
	f.want(c, "*-1\r\n")

	f.say(c, "XREAD BLOCK 60000 STREAMS k $")
	f.blocking()
	id := f.push("k", "x")
	f.turn()
	f.want(c, fmt.Sprintf("*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$%d\r\n%s\r\n*2\r\n$3\r\nmsg\r\n$1\r\nx\r\n", len(id), id))
}

// A read that waits is given what another node stored below a live-only message, which is posted to nobody, as soon as the next message tells of it.
func TestAWaitingReadGetsWhatWasStoredUnseen(t *testing.T) {
	t.Parallel()
	f := newRedisLoop(t)
	first := f.push("k", "first")
	c, subscriber := f.dial(), f.dial()
	f.say(subscriber, "SUBSCRIBE k")
	f.say(c, "XREAD BLOCK 60000 STREAMS k "+first)
	f.blocking()
	f.want(c, "")

	last, err := message.ParseID(first)
	if err != nil {
		t.Fatal(err)
	}
	unseen := channel.Entry{Message: message.Message{
		Key: "k", Mid: last + message.MidStep, Prev: last, Expires: time.Now().Add(time.Hour), Payload: []byte("unseen"),
	}}
	if err := f.store.Append(t.Context(), []channel.Entry{unseen})[0]; err != nil {
		t.Fatal(err)
	}
	f.hub.Publish(t.Context(), []message.Push{{Key: "k", Payload: []byte("live only")}})
	second := f.push("k", "second")
	f.turn()
	f.blocking()
	want := "*1\r\n*2\r\n$1\r\nk\r\n*2\r\n"
	for _, m := range []struct{ id, payload string }{{message.FormatID(unseen.Mid), "unseen"}, {second, "second"}} {
		want += fmt.Sprintf("*2\r\n$%d\r\n%s\r\n*2\r\n$3\r\nmsg\r\n$%d\r\n%s\r\n", len(m.id), m.id, len(m.payload), m.payload)
	}
	f.want(c, want)
}

// Where the pool takes nothing more, who stands in line for a group is told so; also when the one before it goes while a batch is
// sent, and each once.
func TestWhoWaitsForAGroupIsToldThatThereAreTooMany(t *testing.T) {
	t.Parallel()
	f := newRedisLoop(t)
	var all []*conn
	for i := range 4 {
		c := f.dial()
		all = append(all, c)
		if i == 0 {
			f.say(c, "XGROUP CREATE k g $ MKSTREAM")
			f.blocking()
			f.want(c, "+OK\r\n")
		}
		f.say(c, fmt.Sprintf("XREADGROUP GROUP g c%d BLOCK 0 STREAMS k >", i))
		f.blocking()
		f.want(c, "")
	}
	subscriber := f.dial()
	f.say(subscriber, "SUBSCRIBE live")
	f.got[subscriber.fd].Reset()
	f.push("k", "x")
	f.turn() // the first looks
	f.g.pool.stopped = true
	f.mu.Lock()
	f.engine.fails[all[0].fd] = true
	f.send(all[0], []byte("fails"), 0)
	f.send(subscriber, []byte("once"), 0)
	f.sendBatch()
	f.mu.Unlock()
	f.turn()
	f.want(subscriber, "once")
	for _, c := range all[1:] {
		if got := f.got[c.fd].String(); !strings.HasPrefix(got, "-") || strings.Count(got, "\r\n") != 1 {
			t.Errorf("connection %d got %q, want one error", c.fd, got)
		}
	}
}

// A client that wants no replies gets none, errors of reads that would wait included.
func TestAMutedReadThatCannotWaitRepliesNothing(t *testing.T) {
	t.Parallel()
	f := newRedisLoop(t)
	c := f.dial()
	f.say(c, "CLIENT REPLY OFF")
	f.g.pool.stopped = true
	f.say(c, "XREAD BLOCK 0 STREAMS k $", "CLIENT REPLY ON")
	f.want(c, "+OK\r\n")
}

// A peer that sends no more while its read waits has gone, whatever it sent behind that.
func TestAReadDoesNotWaitForAPeerThatSendsNoMore(t *testing.T) {
	t.Parallel()
	f := newRedisLoop(t)
	c := f.dial()
	id := c.id
	f.say(c, "XREAD BLOCK 0 STREAMS k $", "PING")
	f.blocking()
	f.mu.Lock()
	f.noMore(c)
	f.mu.Unlock()
	if f.find(id) != nil {
		t.Error("the connection is still there")
	}
}

// What waits for a push of its connection and was not begun goes with the connection: nobody waits for it when the node stops.
func TestNobodyWaitsForWorkOfAConnectionThatHasGone(t *testing.T) {
	t.Parallel()
	f := newRedisLoopWith(t, func(cfg *channel.Config, _ *redis.Config, _ *redis.Trust) { cfg.Instant = false })
	c := f.dial()
	f.say(c, "XADD k * msg a", "XADD k NOMKSTREAM * msg b")
	f.mu.Lock()
	f.close(c, Kicked)
	idle := make(chan struct{}, 1)
	f.endPushes(idle)
	f.mu.Unlock()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		f.hub.Run(ctx)
		close(ended)
	}()
	stop() // what is under way is still answered
	<-ended
	f.turn()
	if len(idle) == 0 {
		t.Errorf("%d calls are said to be under way", f.calls.underWay)
	}
}

// A command whose token has to be looked at again, when there is no room for that, is answered once.
func TestACommandThatCannotBeCheckedIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := newRedisLoopWith(t, func(_ *channel.Config, cfg *redis.Config, trust *redis.Trust) {
		*trust = redis.Trust{}
		cfg.Now = func() time.Time { return now }
		cfg.Authorize = func(context.Context, string, string) (uint64, error) { return 1, nil }
		cfg.Revocations = func() uint64 { return 0 }
	})
	f.ln.kind = Public
	c := f.dial()
	f.say(c, "AUTH k token")
	f.blocking()
	f.want(c, "+OK\r\n")
	now = now.Add(24 * time.Hour)
	f.g.pool.stopped = true
	f.say(c, "SUBSCRIBE k")
	if got := f.got[c.fd].String(); !strings.HasPrefix(got, "-") || strings.Count(got, "\r\n") != 1 || c.state == served {
		t.Errorf("got %q, want one error, and the end", got)
	}
}

// Whose token is found to be revoked before whoever revoked it comes to close the connection does not go on hearing of the key.
func TestWhoseTokenIsNoGoodAnyMoreIsClosed(t *testing.T) {
	t.Parallel()
	now, good := time.Now(), true
	f := newRedisLoopWith(t, func(_ *channel.Config, cfg *redis.Config, trust *redis.Trust) {
		*trust = redis.Trust{}
		cfg.Now = func() time.Time { return now }
		cfg.Revocations = func() uint64 { return 0 }
		cfg.Authorize = func(context.Context, string, string) (uint64, error) {
			if !good {
				return 0, message.ErrToken
			}
			return 1, nil
		}
	})
	f.ln.kind = Public
	subscriber, reader := f.dial(), f.dial()
	for _, c := range []*conn{subscriber, reader} {
		f.say(c, "HELLO 3", "AUTH k token")
		f.blocking()
	}
	f.say(subscriber, "SUBSCRIBE k")
	now, good = now.Add(24*time.Hour), false
	for _, c := range []*conn{subscriber, reader} {
		f.say(c, "XLEN k")
		f.blocking()
	}
	if subscriber.state != lingering || reader.state != served {
		t.Errorf("the subscriber is in state %d, the reader in state %d, want them closed and served", subscriber.state, reader.state)
	}
}
