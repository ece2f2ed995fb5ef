package channel

import (
	"sync"
	"sync/atomic"

	"gopush/internal/message"
)

// call is the pushes of one Start or Publish.
type call struct {
	hub      *Hub
	from     SinkSet                 // to be flushed after receipts that come late
	done     func([]message.Receipt) // told when they have; nil: late is
	late     sync.WaitGroup          //
	receipts []message.Receipt       // one for each push; each written once, with a bucket locked
	pending  []pending
	storing  bool         // pushes wait for a loader or the appender; of who starts
	left     atomic.Int32 // receipts to come, and one more while pushes are being started
}

// callOfOne is a call with room for one push, which most have: one allocation instead of three.
type callOfOne struct {
	call
	oneReceipt [1]message.Receipt
	onePending [1]pending
}

func (h *Hub) newCall(pushes int, from SinkSet, done func([]message.Receipt)) *call {
	var c *call
	if pushes == 1 {
		one := new(callOfOne)
		c = &one.call
		c.receipts, c.pending = one.oneReceipt[:], one.onePending[:]
	} else {
		c = &call{receipts: make([]message.Receipt, pushes), pending: make([]pending, pushes)}
	}
	c.hub, c.from, c.done = h, from, done
	c.late.Add(1)
	c.left.Store(int32(pushes) + 1)
	return c
}

// started ends the starting. It tells whether all receipts have come; the others come late.
func (c *call) started() bool {
	all := c.left.Add(-1) == 0
	if all {
		c.count()
	}
	return all
}

// answered has one receipt more. A bucket may be locked.
func (c *call) answered() {
	if c.left.Add(-1) > 0 {
		return
	}
	c.count()
	if c.done != nil {
		c.done(c.receipts)
	}
	c.late.Done()
}

func (c *call) count() {
	for i := range c.receipts {
		c.hub.count(&c.receipts[i])
	}
}
