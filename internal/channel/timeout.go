package channel

import (
	"context"
	"time"
)

// timeoutShare is the part of store_timeout, one in so many, by which an append may be given less time than it has.
const timeoutShare = 8

// grace is the part of store_timeout, one in so many, that is left to give up an append that has not come back when its context ended.
const grace = 32

// timeout has a context for one append after the other: a timer for each would wake the scheduler each time.
type timeout struct {
	ctx    context.Context
	cancel context.CancelFunc
	over   *time.Timer // runs when ctx has ended, and a grace has passed
}

// deadline returns when the context of an append is to end, so that the grace is over when a push that came at since has waited for
// store_timeout; zero: never, since the store never waits.
func (h *Hub) deadline(since time.Time) (deadline time.Time, slack time.Duration) {
	if h.cfg.Instant {
		return time.Time{}, 0
	}
	left := h.cfg.StoreTimeout - h.cfg.StoreTimeout/grace - h.clock.now().Sub(since)
	return time.Now().Add(left), h.cfg.StoreTimeout / timeoutShare
}

// until returns a context that ends at deadline, or by slack before it. If it is used then, over is called with it a grace later.
func (t *timeout) until(deadline time.Time, slack, grace time.Duration, over func(context.Context)) context.Context {
	if deadline.IsZero() {
		return context.Background()
	}
	if t.ctx != nil {
		if end, _ := t.ctx.Deadline(); t.ctx.Err() == nil && !end.After(deadline) && deadline.Sub(end) < slack {
			return t.ctx
		}
		t.end()
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	t.ctx, t.cancel = ctx, cancel
	t.over = time.AfterFunc(time.Until(deadline)+grace, func() { over(ctx) })
	return ctx
}

// end lets the context go.
func (t *timeout) end() {
	if t.ctx != nil {
		t.over.Stop()
		t.cancel()
	}
}
