package cluster

import (
	"cmp"
	"context"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
)

// Near tells whether a connection may subscribe to key at once: then it is posted all that is pushed from now on, at
// whatever node.
func (c *Cluster) Near(key string) bool {
	v := c.view.Load()
	if v.owns(key) {
		return c.hub.Placed(key)
	}
	if c.cfg.Refuse {
		return false
	}
	s := c.relays.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.keys[key]
	if r == nil || !r.live || r.owner != v.owner(key) {
		return false
	}
	if !r.since.IsZero() {
		r.since = time.Now() // it stays until the connection has subscribed
	}
	return true
}

// Approach sees to it that key is near, if that can be in time. It may block until ctx ends. It fails with a *message.WrongNode if relaying
// is off; other errors stand in no subscriber's way: what is pushed until the key is near comes late, or, live only, not at all.
func (c *Cluster) Approach(ctx context.Context, key string) error {
	if c.Owns(key) {
		return c.hub.Load(ctx, key)
	}
	if c.cfg.Refuse {
		return c.wrongNode(key)
	}
	if ready := c.want(key); ready != nil {
		select {
		case <-ready:
		case <-ctx.Done():
			// What is pushed from now on is above what the store has now, whenever the owner feeds it.
			after, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.StoreTimeout)
			defer cancel()
			return cmp.Or(c.hub.Load(after, key), ctx.Err())
		}
	}
	return c.hub.Load(ctx, key)
}

func (c *Cluster) wrongNode(key string) error {
	owner, ok := c.Owner(key)
	if !ok {
		return errAlone
	}
	return &message.WrongNode{Key: key, TCP: first(owner.TCP), Admin: first(owner.Admin)}
}

func first(addrs []string) string {
	if len(addrs) == 0 {
		return ""
	}
	return addrs[0]
}

// Subscribe is channel.Hub's.
func (c *Cluster) Subscribe(sink channel.SinkID, key string, spare uint32) (ch *channel.Channel, ref uint32, barrier int64, err error) {
	ch, ref, barrier, err = c.hub.Subscribe(sink, key, spare)
	if err == nil && !c.Owns(key) {
		c.want(key)
	}
	return ch, ref, barrier, err
}

// Unsubscribe is channel.Hub's.
func (c *Cluster) Unsubscribe(sink channel.SinkID, ch *channel.Channel) {
	c.hub.Unsubscribe(sink, ch)
	c.unlistened(ch.Key())
}

// Follow is channel.Hub's.
func (c *Cluster) Follow(sink channel.SinkID, key string, spare uint32) (ch *channel.Channel, ref uint32, last int64, known bool, err error) {
	ch, ref, last, known, err = c.hub.Follow(sink, key, spare)
	if err == nil && !c.Owns(key) {
		c.want(key)
	}
	return ch, ref, last, known, err
}

// Unfollow is channel.Hub's.
func (c *Cluster) Unfollow(sink channel.SinkID, ch *channel.Channel) {
	c.hub.Unfollow(sink, ch)
	c.unlistened(ch.Key())
}

// unlistened is told that somebody listens to key no more.
func (c *Cluster) unlistened(key string) {
	if !c.Owns(key) {
		c.want(key)
	}
}

// Resume is channel.Hub's.
func (c *Cluster) Resume(ctx context.Context, key string, mid int64, first bool) (channel.Page, error) {
	return c.hub.Resume(ctx, key, mid, first)
}

// Attach, Flush, Crowded and Admit are channel.Hub's.
func (c *Cluster) Attach(s channel.Sink) channel.SinkID { return c.hub.Attach(s) }

// Flush is channel.Hub's.
func (c *Cluster) Flush(posted channel.SinkSet) { c.hub.Flush(posted) }

// Crowded is channel.Hub's.
func (c *Cluster) Crowded() bool { return c.hub.Crowded() }

// Admit is channel.Hub's.
func (c *Cluster) Admit() { c.hub.Admit() }
