package comet

// slab has values of T found by index, in chunks that never move: a walk in index order is a
// walk in memory order, and growing copies nothing. Index 0 is never given out. The lowest index that is
// free is given out first, and a chunk of which nothing is in use is let go, but for the last such.
type slab[T any] struct {
	chunks []*[slabChunk]T // nil: let go
	used   []uint16        // how many of each chunk are in use
	empty  uint32          // a chunk of which nothing was in use when it was looked at last
	spare  members         // indexes that were given back
	top    uint32          // indexes below and this were given out at least once
}

// slabChunk is so many that a chunk is worth pages of its own: the allocator rounds up what is smaller.
const slabChunk = 1024

// at returns what is at i, which is in use.
func (s *slab[T]) at(i uint32) *T { return &s.chunks[i/slabChunk][i%slabChunk] }

// find returns what is at i, which may have been given back, or nil if that has been let go.
func (s *slab[T]) find(i uint32) *T {
	if chunk := i / slabChunk; int(chunk) >= len(s.chunks) || s.chunks[chunk] == nil {
		return nil
	}
	return s.at(i)
}

// inUse returns how many there are.
func (s *slab[T]) inUse() int { return int(s.top) - s.spare.size }

// take returns an index; what is there is what was left there, or the zero value.
func (s *slab[T]) take() uint32 {
	i := s.spare.next(1)
	if i != 0 {
		s.spare.remove(i)
	} else {
		s.top++
		i = s.top
	}
	chunk := i / slabChunk
	if int(chunk) == len(s.chunks) {
		s.chunks, s.used = append(s.chunks, nil), append(s.used, 0)
	}
	if s.chunks[chunk] == nil {
		s.chunks[chunk] = new([slabChunk]T)
	}
	s.used[chunk]++
	return i
}

// give takes an index back.
func (s *slab[T]) give(i uint32) {
	s.spare.add(i)
	chunk := i / slabChunk
	if s.used[chunk]--; s.used[chunk] > 0 {
		return
	}
	if s.used[s.empty] == 0 && s.empty != chunk {
		s.chunks[s.empty] = nil
	}
	s.empty = chunk // it stays: what comes and goes at the edge of a chunk must not cost one each time
}
