package bench

import "sync"

// gate hands messages out to publishers, by number from 0, as the window has room for them.
type gate struct {
	mu      sync.Mutex
	opened  *sync.Cond
	end     int // messages to be handed out
	next    int // number of the next one
	through int // messages that have come everywhere
	window  int // that may be under way; 0: any number
	closed  bool
}

// newGate makes a gate for messages, of which at most window are under way; 0: any number.
func newGate(messages, window int) *gate {
	g := &gate{end: messages, window: window}
	g.opened = sync.NewCond(&g.mu)
	return g
}

// take waits until least messages may be pushed, or all that are left if they are fewer, and
// takes those and at most most. n is 0 when there are no more or the gate was closed.
func (g *gate) take(least, most int) (first, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.closed && g.room() < min(least, g.end-g.next) {
		g.opened.Wait()
	}
	if g.closed {
		return g.next, 0
	}
	first, n = g.next, min(most, g.room(), g.end-g.next)
	g.next += n
	g.opened.Signal() // there may be room for another
	return first, n
}

func (g *gate) room() int {
	if g.window == 0 {
		return g.end
	}
	return g.through + g.window - g.next
}

// came says how many messages have come everywhere, in all.
func (g *gate) came(through int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if through > g.through {
		g.through = through
		g.opened.Signal()
	}
}

// handedOut is how many messages were taken so far.
func (g *gate) handedOut() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.next
}

// close makes every take answer at once.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.opened.Broadcast()
}
