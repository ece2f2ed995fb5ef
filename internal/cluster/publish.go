package cluster

import (
	"context"
	"fmt"
	"sync/atomic"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// Publish pushes, and returns a receipt for each when all are done, as channel.Hub's does.
func (c *Cluster) Publish(ctx context.Context, pushes []message.Push) []message.Receipt {
	if c.view.Load().ownsAll(pushes) {
		return c.hub.Publish(ctx, pushes)
	}
	c.hub.Admit()
	told := make(chan []message.Receipt, 1)
	receipts, posted := c.start(0, false, pushes, func(r []message.Receipt) { told <- r })
	c.hub.Flush(posted)
	if receipts != nil {
		return receipts
	}
	return <-told
}

// Start is Publish for who must not wait, as channel.Hub's is.
func (c *Cluster) Start(from channel.SinkID, pushes []message.Push, done func([]message.Receipt)) ([]message.Receipt, channel.SinkSet) {
	if c.view.Load().ownsAll(pushes) {
		return c.hub.Start(from, pushes, done)
	}
	return c.start(from, true, pushes, done)
}

func (v *view) ownsAll(pushes []message.Push) bool {
	for i := range pushes {
		if !v.owns(pushes[i].Key) {
			return false
		}
	}
	return true
}

// start has the owners of the keys carry out pushes. told tells whether there is a sink from, to be flushed after done.
func (c *Cluster) start(from channel.SinkID, told bool, pushes []message.Push, done func([]message.Receipt)) ([]message.Receipt, channel.SinkSet) {
	v := c.view.Load()
	g := &gathering{receipts: make([]message.Receipt, len(pushes)), done: done}
	parts := g.split(v, pushes)
	g.left.Store(int32(len(parts)) + 1)
	var posted channel.SinkSet
	for _, p := range parts {
		posted |= c.startPart(v, from, told, p)
	}
	if g.left.Add(-1) == 0 {
		return g.receipts, posted
	}
	return nil, posted
}

// unlinked is why nothing can be asked of a node that this one has no link with.
func unlinked(owner string) error {
	if owner == "" {
		return errAlone
	}
	return fmt.Errorf("%w: no link with node %s yet", message.ErrUnreachable, owner)
}

// startPart has one owner carry out its part.
func (c *Cluster) startPart(v *view, from channel.SinkID, told bool, p *part) (posted channel.SinkSet) {
	if p.owner == v.self && v.self != "" {
		receipts, posted := c.hub.Start(from, p.pushes, func(r []message.Receipt) { p.take(r) }) // which flushes from itself
		if receipts != nil {
			p.takeNow(receipts)
		}
		return posted
	}
	l := v.links[p.owner]
	if l == nil {
		p.takeNow(failed(len(p.pushes), unlinked(p.owner)))
		return 0
	}
	l.Start(p.pushes, func(r []message.Receipt) {
		if p.take(r) && told {
			c.touch(channel.SinkSet(1) << from) // peers.Flush follows
		}
	})
	return channel.SinkSet(1) << c.sink // so that what is started together is sent together
}

func failed(n int, err error) []message.Receipt {
	receipts := make([]message.Receipt, n)
	for i := range receipts {
		receipts[i].Err = err
	}
	return receipts
}

// gathering has the receipts of pushes whose keys have several owners, in the order of the pushes.
type gathering struct {
	receipts []message.Receipt
	done     func([]message.Receipt)
	left     atomic.Int32 // parts without receipts, and one more while they are being started
}

// part is the pushes of one owner.
type part struct {
	*gathering
	owner  string
	pushes []message.Push
	places []int // of the pushes, in the call; nil: all of them
}

// split makes parts of pushes, by owner. Those to one key stay in their order.
func (g *gathering) split(v *view, pushes []message.Push) []*part {
	if len(pushes) == 1 {
		return []*part{{gathering: g, owner: v.owner(pushes[0].Key), pushes: pushes}}
	}
	var parts []*part
	of := map[string]*part{}
	for i := range pushes {
		owner := v.owner(pushes[i].Key)
		p := of[owner]
		if p == nil {
			p = &part{gathering: g, owner: owner}
			of[owner] = p
			parts = append(parts, p)
		}
		p.pushes = append(p.pushes, pushes[i])
		p.places = append(p.places, i)
	}
	return parts
}

// takeNow takes the receipts of p, while parts are still being started.
func (p *part) takeNow(receipts []message.Receipt) {
	p.fill(receipts)
	p.left.Add(-1)
}

// take takes the receipts of p, tells who waits if they were the last, and returns whether they were. A lock may be held.
func (p *part) take(receipts []message.Receipt) (last bool) {
	p.fill(receipts)
	if p.left.Add(-1) > 0 {
		return false
	}
	p.done(p.receipts)
	return true
}

func (p *part) fill(receipts []message.Receipt) {
	if p.places == nil {
		copy(p.receipts, receipts)
		return
	}
	for i, at := range p.places {
		p.receipts[at] = receipts[i]
	}
}
