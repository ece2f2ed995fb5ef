package link_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/cluster/link"
	"gopush/internal/message"
)

// proxy passes bytes between a link's ends, until it stops or cuts.
type proxy struct {
	addr    string
	stopped atomic.Bool  // nothing is passed on, and nothing closed
	left    atomic.Int64 // bytes from the dialling end until the connection is cut; negative: any number

	mu    sync.Mutex
	conns []net.Conn
}

// through starts a proxy to addr.
func through(t testing.TB, addr string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: listener.Addr().String()}
	p.left.Store(-1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", addr)
			if err != nil {
				from.Close()
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, from, to)
			p.mu.Unlock()
			wg.Go(func() { p.pass(to, from, true) })
			wg.Go(func() { p.pass(from, to, false) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.cut()
		wg.Wait()
	})
	return p
}

// pass copies from one connection to another.
func (p *proxy) pass(to, from net.Conn, counted bool) {
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		if err != nil {
			if !p.stopped.Load() {
				to.Close()
			}
			return
		}
		if p.stopped.Load() {
			continue
		}
		if counted && p.left.Load() >= 0 && p.left.Add(-int64(n)) < 0 {
			to.Write(b[:rand.N(n)])
			p.left.Store(-1)
			p.cut()
			return
		}
		to.Write(b[:n])
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// A call is answered once, whenever its link is cut: with an error of the link, or as what it did.
func TestCutAtAnyInstantAnswersEachCallOnce(t *testing.T) {
	t.Parallel()
	one, two := start(t, "n1", nil), start(t, "n2", nil)
	p := through(t, two.addr)
	one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{p.addr}}})
	to := one.links.To("n2")
	const rounds, calls = 30, 400
	var failed [2]int
	for range rounds {
		one.handler.event(t, "up n2 n2")
		p.left.Store(int64(rand.N(30000)))
		var wg sync.WaitGroup
		var told [calls]atomic.Int32
		var answers [calls]message.Receipt
		for i := range calls {
			wg.Add(1)
			to.Publish([]message.Push{{Key: "k", Payload: []byte("p"), Expire: time.Hour}}, func(r []message.Receipt) {
				answers[i] = r[0]
				if told[i].Add(1) == 1 {
					wg.Done()
				} else {
					t.Errorf("call %d was answered again", i)
				}
			})
			if i%50 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		wg.Wait()
		for i, r := range answers {
			switch {
			case errors.Is(r.Err, message.ErrUnavailable):
				failed[0]++
			case errors.Is(r.Err, message.ErrUnknown):
				failed[1]++
			case r.Err != nil:
				t.Errorf("call %d: %v", i, r.Err)
			}
		}
		p.cut()
		one.handler.event(t, "down n2")
	}
	if failed[0] == 0 || failed[1] == 0 {
		t.Errorf("%d calls were not written and %d not answered: no cut was among calls", failed[0], failed[1])
	}
	// What was not written was not carried out.
	one.handler.event(t, "up n2 n2")
	publish(t, to, message.Push{Key: "k"})
	if stored, most := two.keys.Hub.Stats.Stored.Load(), int64(rounds*calls-failed[0]); stored > most {
		t.Errorf("%d pushes were carried out, %d were sent", stored, most)
	}
}

func TestBothEndsFindASilentPeer(t *testing.T) {
	t.Parallel()
	quick := func(cfg *link.Config) { cfg.Beat = 100 * time.Millisecond }
	one, two := start(t, "n1", quick), start(t, "n2", quick)
	p := through(t, two.addr)
	one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{p.addr}}})
	one.handler.event(t, "up n2 n2")
	one.links.To("n2").Follow("k", 0)
	one.handler.event(t, "followed k")
	time.Sleep(500 * time.Millisecond) // beats keep it
	if !one.links.To("n2").Up() || two.keys.Subscribers("k") != 1 {
		t.Fatal("an idle link broke")
	}
	p.stopped.Store(true)
	began := time.Now()
	for _, event := range []string{"missed n2 1", "missed n2 2", "missed n2 3", "down n2"} {
		one.handler.event(t, event)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("found after %v, want 300 ms", d)
	}
	waitFor(t, "the follow was taken back", func() bool { return two.keys.Subscribers("k") == 0 })
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("found at the other end after %v, want 300 ms", d)
	}
	one.handler.event(t, "missed n2 4") // it goes on while the peer cannot be reached
	p.stopped.Store(false)
	p.cut()
	one.handler.event(t, "up n2 n2")
	for _, n := range []*node{one, two} {
		if n.links.Stats.Broken[link.Silent].Load() == 0 {
			t.Error("a silent link was not counted")
		}
	}
}

func TestNoAnswerInTimeIsUnknown(t *testing.T) {
	t.Parallel()
	_, two, to := pair(t, func(cfg *link.Config) { cfg.StoreTimeout = 100 * time.Millisecond })
	two.keys.silence(true)
	began := time.Now()
	r := publish(t, to, message.Push{Key: "k"}, message.Push{Key: "l"})
	if d := time.Since(began); len(r) != 2 || !errors.Is(r[1].Err, message.ErrUnknown) || d < 200*time.Millisecond || d > 2*time.Second {
		t.Errorf("after %v: %+v", d, r)
	}
	two.keys.silence(false)
	if r := publish(t, to, message.Push{Key: "k"}); r[0].Err != nil || !to.Up() {
		t.Errorf("the next: %+v", r)
	}
}

func TestTooMuchUnderWayIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	_, two, to := pair(t, func(cfg *link.Config) { cfg.MaxQueueBytes = 1 << 20 })
	two.keys.silence(true)
	answers := make(chan error, 100)
	for range 20 {
		to.Publish([]message.Push{{Key: "k", Payload: make([]byte, 100<<10)}}, func(r []message.Receipt) { answers <- r[0].Err })
	}
	for range 10 {
		if err := <-answers; !errors.Is(err, message.ErrUnavailable) {
			t.Errorf("past the bound: %v", err)
		}
	}
}

// What a link holds ends with it, at both ends, however it ends.
func TestPeersComeAndGo(t *testing.T) {
	t.Parallel()
	one, two, to := pair(t, nil)
	to.Follow("k", 0)
	one.handler.event(t, "followed k")
	one.links.SetPeers(nil)
	one.handler.event(t, "down n2")
	if one.links.To("n2") != nil || to.Up() {
		t.Error("who is no peer any more is linked")
	}
	waitFor(t, "the follow was taken back", func() bool { return two.keys.Subscribers("k") == 0 })
	for range 20 {
		one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{two.addr}}})
		one.links.SetPeers(nil)
	}
	one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{"127.0.0.1:1", two.addr}}})
	waitFor(t, "up again", one.links.To("n2").Up)
	p := through(t, two.addr)
	one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{p.addr}}}) // it has moved
	waitFor(t, "linked at the other address", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.conns) > 0 && one.links.To("n2").Up()
	})
	if len(one.links.All()) != 1 || one.links.All()[0] != one.links.To("n2") {
		t.Error("All is not To of all")
	}
}

func TestStoppingClosesLinks(t *testing.T) {
	t.Parallel()
	one := start(t, "n1", nil)
	t.Run("n2", func(t *testing.T) {
		two := start(t, "n2", nil)
		one.links.SetPeers([]link.Peer{{Name: "n2", Addrs: []string{two.addr}}})
		one.handler.event(t, "up n2 n2")
		two.links.Leave()
	})
	one.handler.event(t, "left n2")
	one.handler.event(t, "down n2")
	a, b := net.Pipe()
	defer b.Close()
	one.links.Accept(a, []byte("*4\r\n"))
	io.WriteString(b, "x")
}
