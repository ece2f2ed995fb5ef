package comet

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// randomWaits is connections that read and wait, at random.
type randomWaits struct {
	*redisLoop
	rand   *rand.Rand
	narrow bool // all wait for one group of one key
	conns  []*conn
}

// Nobody waits for what is there: whatever readers, groups, pushes, deadlines and ends of connections come in which order, and
// whenever the store is looked into. When all have gone nothing of them is left.
func TestNobodyWaitsForWhatIsThere(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		w := &randomWaits{redisLoop: newRedisLoop(t), rand: rand.New(rand.NewPCG(seed, 0)), narrow: seed%2 == 1}
		for range 5 {
			w.conns = append(w.conns, w.dial())
		}
		for _, command := range []string{"XGROUP CREATE a g $ MKSTREAM", "XGROUP CREATE b g $ MKSTREAM", "XGROUP CREATE b h $ MKSTREAM"} {
			w.say(w.conns[0], command)
			w.blocking()
		}
		for range 60 {
			w.act()
			if w.rand.IntN(20) == 0 {
				w.check(seed)
			}
		}
		w.check(seed)
		w.end(seed)
	}
}

// act does something. Only some of what follows from it is done at once.
func (w *randomWaits) act() {
	i := w.rand.IntN(len(w.conns))
	c := w.conns[i]
	switch w.rand.IntN(16) {
	case 0, 1, 2, 3:
		w.mu.Lock()
		w.input(c, []byte(commands(w.command(i))))
		w.mu.Unlock()
	case 4, 5, 6:
		w.mu.Lock()
		w.push(w.key(), "x")
		w.mu.Unlock()
	case 7, 8:
		w.look()
	case 9:
		w.turn()
	case 10:
		w.timeIsUp()
	case 12, 13, 14, 15:
		w.mu.Lock()
		w.drain()
		w.walk(1)
		w.mu.Unlock()
	case 11:
		if w.narrow && w.rand.IntN(4) > 0 {
			return
		}
		w.mu.Lock()
		w.close(c, Kicked)
		w.mu.Unlock()
		w.conns[i] = w.dial()
	}
}

// key is one to push to.
func (w *randomWaits) key() string {
	if w.narrow || w.rand.IntN(2) == 0 {
		return "a"
	}
	return "b"
}

// command is something that the ith connection may ask.
func (w *randomWaits) command(i int) string {
	one := func(of ...string) string { return of[w.rand.IntN(len(of))] }
	group := func(name, streams string) string {
		return fmt.Sprintf("XREADGROUP GROUP %s c%d%s BLOCK %s STREAMS %s", name, i, one("", " COUNT 1"), one("0", "600000"), streams)
	}
	if w.narrow {
		return group("g", "a >")
	}
	switch w.rand.IntN(8) {
	case 0:
		return "SUBSCRIBE " + one("a", "b")
	case 1:
		return one("UNSUBSCRIBE", "RESET", "PING")
	case 2, 3:
		return "XREAD BLOCK " + one("0", "600000") + " STREAMS " + one("a $", "b $", "a b $ $", "b a $ 0")
	case 4:
		return group("h", "b >")
	default:
		return group("g", one("a >", "b >", "a b > >"))
	}
}

// look has the pool do one of the things that wait for it. What comes of it comes later.
func (w *randomWaits) look() {
	p := w.g.pool
	if len(p.jobs) == 0 {
		return
	}
	i := w.rand.IntN(len(p.jobs))
	job := p.jobs[i]
	p.jobs = append(p.jobs[:i], p.jobs[i+1:]...)
	w.mu.Lock()
	job()
	w.mu.Unlock()
}

// check has all that is under way end, and looks for those who wait in vain.
func (w *randomWaits) check(seed uint64) {
	w.t.Helper()
	w.turn()
	w.blocking()
	w.turn()
	waits := 0
	for _, c := range w.conns {
		wt := c.speaksWaiting()
		if wt == nil || wt.state == follower {
			continue
		}
		waits++
		if wt.state != blocked {
			w.t.Fatalf("seed %d: connection %d is in state %d when all has ended", seed, c.fd, wt.state)
		}
		for i, key := range wt.Keys {
			if n := w.undelivered(wt, i); n > 0 {
				w.t.Fatalf("seed %d: connection %d waits for %s, of which there are %d messages (group %q)", seed, c.fd, key, n, wt.Group)
			}
		}
	}
	if n := w.g.Stats.Blocked.Load(); int(n) != waits {
		w.t.Fatalf("seed %d: %d connections are said to wait, want %d", seed, n, waits)
	}
}

// speaksWaiting returns the read of c that waits or did last, or nil.
func (c *conn) speaksWaiting() *waiting {
	if r := c.speaksRedis(); r != nil {
		return r.wait
	}
	return nil
}

// undelivered counts what there is of the ith key that wt waits for.
func (w *randomWaits) undelivered(wt *waiting, i int) (n int64) {
	if wt.Group == "" {
		info, err := w.hub.Info(w.t.Context(), wt.Keys[i])
		if err != nil {
			w.t.Fatal(err)
		}
		return max(0, info.Last-wt.after[i])
	}
	groups, err := w.store.GroupsOf(w.t.Context(), wt.Keys[i])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, g := range groups {
		if g.Name == wt.Group {
			n = g.Lag
		}
	}
	return n
}

// end has all go.
func (w *randomWaits) end(seed uint64) {
	w.t.Helper()
	for _, c := range w.conns {
		w.mu.Lock()
		w.close(c, Kicked)
		w.mu.Unlock()
	}
	w.turn()
	if len(w.lines) > 0 || len(w.deadlines) > 0 || w.groups.inUse() != 1 || w.loop.conns.inUse() > 0 || w.g.Stats.Blocked.Load() != 0 {
		w.t.Fatalf("seed %d: %d lines, %d deadlines, %d groups and %d connections are left", seed, len(w.lines), len(w.deadlines), w.groups.inUse()-1, w.loop.conns.inUse())
	}
}
