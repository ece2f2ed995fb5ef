package channel

import "math/bits"

// sinkSet is a set of sinks that were posted to and are to be flushed.
type sinkSet uint64

func (s *sinkSet) add(id SinkID) { *s |= 1 << id }
func (s sinkSet) len() int       { return bits.OnesCount64(uint64(s)) }

// flush lets go what was posted to the sinks of set. The caller holds no lock.
func (h *Hub) flush(set sinkSet) {
	for ; set != 0; set &= set - 1 {
		h.sinks[bits.TrailingZeros64(uint64(set))].Flush()
	}
}
