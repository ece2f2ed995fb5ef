package comet

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// When very many come at once, as after a restart, they join at the rate at which the node can serve them, and those that are there do not
// suffer: what waits for the pool is counted, and when that is enough nobody more is accepted, but waits in the kernel's
// queue. Where the wait would be long, because the store is slow, those that come are told when to come back instead.
//
//	kernel's queue ─> accept, a few a turn ─> handshake, token, what was missed: at most max_joining ─> a few a turn ─> live
//
// Who connects and says nothing does not count: it would keep others out.

// joining is what is under way for those that join, of all loops.
type joining struct {
	underWay atomic.Int64
	ended    atomic.Int64

	mu     sync.Mutex
	since  time.Time // when ended was before; guarded by mu, as all below
	before int64
	rate   float64 // that end in a second; 0: not known
}

const (
	joinsEvery  = 200 * time.Millisecond // how long the rate is measured, at least
	joinsForget = 2 * time.Second        // and at most: nobody asked, so there was no hurry
	maxJoinHint = 30 * time.Second
)

func (j *joining) begin() { j.underWay.Add(1) }

func (j *joining) end() {
	j.ended.Add(1)
	j.underWay.Add(-1)
}

// wait returns how long it takes for what is under way to end, by how it went lately; 0: not known.
func (j *joining) wait(now time.Time) time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	ended := j.ended.Load()
	switch past := now.Sub(j.since); {
	case past > joinsForget:
		j.since, j.before, j.rate = now, ended, 0
	case past >= joinsEvery:
		rate := float64(ended-j.before) / past.Seconds()
		if j.rate > 0 {
			rate = (rate + j.rate) / 2
		}
		j.since, j.before, j.rate = now, ended, max(rate, 0.1)
	}
	if j.rate == 0 {
		return 0
	}
	return time.Duration(float64(j.underWay.Load()) / j.rate * float64(time.Second))
}

// crowd tells whether as many join as may, and whether who comes then waits too long, with when to come back.
func (g *Gateway) crowd() (full bool, hint time.Duration) {
	limits := g.limits.Load()
	if limits.MaxJoining == 0 || g.joining.underWay.Load() < int64(limits.MaxJoining) {
		return false, 0
	}
	if wait := g.joining.wait(time.Now()); wait > limits.JoiningWait {
		hint = min(wait, maxJoinHint)
		hint += rand.N(hint)
	}
	return true, hint
}

// mayAccept tells whether another connection to a listener of kind is to be accepted now: to be served, or to be sent away.
func (g *Gateway) mayAccept(kind Kind) bool {
	if kind != Public {
		return true
	}
	full, hint := g.crowd()
	return !full || hint > 0
}

// acceptPause is how long a listener is left alone when enough join.
const acceptPause = 5 * time.Millisecond

// joined is what comes of work for one that joins.
type joined struct {
	then   func(*loop)
	effort int // of then
}

// Effort of what is done for those that join, and how much of it there is in a turn: some hundred microseconds.
const (
	effortToJoin     = 4
	effortJoinBytes  = 1 << 10 // of what was missed, for each unit
	effortJoinsATurn = 64
)

// admit has the pool work for one that joins, and then does what that returns, in a turn that has room for it; false: too much waits.
func (l *loop) admit(work func() joined) bool {
	j := &l.g.joining
	j.begin()
	queued := l.g.pool.run(func() {
		done := work()
		j.end()
		l.do(func(l *loop) { l.joins = append(l.joins, done) })
	})
	if !queued {
		j.underWay.Add(-1)
	}
	return queued
}

// letIn goes on with those that join, for about budget, the first first.
func (l *loop) letIn(budget int) {
	n := 0
	for ; n < len(l.joins) && budget > 0; n++ {
		budget -= l.joins[n].effort
		l.joins[n].then(l)
		l.joins[n] = joined{}
	}
	if l.joins = l.joins[n:]; len(l.joins) == 0 {
		l.joins = nil
	}
}
