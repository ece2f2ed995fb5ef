package legacyrpc

import "sync"

// gate bounds what is under way on a connection: calls, and bytes of their requests. These are counted since nothing was under way
// last, so that nobody has to remember which call had how many.
type gate struct {
	mu    sync.Mutex
	left  sync.Cond // a call has
	calls int
	bytes int
}

func newGate() *gate {
	g := new(gate)
	g.left.L = &g.mu
	return g
}

// enter waits until one more call may be read.
func (g *gate) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.calls >= maxCalls || g.calls > 0 && g.bytes >= maxUnderWay {
		g.left.Wait()
	}
	if g.calls == 0 {
		g.bytes = 0
	}
	g.calls++
}

// add counts bytes of a call that has entered.
func (g *gate) add(bytes int) {
	g.mu.Lock()
	g.bytes += bytes
	g.mu.Unlock()
}

func (g *gate) leave() {
	g.mu.Lock()
	g.calls--
	g.mu.Unlock()
	g.left.Signal()
}
