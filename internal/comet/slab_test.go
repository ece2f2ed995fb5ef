package comet

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Against a model: each index is given out once, the lowest first, and what is there stays there.
func TestASlabGivesTheLowestFreeIndex(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s slab[uint32]
		model := []bool{true} // by index: it is in use, or nobody's
		give := func(i int) {
			if model[i] && i > 0 {
				if got := *s.at(uint32(i)); got != uint32(i) {
					t.Fatalf("at %d is %d", i, got)
				}
				model[i] = false
				s.give(uint32(i))
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				for range rapid.IntRange(1, slabChunk/2).Draw(t, "n") {
					want := slices.Index(model, false)
					if want < 0 {
						want = len(model)
						model = append(model, false)
					}
					model[want] = true
					if got := s.take(); got != uint32(want) {
						t.Fatalf("take gave %d, want %d", got, want)
					}
					*s.at(uint32(want)) = uint32(want)
				}
			},
			"give": func(t *rapid.T) {
				from := rapid.IntRange(1, len(model)).Draw(t, "from")
				for i := from; i < min(from+rapid.IntRange(1, slabChunk*2).Draw(t, "n"), len(model)); i++ {
					give(i)
				}
			},
			"give one": func(t *rapid.T) { give(rapid.IntRange(0, len(model)-1).Draw(t, "index")) },
			"": func(t *rapid.T) {
				idle := 0
				for n, chunk := range s.chunks {
					if chunk != nil && !slices.Contains(model[max(n*slabChunk, 1):min((n+1)*slabChunk, len(model))], true) {
						idle++
					}
				}
				if idle > 1 {
					t.Fatalf("%d chunks are kept of which nothing is in use, want at most 1", idle)
				}
				used := -1 // index 0
				for _, is := range model {
					if is {
						used++
					}
				}
				if s.inUse() != used {
					t.Fatalf("%d are said to be in use, want %d", s.inUse(), used)
				}
			},
		})
	})
}
