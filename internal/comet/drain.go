package comet

import (
	"context"
	"time"

	"gopush/internal/message"
)

// A node that is drained tells its subscribers to go, so many a second, wherever they are. Until one is told everything
// goes on for it.
//
//	pacer ── quota ──> loop: tells so many, from the lowest place on ── told ──> pacer, which waits, and goes on
//
// Who is not a subscriber, such as a backend, stays until Dismiss.

// DrainPlan says how subscribers are told to go.
type DrainPlan struct {
	Rate     int           // how many are told in any second, at most
	Deadline time.Time     // all are told by then, if need be at a higher rate; zero: there is none
	Hint     time.Duration // when who is told may connect again, from then

	// Progress is called by the goroutine of Drain whenever left or rate has changed: how many are still to be told, and how many
	// a second are. nil: nobody is.
	Progress func(left, rate int)
}

const (
	paceTicks = 20  // how often a second some are told, at most
	paceSlack = 1.1 // how much slower than the rate: what is held up on its way to the devices comes a little closer together
	paceHaste = 1.2 // how much faster than needed where time is short: timers and loops are late
)

// Drain tells every subscriber to go, each in its dialect, at the pace of plan, and returns when all have been told or ctx ends.
// Who came meanwhile is told, too.
func (g *Gateway) Drain(ctx context.Context, plan DrainPlan) {
	p := &pacer{g: g, plan: plan, rate: max(plan.Rate, 1), left: make([]int, len(g.loops))}
	for p.count(ctx) > 0 {
		for p.sum() > 0 {
			if !p.tell(ctx) {
				return
			}
		}
	}
}

// pacer has subscribers told to go. Only the goroutine of Drain touches it.
type pacer struct {
	g    *Gateway
	plan DrainPlan
	rate int
	left []int // of each loop, as far as is known: some go by themselves
}

func (p *pacer) sum() (n int) {
	for _, left := range p.left {
		n += left
	}
	return n
}

// count counts who is to be told, and has the loops begin at the beginning.
func (p *pacer) count(ctx context.Context) (n int) {
	for i, l := range p.g.loops {
		found := make(chan int, 1)
		l.do(func(l *loop) { l.countSubscribers(found) })
		select {
		case p.left[i] = <-found:
			n += p.left[i]
		case <-ctx.Done():
			return 0
		}
	}
	p.progress()
	return n
}

func (p *pacer) progress() {
	if p.plan.Progress != nil {
		p.plan.Progress(p.sum(), p.rate)
	}
}

// tell has the next few told, then waits until others may be; false: ctx has ended.
func (p *pacer) tell(ctx context.Context) bool {
	if p.needed() > p.rate && p.count(ctx) > 0 {
		p.rate = max(p.rate, p.needed())
	}
	batch := max(p.rate/paceTicks, 1)
	told := make(chan struct{}, len(p.g.loops))
	asked := 0
	for i, quota := range p.share(batch) {
		if quota > 0 {
			asked++
			p.g.loops[i].do(func(l *loop) { l.tellSome(quota, p.plan.Hint, told) })
		}
	}
	for range asked {
		select {
		case <-told:
		case <-ctx.Done():
			return false
		}
	}
	p.progress()
	// From when the last was told, and never made up for: so no second has more.
	pause := time.NewTimer(time.Duration(float64(batch) * paceSlack / float64(p.rate) * float64(time.Second)))
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// needed is the rate at which all are told by the deadline.
func (p *pacer) needed() int {
	if p.plan.Deadline.IsZero() {
		return 0
	}
	rest := max(time.Until(p.plan.Deadline), time.Second/paceTicks)
	return int(float64(p.sum())*paceHaste/rest.Seconds()) + 1
}

// share takes so many out of what is left, of the loops with the most.
func (p *pacer) share(batch int) (quotas []int) {
	quotas = make([]int, len(p.left))
	for batch > 0 {
		most := 0
		for i := range p.left {
			if p.left[i] > p.left[most] {
				most = i
			}
		}
		n := min(p.left[most], max(batch/len(p.left), 1))
		if n == 0 {
			break
		}
		quotas[most] += n
		p.left[most] -= n
		batch -= n
	}
	return quotas
}

// countSubscribers tells how many are to be told to go, and begins with the first of them.
func (l *loop) countSubscribers(found chan<- int) {
	l.drainAt = 1
	n, next := 0, uint32(1)
	l.begin(func(int) bool {
		for looks := visitsATurn; next <= l.conns.top && looks > 0; looks-- {
			if c := l.conns.find(next); c != nil && l.subscribes(c) {
				n++
			}
			next++
		}
		if next <= l.conns.top {
			return true
		}
		found <- n
		return false
	})
}

// tellSome tells the next so many, or as many as there are.
func (l *loop) tellSome(quota int, hint time.Duration, told chan<- struct{}) {
	l.begin(func(budget int) bool {
		for looks := visitsATurn; l.drainAt <= l.conns.top && looks > 0 && quota > 0 && budget > 0; looks-- {
			if c := l.conns.find(l.drainAt); c != nil && l.subscribes(c) {
				l.tellToGo(c, hint)
				quota--
				budget--
			}
			l.drainAt++
		}
		if quota > 0 && l.drainAt <= l.conns.top {
			return true
		}
		told <- struct{}{}
		return false
	})
}

// subscribes tells whether c is one of those that a drain tells to go: devices, and what else subscribes or waits.
func (l *loop) subscribes(c *conn) bool {
	switch c.state {
	case subRESP, subWS:
		return true
	case served:
		r := c.speaksRedis()
		return r != nil && c.aux.serving.why == 0 && (c.kind == Public || c.ref != 0 || len(r.many) > 0)
	}
	return false
}

// tellToGo tells c to go, and when it may connect again, as far as its dialect can.
func (l *loop) tellToGo(c *conn, hint time.Duration) {
	l.g.Stats.Told.Add(1)
	if l.catchUp(c); c.state != free {
		l.sendAway(c, hint, Draining)
	}
}

// catchUp sends c what is on its way to it: when it has been told nothing more comes. Of what it has missed the rest
// comes where it resumes.
func (l *loop) catchUp(c *conn) {
	if c.ref == 0 || c.resuming() != nil {
		return
	}
	w := l.groups.at(c.ref).walk
	if w == nil {
		return
	}
	var out []byte
	n := 0
	for _, messages := range [][]*message.Message{w.now, w.later} {
		for _, m := range messages {
			if m.Mid > c.seen {
				c.seen = m.Mid
				out = l.encoder.AppendFrame(out, c.variant, m)
				n++
			}
		}
	}
	if n > 0 {
		l.delivered += int64(n)
		l.send(c, out, n)
	}
}
