package channel

import "math/bits"

// SinkSet is a set of sinks that were posted to and are to be flushed, and whether pushes wait to be stored.
type SinkSet uint64

// toStore tells that pushes wait to be stored. No sink has its place.
const toStore SinkSet = 1 << MaxSinks

func (s *SinkSet) add(id SinkID) { *s |= 1 << id }
func (s SinkSet) len() int       { return bits.OnesCount64(uint64(s)) }

// Flush lets go what was posted to the sinks of set, and has stored what waits for that: so that what was started together is
// stored together. The caller holds no lock of a bucket.
func (h *Hub) Flush(set SinkSet) {
	if set&toStore != 0 {
		h.haveStored()
		set &^= toStore
	}
	for ; set != 0; set &= set - 1 {
		h.sinks[bits.TrailingZeros64(uint64(set))].Flush()
	}
}

// Crowded tells whether more is posted to a sink than it has room for. Who publishes waits then:
// in Admit, or by looking again later.
func (h *Hub) Crowded() bool {
	for _, s := range h.sinks {
		if s.Crowded() {
			return true
		}
	}
	return false
}

// Admit returns when every sink has had room.
func (h *Hub) Admit() {
	for _, s := range h.sinks {
		s.Admit()
	}
}
