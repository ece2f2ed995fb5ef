package comet

import (
	"context"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire"
)

// fakeEngine is a poller whose connections take what they are told to.
type fakeEngine struct {
	poller
	full  map[int32]bool           // by descriptor: it takes nothing
	fails map[int32]bool           // by descriptor: the next write fails
	took  func(fd int32, b []byte) // told of all that is taken
}

func (e *fakeEngine) write(c *conn, b []byte) (int, error) {
	switch {
	case e.fails[c.fd]:
		return 0, net.ErrClosed
	case e.full[c.fd]:
		return 0, nil
	}
	e.took(c.fd, b)
	return len(b), nil
}

func (e *fakeEngine) wake()                 {}
func (e *fakeEngine) flush(*loop, *conn)    {}
func (e *fakeEngine) shutdown(*loop, *conn) {}
func (e *fakeEngine) close(*loop, *conn)    {}
func (e *fakeEngine) peer(*conn) string     { return "peer" }

// room lets c's socket take what waits.
func (e *fakeEngine) room(l *loop, c *conn) {
	e.full[c.fd] = false
	if c.out == nil {
		return
	}
	n := 0
	for _, ch := range c.out.chunks {
		e.took(c.fd, ch.bytes)
		n += len(ch.bytes)
	}
	l.written(c, n, nil)
}

// fakeKeys are keys without a hub: channels that a test posts to itself.
type fakeKeys struct {
	sink channel.Sink
	keys map[string]*fakeKey
}

type fakeKey struct {
	channel *channel.Channel
	ref     uint32
	count   int
	last    int64
	posted  []int64 // mids
}

func (k *fakeKeys) Attach(s channel.Sink) channel.SinkID {
	k.sink = s
	return 0
}

func (k *fakeKeys) Subscribe(_ channel.SinkID, key string, spare uint32) (*channel.Channel, uint32, int64, error) {
	f := k.keys[key]
	if f.count++; f.count == 1 {
		f.ref = spare
	}
	return f.channel, f.ref, f.last, nil
}

func (k *fakeKeys) Unsubscribe(_ channel.SinkID, c *channel.Channel) {
	for _, f := range k.keys {
		if f.channel == c {
			f.count--
		}
	}
}

func (k *fakeKeys) Position() int64 { return 0 }

func (k *fakeKeys) Resume(context.Context, string, int64, bool) (channel.Page, error) {
	return channel.Page{}, nil
}

func (k *fakeKeys) post(key string) {
	f := k.keys[key]
	f.last += message.MidStep
	f.posted = append(f.posted, f.last)
	if f.count > 0 {
		k.sink.Post(f.channel, f.ref, &message.Message{Mid: f.last, Payload: []byte("1")})
	}
}

// reader is what a test knows of one connection.
type reader struct {
	id   id
	key  string
	seen int64 // barrier, then the last mid that it got
}

// fanout is a loop over fakes, and the readers in it.
type fanout struct {
	loop    *loop
	keys    *fakeKeys
	engine  *fakeEngine
	readers map[int32]*reader
	fds     int32
}

var midOf = regexp.MustCompile(`"mid":(\d+)`)

func newFanout(fatal func(format string, args ...any)) *fanout {
	f := &fanout{keys: &fakeKeys{keys: make(map[string]*fakeKey)}, readers: make(map[int32]*reader)}
	for _, key := range []string{"a", "b", "c"} {
		f.keys.keys[key] = &fakeKey{channel: new(channel.Channel)}
	}
	g := &Gateway{cfg: Config{Keys: f.keys, Log: slog.New(slog.DiscardHandler)}, pool: newPool(1)}
	g.SetLimits(Limits{MaxPendingBytes: 1 << 20, MaxPendingMessages: 4, FirstPacketTimeout: time.Second})
	var err error
	if f.loop, err = newLoop(g); err != nil {
		fatal("newLoop: %v", err)
	}
	f.loop.poll.end()
	f.engine = &fakeEngine{full: make(map[int32]bool), fails: make(map[int32]bool)}
	f.loop.poll = f.engine
	f.keys.Attach(f.loop)
	f.engine.took = func(fd int32, b []byte) {
		r := f.readers[fd]
		for _, m := range midOf.FindAllSubmatch(b, -1) {
			mid, _ := strconv.ParseInt(string(m[1]), 10, 64)
			if mid != r.seen+message.MidStep {
				fatal("a connection of key %s got %d after %d", r.key, mid, r.seen)
			}
			r.seen = mid
		}
	}
	return f
}

func (f *fanout) join(key string) {
	f.fds++
	c := f.loop.add(&Listener{}, f.fds)
	f.readers[f.fds] = &reader{id: c.id, key: key, seen: f.keys.keys[key].last}
	f.loop.subscribe(c, wire.Sub{Key: key, Heartbeat: time.Minute}, 0)
}

// living returns the connections that are not closed.
func (f *fanout) living() (all []*conn) {
	for fd := int32(1); fd <= f.fds; fd++ {
		if c := f.loop.find(f.readers[fd].id); c != nil {
			all = append(all, c)
		}
	}
	return all
}

// Against a model: connections join and leave, fail and are full while messages are on their way to
// them. Each gets all messages after it joined, in order and once, for as long as it is there.
func TestEveryConnectionGetsWhatIsPostedAfterItJoined(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFanout(func(format string, args ...any) { t.Fatalf(format, args...) })
		key := rapid.SampledFrom([]string{"a", "a", "a", "b", "c"})
		with := func(what func(c *conn)) func(t *rapid.T) {
			return func(t *rapid.T) {
				if all := f.living(); len(all) > 0 {
					what(rapid.SampledFrom(all).Draw(t, "connection"))
				}
			}
		}
		join := func(t *rapid.T) { f.join(key.Draw(t, "key")) }
		post := func(t *rapid.T) { f.keys.post(key.Draw(t, "key")) }
		t.Repeat(map[string]func(*rapid.T){
			"join": join, "join too": join, "post": post, "post too": post,
			"leave": with(func(c *conn) { f.loop.close(c, PeerClosed) }),
			"fail":  with(func(c *conn) { f.engine.fails[c.fd] = true }),
			"full":  with(func(c *conn) { f.engine.full[c.fd] = true }),
			"room":  with(func(c *conn) { f.engine.room(f.loop, c) }),
			"empty": func(t *rapid.T) { // all of a key leave; it may get another channel
				k := key.Draw(t, "key")
				for _, c := range f.living() {
					if c.channel == f.keys.keys[k].channel {
						f.loop.close(c, PeerClosed)
					}
				}
				if rapid.Bool().Draw(t, "forgotten") {
					f.keys.keys[k].channel = new(channel.Channel)
				}
			},
			"drain": func(*rapid.T) { f.loop.drain() },
			"walk":  func(t *rapid.T) { f.loop.walk(rapid.IntRange(1, 5).Draw(t, "budget")) },
		})
		f.loop.drain()
		for f.loop.walk(100) {
		}
		for _, c := range f.living() {
			f.engine.room(f.loop, c)
			if r := f.readers[c.fd]; r.seen != f.keys.keys[r.key].last && !f.engine.fails[c.fd] {
				t.Fatalf("connection %d of key %s got messages up to %d, want %d", c.fd, r.key, r.seen, f.keys.keys[r.key].last)
			}
		}
		if n := f.loop.inbox.bytes.Load(); n != 0 {
			t.Fatalf("%d bytes are said to wait when all is delivered", n)
		}
		groups := int(f.loop.groups.top) - len(f.loop.groups.spare) - 1 // one is fresh
		if used := f.used(); groups != used || len(f.loop.walks) != 0 {
			t.Fatalf("%d groups are in use and %d walked, want %d and 0", groups, len(f.loop.walks), used)
		}
	})
}

// used returns how many keys have subscribers.
func (f *fanout) used() (n int) {
	for _, k := range f.keys.keys {
		if k.count > 0 {
			n++
		}
	}
	return n
}

func TestDeliveringToManyAllocatesForTheMessageOnly(t *testing.T) {
	const connections = 1000
	f := newFanout(t.Fatalf)
	f.engine.took = func(int32, []byte) {}
	for range connections {
		f.join("a")
	}
	delivered := func() {
		f.keys.post("a")
		f.loop.drain()
		for f.loop.walk(slice) {
		}
	}
	delivered()
	if n := testing.AllocsPerRun(100, delivered); n > 3 {
		t.Errorf("%v allocations for a message to %d connections, want at most 3: the message, its payload, the test's list", n, connections)
	}
	if got := f.loop.g.Stats.Delivered.Load(); got != 102*connections {
		t.Errorf("%d deliveries were counted, want %d", got, 102*connections)
	}
}
