package comet

import "testing"

func TestASlabGivesEveryIndexOnce(t *testing.T) {
	t.Parallel()
	const n = 3*slabChunk + 7
	var s slab[int]
	places := make(map[uint32]*int, n)
	for i := range n {
		index := s.take()
		if index == 0 || places[index] != nil {
			t.Fatalf("take %d gave %d, which is in use or nobody's", i, index)
		}
		places[index] = s.at(index)
		*s.at(index) = int(index)
	}
	for index, p := range places {
		if s.at(index) != p || *p != int(index) {
			t.Fatalf("what is at %d has moved or changed", index)
		}
	}
	for index := range places {
		s.give(index)
	}
	for range n {
		if index := s.take(); places[index] == nil {
			t.Fatalf("take gave %d, not one of those that were given back", index)
		}
	}
}
