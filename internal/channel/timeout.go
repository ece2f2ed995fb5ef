package channel

import (
	"context"
	"time"
)

// timeoutShare is the part of store_timeout, one in so many, by which an append may be given less time than it has.
const timeoutShare = 8

// timeout has a context for one append after the other: a timer for each would wake the scheduler each time.
type timeout struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// deadline returns when a push that came at since has waited for store_timeout; zero: never, since the store
// never waits.
func (h *Hub) deadline(since time.Time) (deadline time.Time, slack time.Duration) {
	if h.cfg.Instant {
		return time.Time{}, 0
	}
	left := h.cfg.StoreTimeout - h.clock.now().Sub(since)
	return time.Now().Add(left), h.cfg.StoreTimeout / timeoutShare
}

// until returns a context that ends at deadline, or by slack before it.
func (t *timeout) until(deadline time.Time, slack time.Duration) context.Context {
	if deadline.IsZero() {
		return context.Background()
	}
	if t.ctx != nil {
		if end, _ := t.ctx.Deadline(); t.ctx.Err() == nil && !end.After(deadline) && deadline.Sub(end) < slack {
			return t.ctx
		}
		t.cancel()
	}
	t.ctx, t.cancel = context.WithDeadline(context.Background(), deadline)
	return t.ctx
}

// end lets the context go.
func (t *timeout) end() {
	if t.ctx != nil {
		t.cancel()
	}
}
