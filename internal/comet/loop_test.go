package comet

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"gopush/internal/channel"
)

func TestLoopCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{1: 1, 3: 3, 1000: channel.MaxSinks - 1} {
		if got := loopCount(n); got != want {
			t.Errorf("loopCount(%d) = %d, want %d", n, got, want)
		}
	}
	if got := loopCount(0); got < 1 || got > channel.MaxSinks {
		t.Errorf("loopCount(0) = %d, want 1 to %d", got, channel.MaxSinks)
	}
}

// stalling is a poller that makes a connection in its first turn, which then takes an hour.
type stalling struct {
	poller
	made *conn
}

func (s *stalling) dispatch(l *loop) {
	if s.made == nil {
		s.made = l.add(&Listener{}, 1)
		l.start = l.start.Add(-time.Hour)
	}
}

// Whatever a turn takes, nobody is closed as silent before its socket was looked at.
func TestALongTurnClosesNobody(t *testing.T) {
	t.Parallel()
	f := newFanout(t.Fatalf)
	s := &stalling{poller: f.engine}
	f.loop.poll = s
	if f.loop.turn(); s.made.state != sniffing {
		t.Error("a connection is closed at the end of the turn that it came in")
	}
	for f.loop.turn() {
		continue
	}
	if s.made.state != free {
		t.Error("a connection that stays silent is not closed")
	}
}

// Who finds the loop's lock taken leaves the work to its holder, also when the loop is about to end.
func TestALoopEndsWhenAllThatWasPostedIsDone(t *testing.T) {
	t.Parallel()
	g, _, _ := newTestGateway(t, EngineAuto)
	defer g.Run(gone())
	l, done := g.loops[0], false
	l.inbox.put(item{do: func(*loop) { done = true }})
	if l.run(gone()); !done {
		t.Error("the loop ended before what was posted was done")
	}
}

// A bug that shows while a publisher does the loop's work ends the process: net/http must not be
// able to go on with a loop that is locked for ever.
func TestAPanicInALoopEndsTheProcess(t *testing.T) {
	const child = "GOPUSH_TEST_PANIC"
	if os.Getenv(child) != "" {
		g, _, _ := newTestGateway(t, EngineAuto)
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			g.loops[0].do(func(*loop) { panic("a bug") })
		}))
		http.Get(server.URL)
		return
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("panic: a bug in an event loop")) {
		t.Errorf("the process ended with %v and told:\n%s\nwant it to end with a panic", err, out)
	}
}
