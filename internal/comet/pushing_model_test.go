package comet

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/wire/http1"
)

// pushKeys are keys that take pushes, and answer them when the test wants.
type pushKeys struct {
	fakeKeys
	late    func() bool // whether the next call has to wait
	waiting []lateCall
	crowded bool
	asked   func() // before each look at crowded; nil: nothing
}

type lateCall struct {
	pushes int
	done   func([]message.Receipt)
}

func (k *pushKeys) Start(_ channel.SinkID, pushes []message.Push, done func([]message.Receipt)) ([]message.Receipt, channel.SinkSet) {
	if k.late() {
		k.waiting = append(k.waiting, lateCall{len(pushes), done})
		return nil, 0
	}
	return make([]message.Receipt, len(pushes)), 0
}

func (k *pushKeys) Crowded() bool {
	if k.asked != nil {
		k.asked()
	}
	return k.crowded
}

// pushEngine is a fakeEngine that can let go of a connection.
type pushEngine struct {
	fakeEngine
	closed bool
}

func (e *pushEngine) close(*loop, *conn) { e.closed = true }

func (e *pushEngine) detach(*loop, *conn) (net.Conn, error) {
	nc, peers := net.Pipe()
	return nc, peers.Close()
}

// publisher is a connection that pushes, over fakes. /N pushes once and /manyN 100 times, each
// is answered by its path; /other is for net/http.
type publisher struct {
	loop   *loop
	ln     *Listener
	keys   *pushKeys
	engine *pushEngine
	id     id
	got    bytes.Buffer // answers
}

const publisherFD = 7

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	p := &publisher{keys: &pushKeys{late: func() bool { return false }}, ln: &Listener{kind: Admin}}
	p.ln.filled.L = &p.ln.mu
	p.ln.ServePushes(judge)
	g := &Gateway{
		cfg:  Config{Keys: p.keys, Log: slog.New(slog.DiscardHandler), IdleTimeout: time.Minute, ReadTimeout: time.Minute},
		pool: newPool(0), listeners: []*Listener{p.ln},
	}
	g.SetLimits(testLimits())
	l, err := newLoop(g)
	if err != nil {
		t.Fatal(err)
	}
	l.poll.end()
	p.engine = &pushEngine{fakeEngine: fakeEngine{full: make(map[int32]bool), fails: make(map[int32]bool)}}
	p.engine.took = func(_ int32, b []byte) { p.got.Write(b) }
	l.poll, p.loop = p.engine, l
	p.id = l.add(p.ln, publisherFD).id
	return p
}

func judge(_ string, r *http1.Request) ([]message.Push, func([]byte, []message.Receipt, bool) []byte) {
	path := string(r.Path)
	pushes := 1
	switch {
	case path == "/other":
		return nil, nil
	case strings.HasPrefix(path, "/many"):
		pushes = 100
	}
	return make([]message.Push, pushes), func(dst []byte, receipts []message.Receipt, last bool) []byte {
		if len(receipts) != pushes {
			panic("receipts of another request")
		}
		dst = append(dst, path...)
		if last {
			dst = append(dst, " last"...)
		}
		return append(dst, '\n')
	}
}

func request(path string, body int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", path, body, strings.Repeat("b", body))
}

func (p *publisher) conn() *conn { return p.loop.find(p.id) }

// turn does what a loop does between two waits.
func (p *publisher) turn() {
	p.loop.mu.Lock()
	defer p.loop.mu.Unlock()
	p.loop.newTurn()
	p.loop.drain()
	p.loop.sendBatch()
}

// feed brings some bytes, if they are read, and returns how many.
func (p *publisher) feed(b string) int {
	c := p.conn()
	if c == nil || c.flags&paused != 0 {
		return 0
	}
	p.loop.input(c, []byte(b))
	return len(b)
}

// answer tells the receipts of a call that waits.
func (p *publisher) answer(i int) {
	call := p.keys.waiting[i]
	p.keys.waiting = append(p.keys.waiting[:i:i], p.keys.waiting[i+1:]...)
	call.done(make([]message.Receipt, call.pushes))
}

// room lets the socket take what waits.
func (p *publisher) room() {
	p.engine.full[publisherFD] = false
	if c := p.conn(); c != nil {
		p.engine.room(p.loop, c)
	}
}

// admit makes room for what is posted.
func (p *publisher) admit() {
	p.keys.crowded = false
	jobs := p.loop.g.pool.jobs
	p.loop.g.pool.jobs = nil
	p.loop.mu.Lock()
	defer p.loop.mu.Unlock()
	for _, job := range jobs {
		job()
	}
}

// settle ends everything that can end.
func (p *publisher) settle() {
	for again := true; again; again = len(p.keys.waiting) > 0 {
		for len(p.keys.waiting) > 0 {
			p.answer(len(p.keys.waiting) - 1)
		}
		p.room()
		p.admit()
		p.turn()
	}
}

// stream is what a publisher sends, and what is to become of it.
func stream(other bool) (sent, answers string) {
	for i := range rand.IntN(200) {
		path := fmt.Sprint("/", i)
		if rand.IntN(20) == 0 {
			path = fmt.Sprint("/many", i)
		}
		sent += request(path, rand.IntN(1+rand.IntN(3000)))
		answers += path + "\n"
	}
	if other {
		sent += request("/other", 3) + request("/after", 3)
	}
	return sent, answers
}

// Whatever is cut, held up or full: requests are answered once each and in order, what is under
// way is bounded, and net/http gets the first request that is not for a loop when all before it is answered.
func TestPushesAgainstAModel(t *testing.T) {
	t.Parallel()
	for range 100 {
		p := newPublisher(t)
		lateness := rand.IntN(4)
		p.keys.late = func() bool { return rand.IntN(4) < lateness }
		other := rand.IntN(2) == 0
		sent, want := stream(other)
		fed := 0
		for range 400 {
			switch rand.IntN(8) {
			case 0, 1, 2:
				fed += p.feed(sent[fed:min(len(sent), fed+1+rand.IntN(8000))])
			case 3:
				if n := len(p.keys.waiting); n > 0 {
					p.answer(rand.IntN(n))
				}
			case 4, 5:
				p.turn()
			case 6:
				if p.engine.full[publisherFD] = rand.IntN(2) == 0; !p.engine.full[publisherFD] {
					p.room()
				}
			case 7:
				if p.keys.crowded = rand.IntN(2) == 0; !p.keys.crowded {
					p.admit()
				}
			}
			p.check(t, want)
		}
		p.settle()
		for tries := 0; fed < len(sent) && p.conn() != nil && tries < 1000; tries++ {
			fed += p.feed(sent[fed:min(len(sent), fed+8000)])
			p.settle()
		}
		if p.got.String() != want {
			t.Fatalf("answers %q, want %q", p.got.String(), want)
		}
		p.checkEnd(t, other, sent[:fed])
	}
}

func (p *publisher) check(t *testing.T, want string) {
	t.Helper()
	if got := p.got.String(); !strings.HasPrefix(want, got) {
		t.Fatalf("answers %q, want %q", got, want)
	}
	c := p.conn()
	if c == nil || c.state != served {
		return
	}
	sum := 0
	for _, call := range c.aux.serving.calls {
		sum += call.pushes
	}
	if s := c.aux.serving; sum != s.pushes || sum > maxPushesUnderWay+100 || s.bytes > maxBytesUnderWay+4000 {
		t.Fatalf("%d pushes of %d bytes are under way, and said to be %d", sum, s.bytes, s.pushes)
	}
	if c.in != nil && len(*c.in) > readBuffer {
		t.Fatalf("%d bytes of input are kept", len(*c.in))
	}
}

// checkEnd looks at what has become of the connection when all is answered.
func (p *publisher) checkEnd(t *testing.T, other bool, fed string) {
	t.Helper()
	if n := p.loop.calls.underWay; n != 0 {
		t.Fatalf("%d calls are under way when all is answered", n)
	}
	if !other {
		c := p.conn()
		if c == nil || c.flags&paused != 0 {
			t.Fatalf("the connection is not read any more")
		}
		p.loop.noMore(c)
		if !p.engine.closed {
			t.Fatal("the peer has closed, and the connection is open")
		}
		return
	}
	nc, err := p.ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	unread, _ := io.ReadAll(nc)
	if want := fed[strings.Index(fed, "POST /other"):]; string(unread) != want {
		t.Fatalf("net/http gets %q, want %q", unread, want)
	}
}

// A request may come in any two pieces.
func TestARequestThatPushesIsCutAnywhere(t *testing.T) {
	t.Parallel()
	sent, want := request("/1", 10)+request("/2", 0)+request("/3", 5), "/1\n/2\n/3\n"
	for i := range sent {
		p := newPublisher(t)
		p.feed(sent[:i])
		p.turn()
		p.feed(sent[i:])
		if p.turn(); p.got.String() != want {
			t.Fatalf("cut after %q: answers %q, want %q", sent[:i], p.got.String(), want)
		}
	}
}

func TestAnswersOfOneReadLeaveInOneWrite(t *testing.T) {
	t.Parallel()
	p, writes := newPublisher(t), 0
	p.engine.took = func(_ int32, b []byte) { writes++ }
	p.feed(strings.Repeat(request("/1", 10), 50))
	if p.turn(); writes != 1 {
		t.Errorf("answers to what needs not wait: %d writes, want 1", writes)
	}
	p.keys.late = func() bool { return true }
	p.feed(strings.Repeat(request("/1", 10), 50))
	for len(p.keys.waiting) > 0 {
		p.answer(0)
	}
	if p.turn(); writes != 2 {
		t.Errorf("answers to what had to wait: %d writes, want 1", writes-1)
	}
}

// What was pushed is carried out and answered when the peer sends no more, or the node goes; a
// peer is told only of the latter.
func TestTheLastAnswersOfAConnectionThatPushes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  func(*publisher)
		want string
	}{
		{"the peer has sent all", func(p *publisher) { p.loop.noMore(p.conn()) }, "/1\n/2\n/3\n"},
		{"pushes end", func(p *publisher) { p.loop.endPushes(make(chan struct{}, 1)) }, "/1\n/2\n/3 last\n"},
		{"the node drains", func(p *publisher) { p.loop.drainAll(make(chan struct{}, 1)) }, "/1\n/2\n/3 last\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newPublisher(t)
			p.keys.late = func() bool { return true }
			p.feed(request("/1", 10) + request("/2", 10) + request("/3", 10))
			row.end(p)
			for p.turn(); len(p.keys.waiting) > 0; p.turn() {
				if p.engine.closed {
					t.Fatal("closed before all is answered")
				}
				p.answer(0)
			}
			if c := p.conn(); p.got.String() != row.want || c != nil && c.state != lingering {
				t.Errorf("answers %q, want %q; the connection is %v", p.got.String(), row.want, c)
			}
		})
	}
}

// A push whose connection has gone is still answered, to nobody: it is counted.
func TestPushesOutliveTheirConnection(t *testing.T) {
	t.Parallel()
	p, idle := newPublisher(t), make(chan struct{}, 1)
	p.keys.late = func() bool { return true }
	p.feed(request("/1", 10) + request("/2", 10) + request("/3", 10))
	p.answer(1) // and waits for its turn
	p.turn()
	p.loop.close(p.conn(), Failed)
	if p.loop.endPushes(idle); len(idle) != 0 {
		t.Error("pushes are said to have ended while two are under way")
	}
	p.answer(1)
	p.answer(0)
	if p.turn(); len(idle) != 1 || p.got.Len() != 0 {
		t.Errorf("pushes have ended: %d, want 1; answers %q, want none", len(idle), p.got.String())
	}
}

func TestDeadlinesOfAConnectionThatPushes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		do   func(*publisher)
		want Reason // 0: it stays open
	}{
		{"idle", func(*publisher) {}, HTTPTimeout},
		{"half a request", func(p *publisher) { p.feed("POST /") }, HTTPTimeout},
		{"a push under way", func(p *publisher) {
			p.keys.late = func() bool { return true }
			p.feed(request("/2", 0))
		}, 0},
		{"no room", func(p *publisher) {
			p.keys.crowded = true
			p.feed(request("/2", 0))
		}, 0},
		{"answers are not read", func(p *publisher) {
			p.engine.full[publisherFD] = true
			p.feed(request("/2", 0))
		}, Slow},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newPublisher(t)
			p.feed(request("/1", 0))
			p.turn()
			row.do(p)
			p.turn()
			c := p.conn()
			p.loop.wheel.remove(&p.loop.conns, c)
			p.loop.expired(c)
			why := c.why
			if p.engine.closed {
				why = Slow
			}
			if why != row.want {
				t.Errorf("closed for %v, want %v", why, row.want)
			}
		})
	}
}

// Slow bytes do not move the deadline of a request on.
func TestADripDoesNotKeepAConnection(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	p.feed(request("/1", 0) + "P")
	p.loop.start = p.loop.start.Add(-30 * time.Second)
	first := p.conn().deadline
	p.feed("O")
	if got := p.conn().deadline; got != first {
		t.Errorf("the deadline moved from %d to %d", first, got)
	}
	p.feed(request("/1", 0)[2:] + "P")
	if got := p.conn().deadline; got <= first {
		t.Errorf("the deadline of the next request is %d, that of the one before was %d", got, first)
	}
}

// A few bytes can ask for very many pushes: a turn begins only some of them, and the rest follows.
func TestATurnBeginsOnlySomePushes(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	const requests = 20 // of 100 pushes each
	p.feed(strings.Repeat(request("/many", 0), requests))
	for turns, seen := 1, 0; ; turns++ {
		begun := strings.Count(p.got.String(), "\n") * 100
		if n := begun - seen; n > effortATurn/effortOfPush+100 || n == 0 && turns > 1 {
			t.Fatalf("turn %d began %d pushes, want some and at most %d", turns, n, effortATurn/effortOfPush+100)
		}
		if begun == requests*100 {
			return
		}
		seen = begun
		p.turn()
	}
}

// There is no room when the next request of a read is due, and there is when it is asked whether to read on: then
// nothing is read, since what is there may be for net/http.
func TestNothingIsReadBehindWhatWaits(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	p.feed(request("/1", 0))
	asked := 0
	p.keys.asked = func() {
		asked++
		p.keys.crowded = asked == 1
	}
	p.feed(request("/other", 0))
	if c := p.conn(); c == nil || c.in == nil || c.flags&paused == 0 {
		t.Errorf("with a request that waits the connection is %+v, want it not read", c)
	}
}

// greedyEngine has one connection ask for more than a turn has room for, in every turn, and in the first another one for one push.
type greedyEngine struct {
	*pushEngine
	greedy, modest *conn
	turns          int
}

func (e *greedyEngine) dispatch(l *loop) {
	l.input(e.greedy, []byte(strings.Repeat(request("/many", 0), effortATurn/effortOfPush/100+1)))
	if e.turns++; e.turns == 1 {
		l.input(e.modest, []byte(request("/modest", 0)))
	}
}

// Who found no room in a turn comes first in the next, whoever else asks.
func TestWhoWaitsForATurnIsNotOvertaken(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	e := &greedyEngine{pushEngine: p.engine, greedy: p.conn(), modest: p.loop.add(p.ln, publisherFD+1)}
	p.loop.poll = e
	p.loop.turn()
	if strings.Contains(p.got.String(), "/modest") {
		t.Fatal("there was room for all: the test tests nothing")
	}
	if p.loop.turn(); !strings.Contains(p.got.String(), "/modest") {
		t.Errorf("the second turn answered %q, and not who had waited for it", p.got.String())
	}
}
