package comet

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Against a model: whatever comes and goes, next goes through the members in order.
func TestMembersAreGoneThroughInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var m members
		model := make(map[uint32]bool)
		index := rapid.OneOf(rapid.Uint32Range(1, 300), rapid.Uint32Range(1, 20*slabChunk), rapid.SampledFrom([]uint32{1, 63, 64, 255, 256, 511, 512}))
		t.Repeat(map[string]func(*rapid.T){
			"add or remove": func(t *rapid.T) {
				if i := index.Draw(t, "index"); model[i] {
					delete(model, i)
					m.remove(i)
				} else {
					model[i] = true
					m.add(i)
				}
			},
			"": func(t *rapid.T) {
				var got []uint32
				for i := m.next(1); i != 0; i = m.next(i + 1) {
					got = append(got, i)
				}
				if want := slices.Sorted(maps.Keys(model)); !slices.Equal(got, want) || m.size != len(want) {
					t.Fatalf("the members are %v, %d of them, want %v", got, m.size, want)
				}
			},
		})
	})
}
