package proof

import (
	"cmp"
	"slices"
)

// store checks what is stored against what was acknowledged: nothing missing, nothing more often than it was pushed, in order.
func (c *check) store() {
	copies := map[int][]int64{} // by number: the mids of a push, wherever it was seen
	for _, mid := range c.mids {
		if n := c.seen[mid].number; n >= 0 {
			copies[n] = append(copies[n], mid)
		}
	}
	last := int64(0)
	for _, k := range c.history {
		if k.mid <= last {
			c.find(Disordered, "mid %d is stored behind %d", k.mid, last)
		}
		last = k.mid
	}
	inStore := map[int]bool{}
	for _, k := range c.history {
		inStore[k.number] = true
	}
	for _, p := range c.key.pushes {
		c.push(p, copies[p.number], inStore[p.number])
	}
}

// push checks one push, of which there are messages with these mids.
func (c *check) push(p *push, mids []int64, stored bool) {
	c.report.Checks["pushes with the store"]++
	if len(mids) > p.copies() {
		c.find(Doubled, "%s is there %d times, may be %d: mids %d", c.name(p.number), len(mids), p.copies(), mids)
	}
	if !p.acked {
		return
	}
	c.report.Checks["pushes that were repeated"] += p.repeats
	if len(p.others) > 0 {
		c.find(Doubled, "%s was acknowledged with other mids when it was repeated: %d", c.name(p.number), p.others)
	}
	if p.copies() == 1 && p.mid > 0 && len(mids) == 1 && mids[0] != p.mid {
		c.find(Wrong, "%s has mid %d (%s)", c.name(p.number), mids[0], c.seen[mids[0]].who)
	}
	if !p.stored || c.key.fleeting {
		return
	}
	if !stored || p.mid > 0 && !c.stored[p.mid] {
		c.find(Lost, "%s is not stored; faults: %q", c.name(p.number), c.around(p.begun, p.done))
	}
}

// prevs checks that each message tells the mid of the stored one before it.
func (c *check) prevs() {
	for _, mid := range c.mids {
		w := c.seen[mid]
		if w.prev < 0 {
			continue
		}
		c.report.Checks["prevs"]++
		before := int64(0)
		if i, _ := slices.BinarySearch(c.kept, mid); i > 0 {
			before = c.kept[i-1]
		}
		switch {
		case w.prev >= mid:
			c.find(Wrong, "mid %d (%s) has prev %d for %s", mid, c.name(w.number), w.prev, w.who)
		case w.prev < before:
			c.find(SilentGap, "mid %d (%s) has prev %d for %s, but %d is stored between: %s", mid, c.name(w.number), w.prev, w.who, before, c.name(c.seen[before].number))
		case w.prev > before && !c.key.fleeting:
			c.find(Wrong, "mid %d (%s) has prev %d for %s, which is nobody's: the last before it is %d", mid, c.name(w.number), w.prev, w.who, before)
		}
	}
}

// order checks that a push that began when another one was acknowledged has a higher mid. Of live-only messages that holds where one node has the
// key all the time: docs/design.md, "Not ordered".
func (c *check) order() {
	var acked []*push
	for _, p := range c.key.pushes {
		if p.acked && p.mid > 0 && (p.stored || len(c.r.cfg.Topology.Nodes) == 1) {
			acked = append(acked, p)
		}
	}
	byEnd := slices.SortedFunc(slices.Values(acked), func(a, b *push) int { return cmp.Compare(a.done, b.done) })
	slices.SortFunc(acked, func(a, b *push) int { return cmp.Compare(a.begun, b.begun) })
	var highest *push // of those that were acknowledged when p began
	for _, p := range acked {
		for ; len(byEnd) > 0 && byEnd[0].done < p.begun; byEnd = byEnd[1:] {
			if highest == nil || byEnd[0].mid > highest.mid {
				highest = byEnd[0]
			}
		}
		c.report.Checks["pushes with those before"]++
		if highest != nil && p.mid <= highest.mid {
			c.find(Disordered, "%s began when %s was; faults: %q", c.name(p.number), c.name(highest.number), c.around(highest.begun, p.done))
		}
	}
}
