package channel

// Listening returns how many connections subscribe to key, those of other nodes included as Weigh told, and how many
// subscribe, follow it or stand for other nodes.
func (h *Hub) Listening(key string) (subscribers, listeners int) {
	at := h.lock(key)
	defer at.bucket.mu.Unlock()
	if c := at.bucket.find(at.hash, key); c != nil {
		return c.receivers(), c.listeners()
	}
	return 0, 0
}

// OwnSubscribers returns how many connections of this node subscribe to key.
func (h *Hub) OwnSubscribers(key string) int {
	at := h.lock(key)
	defer at.bucket.mu.Unlock()
	if c := at.bucket.find(at.hash, key); c != nil {
		return c.own()
	}
	return 0
}
