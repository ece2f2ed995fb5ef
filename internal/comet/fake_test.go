package comet

import (
	"context"
	"log/slog"
	"math"
	"regexp"
	"strconv"
	"syscall"
	"time"

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

func (e *fakeEngine) sendAll(sends []sending) {
	for i := range sends {
		s := &sends[i]
		switch {
		case e.fails[s.fd]:
			s.result = -int32(syscall.EPIPE)
		case e.full[s.fd]:
			s.result = -int32(syscall.EAGAIN)
		default:
			e.took(s.fd, s.bytes)
			s.result = int32(len(s.bytes))
		}
	}
}

func (e *fakeEngine) wake()                 {}
func (e *fakeEngine) read(*conn)            {}
func (e *fakeEngine) flush(*loop, *conn)    {}
func (e *fakeEngine) shutdown(*loop, *conn) {}
func (e *fakeEngine) close(*loop, *conn)    {}
func (e *fakeEngine) keepAlive(*conn)       {}
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
	l.sendBatch()
}

// fakeKeys are keys without a hub: the test posts to them itself.
type fakeKeys struct {
	Keys   // what else there is, nobody asks for
	sink   channel.Sink
	keys   map[string]*fakeKey
	during func() // happens after a page was read and before it comes
}

type fakeKey struct {
	channel *channel.Channel
	ref     uint32
	count   int
	last    int64             // mid
	needed  map[int64]bool    // by mid: whether it is stored, and not deleted
	stored  []message.Message // that can be read
}

// pageMessages is how many messages a page of fakeKeys has at most.
const pageMessages = 3

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

func (k *fakeKeys) Furthest() int64  { return 0 }
func (k *fakeKeys) Near(string) bool { return true }

func (k *fakeKeys) Start(channel.SinkID, []message.Push, func([]message.Receipt)) ([]message.Receipt, channel.SinkSet) {
	panic("nobody pushes")
}

func (k *fakeKeys) Flush(channel.SinkSet) {}
func (k *fakeKeys) Crowded() bool         { return false }
func (k *fakeKeys) Admit()                {}

func (k *fakeKeys) Resume(_ context.Context, key string, mid int64, _ bool) (channel.Page, error) {
	f := k.keys[key]
	p := channel.Page{Upto: f.last, Last: true}
	defer k.during()
	for _, m := range f.stored {
		if m.Mid <= mid {
			continue
		}
		if len(p.Messages) == pageMessages {
			p.Last = false
			break
		}
		p.Messages = append(p.Messages, m)
	}
	return p, nil
}

func (k *fakeKeys) post(key string, stored bool) {
	f := k.keys[key]
	f.last += message.MidStep
	m := message.Message{Mid: f.last, Payload: []byte("1")}
	if f.needed[m.Mid] = stored; stored {
		m.Expires = message.Never
		f.stored = append(f.stored, m)
	}
	if f.count > 0 {
		k.sink.Post(f.channel, f.ref, &m)
	}
}

// delete removes what is stored: nobody needs to get it any more.
func (f *fakeKey) delete() {
	for _, m := range f.stored {
		delete(f.needed, m.Mid)
	}
	f.stored = nil
}

// reader is what a test knows of one connection.
type reader struct {
	id      id
	key     string
	barrier int64 // what was live only up to here is not for it
	seen    int64 // the last mid that it got, or the one that it came with
}

// fanout is a loop over fakes, and the readers in it.
type fanout struct {
	loop    *loop
	keys    *fakeKeys
	engine  *fakeEngine
	readers map[int32]*reader // by descriptor
	fds     int32             // descriptors given so far
	fatal   func(format string, args ...any)
}

func newFanout(fatal func(format string, args ...any), keys ...string) *fanout {
	f := &fanout{keys: &fakeKeys{keys: make(map[string]*fakeKey), during: func() {}}, readers: make(map[int32]*reader), fatal: fatal}
	for _, key := range keys {
		f.keys.keys[key] = &fakeKey{channel: new(channel.Channel), needed: make(map[int64]bool)}
	}
	g := &Gateway{cfg: Config{Keys: f.keys, Log: slog.New(slog.DiscardHandler)}, pool: newPool(0)}
	g.SetLimits(Limits{MaxPendingBytes: 1 << 20, MaxPendingMessages: 4, FirstPacketTimeout: time.Second})
	var err error
	if f.loop, err = newLoop(g); err != nil {
		fatal("newLoop: %v", err)
	}
	f.loop.poll.end()
	f.engine = &fakeEngine{full: make(map[int32]bool), fails: make(map[int32]bool), took: f.took}
	f.loop.poll = f.engine
	f.keys.Attach(f.loop)
	return f
}

var midOf = regexp.MustCompile(`"mid":(\d+)`)

// took checks what a connection got against what it needs.
func (f *fanout) took(fd int32, b []byte) {
	r := f.readers[fd]
	for _, m := range midOf.FindAllSubmatch(b, -1) {
		mid, _ := strconv.ParseInt(string(m[1]), 10, 64)
		if missed := f.missing(r, mid); mid <= r.seen || missed != 0 {
			f.fatal("connection %d of key %q got %d after %d, and not %d", fd, r.key, mid, r.seen, missed)
		}
		r.seen = mid
	}
}

// missing returns the first mid below upto that r needs and has not got; 0: none.
func (f *fanout) missing(r *reader, upto int64) int64 {
	dropped := f.loop.g.Stats.DroppedLive.Load()+f.loop.g.Stats.DroppedSlow.Load() > 0
	for mid := r.seen + message.MidStep; mid < upto; mid += message.MidStep {
		stored, known := f.keys.keys[r.key].needed[mid]
		if stored || known && mid > r.barrier && !dropped {
			return mid
		}
	}
	return 0
}

// join adds a connection; with mid >= 0 it resumes.
func (f *fanout) join(key string, mid int64) {
	f.fds++
	c := f.loop.add(&Listener{}, f.fds)
	last := f.keys.keys[key].last
	f.readers[f.fds] = &reader{id: c.id, key: key, barrier: last, seen: last}
	sub := wire.Sub{Key: key, Heartbeat: time.Minute}
	if mid >= 0 {
		f.readers[f.fds].seen = mid
		sub.Resume, sub.Mid = true, mid
	}
	f.loop.subscribe(c, sub, 0)
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

// read does one job of the pool, if there is any. What comes of it waits in the inbox.
func (f *fanout) read() bool {
	p := f.loop.g.pool
	if len(p.jobs) == 0 {
		return false
	}
	job := p.jobs[0]
	p.jobs = p.jobs[1:]
	f.loop.mu.Lock()
	defer f.loop.mu.Unlock()
	job()
	return true
}

// deliver delivers all that is on its way, and lets nobody rest.
func (f *fanout) deliver() {
	for f.turn(); f.loop.delivering(); f.turn() {
		for _, ref := range f.loop.resting {
			if m := f.loop.groups.at(ref).many; m != nil {
				m.rested = time.Time{}
			}
		}
	}
}

// turn delivers what is on its way to groups that have rested.
func (f *fanout) turn() {
	f.loop.drain()
	f.loop.letIn(math.MaxInt)
	for f.loop.walk(slice) {
		continue
	}
}

// settle lets all sockets take what waits and everything end, then checks that each connection
// has got what it needs and that nothing is left over.
func (f *fanout) settle() {
	for range 10000 {
		f.deliver()
		for _, c := range f.living() {
			f.engine.room(f.loop, c)
		}
		if !f.read() && f.loop.inbox.waiting.Load() == 0 {
			f.check()
			return
		}
	}
	f.fatal("the resumes do not end")
}

func (f *fanout) check() {
	checkScales(f.loop, f.fatal)
	for _, c := range f.living() {
		r := f.readers[c.fd]
		if mid := f.missing(r, f.keys.keys[r.key].last+1); mid != 0 && !f.engine.fails[c.fd] {
			f.fatal("connection %d of key %q has seen messages up to %d, and needs %d", c.fd, r.key, r.seen, mid)
		}
		if c.resuming() != nil && !f.engine.fails[c.fd] {
			f.fatal("connection %d still resumes", c.fd)
		}
	}
	if n := f.loop.inbox.bytes.Load(); n != 0 {
		f.fatal("%d bytes are said to wait when all is delivered", n)
	}
	used := 1 // one is fresh
	for _, k := range f.keys.keys {
		used += min(k.count, 1)
	}
	if n := f.loop.groups.inUse(); n != used || len(f.loop.walks) != 0 {
		f.fatal("%d groups are in use and %d walked, want %d and 0", n, len(f.loop.walks), used)
	}
}
