package comet

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Against a model: whoever is set expires in the second of its last deadline, and nobody else.
func TestAConnectionExpiresInTheSecondOfItsLastDeadline(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w wheel
		var conns slab[conn]
		var all []*conn
		for range rapid.IntRange(1, 8).Draw(t, "connections") {
			i := conns.take()
			c := conns.at(i)
			c.index = i
			all = append(all, c)
		}
		due := make(map[*conn]uint32)
		now := uint32(0)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				c := rapid.SampledFrom(all).Draw(t, "connection")
				after := rapid.SampledFrom([]uint32{1, 2, 5, 35, 511, 512, 513, 3000}).Draw(t, "after")
				due[c] = now + after
				w.set(&conns, c, now+after)
			},
			"remove": func(t *rapid.T) {
				c := rapid.SampledFrom(all).Draw(t, "connection")
				delete(due, c)
				w.remove(&conns, c)
			},
			"advance": func(t *rapid.T) {
				next := now + rapid.SampledFrom([]uint32{0, 1, 3, 40, 600}).Draw(t, "seconds")
				var want, got []uint32
				for c, at := range due {
					if at <= next {
						want = append(want, c.index)
						delete(due, c)
					}
				}
				budget := rapid.IntRange(1, 10).Draw(t, "budget")
				for w.advance(&conns, next, budget, func(c *conn) { got = append(got, c.index) }) {
					continue
				}
				slices.Sort(want)
				slices.Sort(got)
				if now = next; !slices.Equal(got, want) {
					t.Fatalf("at %d s: connections %v expired, want %v", next, got, want)
				}
			},
		})
	})
}

// A heartbeat moves the deadline on and nothing else.
func TestADeadlineThatMovesOnTouchesNoSlot(t *testing.T) {
	t.Parallel()
	var w wheel
	var conns slab[conn]
	i := conns.take()
	c := conns.at(i)
	c.index = i
	w.set(&conns, c, 35)
	before := w.slots
	w.set(&conns, c, 65)
	if w.slots != before {
		t.Error("the wheel was changed")
	}
	w.advance(&conns, 64, 1, func(*conn) { t.Errorf("expired at %d s, want 65", w.now) })
	expired := false
	w.advance(&conns, 65, 1, func(*conn) { expired = true })
	if !expired {
		t.Error("not expired at 65 s")
	}
}

// Whoever expires may be given more time, from inside expired, and is out of the wheel till then.
func TestExpiredMaySetAgain(t *testing.T) {
	t.Parallel()
	var w wheel
	var conns slab[conn]
	for range 3 {
		i := conns.take()
		c := conns.at(i)
		c.index = i
		w.set(&conns, c, 5)
	}
	var got []uint32
	w.advance(&conns, 10, 10, func(c *conn) {
		if got = append(got, w.now); len(got) <= 3 {
			w.set(&conns, c, w.now+2)
		}
	})
	if want := []uint32{5, 5, 5, 7, 7, 7}; !slices.Equal(got, want) {
		t.Errorf("expired at %v, want %v", got, want)
	}
}

// Who expires may take another one with it, also the next to be looked at.
func TestExpiredMayRemoveOthers(t *testing.T) {
	t.Parallel()
	var w wheel
	var conns slab[conn]
	for range 4 {
		i := conns.take()
		c := conns.at(i)
		c.index = i
		w.set(&conns, c, 5)
	}
	expired := 0
	w.advance(&conns, 5, 10, func(c *conn) {
		if expired++; c.next != 0 && expired == 1 {
			w.remove(&conns, conns.at(c.next))
		}
	})
	if expired != 3 {
		t.Errorf("%d expired at 5 s, want 3: one was removed before", expired)
	}
}

// Of very many connections that expire in the same second only so many are looked at at a time.
func TestManyExpireInSlices(t *testing.T) {
	t.Parallel()
	const connections, budget = 1000, 300
	var w wheel
	var conns slab[conn]
	for range connections {
		i := conns.take()
		c := conns.at(i)
		c.index = i
		w.set(&conns, c, 5)
	}
	var got []int
	for more := true; more; {
		expired := 0
		more = w.advance(&conns, 7, budget, func(*conn) { expired++ })
		got = append(got, expired)
	}
	if want := []int{300, 300, 300, 100}; !slices.Equal(got, want) {
		t.Errorf("%v expired at a time, want %v", got, want)
	}
}
