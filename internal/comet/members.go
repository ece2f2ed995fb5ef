package comet

import (
	"math/bits"
	"slices"
	"time"
)

// members is a set of indexes into a slab. Going through it from the least to the greatest is
// going through memory in order, however the members came and went.
type members struct {
	blocks []block // by number; none is empty
	size   int
	rested time.Time // no walk of the group begins before; here, since small groups have no use for it
}

// block has blockSize members at most, those from number*blockSize on, a bit each.
type block struct {
	number uint32
	bits   [blockSize / 64]uint64
}

const blockSize = 256

// search returns where the block with number is, or belongs.
func (m *members) search(number uint32) (at int, found bool) {
	low, high := 0, len(m.blocks)
	for low < high {
		if mid := int(uint(low+high) / 2); m.blocks[mid].number < number {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < len(m.blocks) && m.blocks[low].number == number
}

// place splits an index: the number of its block, the word and the bit in it.
func place(index uint32) (number, word, bit uint32) {
	return index / blockSize, index % blockSize / 64, index % 64
}

// add adds an index that is not a member.
func (m *members) add(index uint32) {
	number, word, bit := place(index)
	at, found := m.search(number)
	if !found {
		m.blocks = slices.Insert(m.blocks, at, block{number: number})
	}
	m.blocks[at].bits[word] |= 1 << bit
	m.size++
}

// remove removes a member.
func (m *members) remove(index uint32) {
	number, word, bit := place(index)
	at, _ := m.search(number)
	m.blocks[at].bits[word] &^= 1 << bit
	m.size--
	if m.blocks[at].bits != (block{}).bits {
		return
	}
	m.blocks = slices.Delete(m.blocks, at, at+1)
	if cap(m.blocks) > minBlocks && len(m.blocks) < cap(m.blocks)/4 {
		m.blocks = slices.Clone(m.blocks)
	}
}

// minBlocks is the room that is not worth giving back.
const minBlocks = 16

// next returns the first member that is not below from; 0: there is none.
func (m *members) next(from uint32) uint32 {
	number, word, bit := place(from)
	at, found := m.search(number)
	if !found {
		word, bit = 0, 0
	}
	for ; at < len(m.blocks); at++ {
		b := &m.blocks[at]
		for ; word < uint32(len(b.bits)); word++ {
			if left := b.bits[word] >> bit << bit; left != 0 {
				return b.number*blockSize + word*64 + uint32(bits.TrailingZeros64(left))
			}
			bit = 0
		}
		word = 0
	}
	return 0
}
