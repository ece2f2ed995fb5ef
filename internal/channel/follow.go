package channel

import "gopush/internal/message"

// Follow has a connection of sink wait for what is stored for key: a read that blocks. It is posted all that is
// released as Subscribe promises, perhaps also what is live only, and told apart by who waits; it is no
// subscriber where those are counted. known tells whether last is certain to be the key's last stored mid: else the
// store has to be asked. What is stored above it is posted, or was stored by another node. ref and spare are as in Subscribe.
func (h *Hub) Follow(sink SinkID, key string, spare uint32) (c *Channel, ref uint32, last int64, known bool, err error) {
	if err := message.CheckKey(key, int(h.maxKey.Load())); err != nil {
		return nil, 0, 0, false, err
	}
	hash := h.hash(key)
	b := h.bucketOf(hash)
	b.mu.Lock()
	defer b.mu.Unlock()
	c = b.open(hash, key)
	if h.cfg.Owns != nil {
		h.heard(b, c)
	}
	c.more().followers++
	return c, c.join(sink, spare), c.stored, c.state.certain(), nil
}

// Unfollow takes back one Follow of sink. What was posted before may still be in the sink's queue.
func (h *Hub) Unfollow(sink SinkID, c *Channel) {
	hash := h.hash(c.key)
	b := h.bucketOf(hash)
	b.mu.Lock()
	defer b.mu.Unlock()
	c.extra.followers--
	c.leave(sink)
	b.forget(hash, c)
}
