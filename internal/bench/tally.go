package bench

import "fmt"

// Tally is what all subscribers of a measurement got, beside what they had to get.
type Tally struct {
	Received   int `json:"received"`     // messages, doubled ones included
	Lost       int `json:"lost"`         // never came
	Doubled    int `json:"doubled"`      // came again
	OutOfOrder int `json:"out_of_order"` // came after a later one, or with a mid that did not grow
	Closed     int `json:"closed"`       // connections that ended by themselves
}

// Err is nil if everything came exactly once and in order and every connection stayed, else an
// ErrFailed with the counts.
func (t Tally) Err() error {
	if t.Lost+t.Doubled+t.OutOfOrder+t.Closed == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d lost, %d doubled, %d out of order, %d connections closed",
		ErrFailed, t.Lost, t.Doubled, t.OutOfOrder, t.Closed)
}

func (t *Tally) add(u Tally) {
	t.Received += u.Received
	t.Lost += u.Lost
	t.Doubled += u.Doubled
	t.OutOfOrder += u.OutOfOrder
	t.Closed += u.Closed
}

// track is how far one subscriber has come in the sequence 1, 2, 3, … that it has to get.
type track struct {
	last    int64              // highest sequence number seen
	mid     int64              // highest mid seen; 0 where the protocol has none
	missing map[int64]struct{} // below last, not seen; nil while there is none
}

// take notes a message and tells whether it is one that had not come before.
func (t *track) take(a arrival, tally *Tally) bool {
	tally.Received++
	_, missed := t.missing[a.seq]
	if a.seq <= t.last && !missed {
		tally.Doubled++
		t.mid = max(t.mid, a.mid) // who asks for what is above it must not get it again
		return false
	}
	if missed || a.mid > 0 && a.mid <= t.mid {
		tally.OutOfOrder++
	}
	delete(t.missing, a.seq)
	t.miss(a.seq)
	t.last, t.mid = max(t.last, a.seq), max(t.mid, a.mid)
	return true
}

// miss notes all between the last one and seq as missing.
func (t *track) miss(seq int64) {
	for skipped := t.last + 1; skipped < seq; skipped++ {
		if t.missing == nil {
			t.missing = map[int64]struct{}{}
		}
		t.missing[skipped] = struct{}{}
	}
}

// end counts what never came of the messages up to last.
func (t *track) end(last int64, tally *Tally) {
	tally.Lost += len(t.missing) + int(max(0, last-t.last))
}
