package registry

import (
	"context"
	"fmt"
	"sync"
)

// Claim is what a process wants to be registered as. Any number of goroutines may want; one of the registry makes it so.
type Claim struct {
	mu    sync.Mutex
	data  []byte        // what is to be written; nil: nothing
	asked bool          // something was wanted since the start
	done  chan struct{} // closed when it is so; nil before anything was wanted
}

// Want says what is to be registered, nil for nothing. The channel is closed when it is so; never, when something
// else is wanted before.
func (c *Claim) Want(data []byte) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := make(chan struct{})
	if data == nil && !c.asked { // nothing is there, and nobody has to look
		close(done)
		return done
	}
	c.data, c.asked, c.done = data, true, done
	return done
}

// Wanted returns what is to be registered, and whom to tell that it is: nil, nil where there is nothing to be done.
func (c *Claim) Wanted() (data []byte, done chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked || c.data == nil && isClosed(c.done) {
		return nil, nil
	}
	return c.data, c.done
}

// Fulfilled tells who wanted, as Wanted returned it, that it is so.
func (c *Claim) Fulfilled(done chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !isClosed(done) {
		close(done)
	}
}

func isClosed(done chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// Await returns nil when done is closed. Where ctx ends first the error says so, and whether the registry is out of reach.
func (h *Health) Await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	if why := h.Err(); why != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), why)
	}
	return ctx.Err()
}
