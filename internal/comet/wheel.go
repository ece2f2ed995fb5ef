package comet

// timer is a connection's place in its loop's wheel. Times are seconds since the loop began.
type timer struct {
	deadline   uint32 // when the connection has been silent for too long; may be moved on freely
	slotTime   uint32 // the second at which the wheel looks at it; 0: not in the wheel
	next, prev uint32 // its neighbours in the slot, by index; 0: none
}

// wheel is a timing wheel of one second a slot. A deadline that moves on costs nothing: when
// the wheel comes to the connection, it sees that there is time left and puts it further on.
type wheel struct {
	slots [wheelSlots]uint32 // the first connection of each; 0: none
	now   uint32             // the second that is being looked at
}

// wheelSlots bounds how far ahead a slot can be; who has more time is looked at on the way.
const wheelSlots = 512

// set gives c until deadline.
func (w *wheel) set(conns *slab[conn], c *conn, deadline uint32) {
	c.deadline = deadline
	if c.slotTime != 0 && c.slotTime <= deadline {
		return
	}
	w.remove(conns, c)
	w.insert(conns, c)
}

func (w *wheel) insert(conns *slab[conn], c *conn) {
	c.slotTime = min(max(c.deadline, w.now+1), w.now+wheelSlots-1)
	slot := &w.slots[c.slotTime%wheelSlots]
	if c.next, c.prev = *slot, 0; c.next != 0 {
		conns.at(c.next).prev = c.index
	}
	*slot = c.index
}

func (w *wheel) remove(conns *slab[conn], c *conn) {
	if c.slotTime == 0 {
		return
	}
	if c.prev != 0 {
		conns.at(c.prev).next = c.next
	} else {
		w.slots[c.slotTime%wheelSlots] = c.next
	}
	if c.next != 0 {
		conns.at(c.next).prev = c.prev
	}
	c.slotTime = 0
}

// advance moves on to now and calls expired for each connection whose deadline is there. It
// is out of the wheel then. It looks at no more than budget connections, and tells whether any are left.
func (w *wheel) advance(conns *slab[conn], now uint32, budget int, expired func(*conn)) (more bool) {
	for {
		for slot := &w.slots[w.now%wheelSlots]; *slot != 0; budget-- {
			if budget == 0 {
				return true
			}
			c := conns.at(*slot)
			w.remove(conns, c)
			if c.deadline > w.now {
				w.insert(conns, c)
			} else {
				expired(c)
			}
		}
		if w.now >= now {
			return false
		}
		w.now++
	}
}
