package channel

// haveStored has the pushes stored that wait for it: by loaders and the appender, or, if the store never waits, here
// and now.
func (h *Hub) haveStored() {
	if !h.cfg.Instant {
		h.loading.wake()
		h.appending.wake()
		return
	}
	t, ok := h.turns.Get().(*turnHere)
	if !ok {
		t = new(turnHere)
	}
	h.loadHere(t)
	h.appendHere(t)
	h.turns.Put(t)
}

// turnHere is what storing takes that is worth keeping.
type turnHere struct {
	batch    batch
	channels []*Channel
}

// loadHere does the work of the loaders.
func (h *Hub) loadHere(t *turnHere) {
	for t.channels = h.loading.takeNow(t.channels, 1); len(t.channels) > 0; t.channels = h.loading.takeNow(t.channels, 1) {
		h.load(h.placeOf(t.channels[0]))
	}
	clear(t.channels)
}

// appendHere does the work of the appender.
func (h *Hub) appendHere(t *turnHere) {
	for t.channels = h.appending.takeNow(t.channels, maxBatchChannels); len(t.channels) > 0; t.channels = h.appending.takeNow(t.channels, maxBatchChannels) {
		h.turn(&t.batch, t.channels)
		clear(t.channels)
	}
}
