package comet

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gopush/internal/message"
	"gopush/internal/wire/http1"
)

// Whatever wake and silence do at the same time, a wake after them is seen.
func TestABellThatWasSilencedRingsAgain(t *testing.T) {
	t.Parallel()
	p, err := newPoller(new(Config), new(atomic.Int64))
	if err != nil {
		t.Fatal(err)
	}
	defer p.end()
	e := p.(*epoll)
	for round := range 200 {
		var ringing sync.WaitGroup
		for range 2 {
			ringing.Go(func() {
				for range 50 {
					e.wake()
				}
			})
		}
		for range 50 {
			e.silence()
		}
		ringing.Wait()
		if e.wake(); !e.poll() {
			t.Fatalf("round %d: the loop was not woken, and never will be", round)
		}
	}
}

// Much that one connection pushes at once is done in several turns: others are served in between.
func TestOneTurnReadsALittleOfWhoPushes(t *testing.T) {
	t.Parallel()
	g, _, _ := newTestGateway(t, EngineEpoll)
	defer g.Run(gone())
	ln, err := g.Listen(t.Context(), Admin, "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	ln.ServePushes(func(string, *http1.Request) ([]message.Push, func([]byte, []message.Receipt, bool) []byte) {
		return []message.Push{{Key: "k"}}, func(dst []byte, _ []message.Receipt, _ bool) []byte { return dst }
	})
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const push = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
	l, requests := g.loops[0], &g.Stats.PushRequests
	turn := func() {
		l.poll.wait(true)
		l.turn()
	}
	for fmt.Fprint(c, push); requests.Load() == 0; {
		turn()
	}
	for fmt.Fprint(c, strings.Repeat(push, 1000)); requests.Load() <= 1000; {
		before := requests.Load()
		if turn(); requests.Load()-before > 1+pushBuffer/int64(len(push)) {
			t.Fatalf("one turn carried out %d requests of %d bytes", requests.Load()-before, len(push))
		}
	}
}
