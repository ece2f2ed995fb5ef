package comet

// slab has values of T found by index, in chunks that never move: a walk in index order is a
// walk in memory order, and growing copies nothing. Index 0 is never given out.
type slab[T any] struct {
	chunks []*[slabChunk]T
	spare  []uint32 // indexes that were given back
	top    uint32   // indexes below were given out at least once
}

const slabChunk = 1024

func (s *slab[T]) at(i uint32) *T { return &s.chunks[i/slabChunk][i%slabChunk] }

// take returns an index; what is there is what was left there.
func (s *slab[T]) take() uint32 {
	if n := len(s.spare); n > 0 {
		i := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return i
	}
	s.top++
	if int(s.top/slabChunk) >= len(s.chunks) {
		s.chunks = append(s.chunks, new([slabChunk]T))
	}
	return s.top
}

func (s *slab[T]) give(i uint32) { s.spare = append(s.spare, i) }
