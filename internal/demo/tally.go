package demo

import "bytes"

// Counts is what came to one device, or to many.
type Counts struct {
	Delivered  int // lines that came, each counted once
	Lost       int // lines that never came
	Doubled    int // messages with a line that had come already
	OutOfOrder int // lines that came after a later line
	Altered    int // messages that are no line that was pushed
}

// Add adds the counts of another device.
func (c *Counts) Add(o Counts) {
	c.Delivered += o.Delivered
	c.Lost += o.Lost
	c.Doubled += o.Doubled
	c.OutOfOrder += o.OutOfOrder
	c.Altered += o.Altered
}

// Tally compares every message that one device gets with what was pushed, number and text.
type Tally struct {
	pushed [][]byte // payload of each line; shared, never changed
	came   []bool   // of each line, whether it came
	next   int      // line after the latest that came
	counts Counts   // but for Lost
}

// NewTally returns a tally for a device that is to get every payload of pushed once and in
// order. It keeps pushed, which must not change any more.
func NewTally(pushed [][]byte) *Tally {
	return &Tally{pushed: pushed, came: make([]bool, len(pushed))}
}

// Take counts a message. It returns the line that it is, and whether that line is new here.
func (t *Tally) Take(payload []byte) (line int, isNew bool) {
	line, known := t.find(payload)
	switch {
	case !known:
		t.counts.Altered++
		return -1, false
	case t.came[line]:
		t.counts.Doubled++
		return line, false
	case line < t.next:
		t.counts.OutOfOrder++
	default:
		t.next = line + 1
	}
	t.came[line] = true
	t.counts.Delivered++
	return line, true
}

// Came tells whether a line came.
func (t *Tally) Came(line int) bool { return t.came[line] }

// find returns the line that payload is, byte for byte.
func (t *Tally) find(payload []byte) (line int, known bool) {
	if t.next < len(t.pushed) && bytes.Equal(payload, t.pushed[t.next]) {
		return t.next, true // as it should be, found without parsing
	}
	line, ok := lineOf(payload)
	return line, ok && line < len(t.pushed) && bytes.Equal(payload, t.pushed[line])
}

// Counts returns what was counted so far; lines that have not come are lost.
func (t *Tally) Counts() Counts {
	c := t.counts
	c.Lost = len(t.pushed) - c.Delivered
	return c
}
