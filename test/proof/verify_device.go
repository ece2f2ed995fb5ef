package proof

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// device checks what one device got.
func (c *check) device(d *device) {
	if d.how.group {
		c.group(d)
	} else {
		c.increasing(d)
	}
	switch {
	case d.how.resumes:
		c.whole(d)
		c.liveHoles(d)
	default:
		c.holes(d)
	}
	if d.how.told {
		c.gaps(d)
	}
}

// increasing checks that each message came once, in order, on all connections of a device.
func (c *check) increasing(d *device) {
	var last event
	for _, e := range d.events {
		if e.what == opened && !d.how.resumes {
			last = event{} // another node may be behind
		}
		if e.what != got {
			continue
		}
		c.report.Checks["deliveries with those before"]++
		switch {
		case e.mid == last.mid:
			c.find(Doubled, "%v: mid %d came twice, over connections %d and %d: %s; %s", d, e.mid, last.visit, e.visit, c.name(int(e.number)), c.story(d, e))
		case e.mid < last.mid:
			c.find(Disordered, "%v: mid %d over connection %d came behind %d over connection %d: %s; %s", d, e.mid, e.visit, last.mid, last.visit, c.name(int(e.number)), c.story(d, e))
		default:
			last = e
		}
	}
}

// whole checks that a device that resumes has all that is stored.
func (c *check) whole(d *device) {
	for _, k := range c.history {
		c.report.Checks["devices with the store"]++
		if k.number >= 0 && !d.has[k.number] {
			c.find(Lost, "%v: mid %d is stored, and did not come: %s; the last mid that came is %d; its connection %d to %s ended with %v",
				d, k.mid, c.name(k.number), d.last, d.visit, d.node, d.why)
		}
	}
}

// group checks that what was acknowledged did not come again, and nothing twice over one connection.
func (c *check) group(d *device) {
	done, here := map[int64]event{}, map[int64]bool{}
	for _, e := range d.events {
		switch e.what {
		case opened:
			clear(here)
		case answered:
			done[e.mid] = e
		case got:
			c.report.Checks["deliveries with acknowledgements"]++
			if a, ok := done[e.mid]; ok {
				c.find(Redelivered, "%v: mid %d came over connection %d, and was acknowledged over connection %d: %s; %s", d, e.mid, e.visit, a.visit, c.name(int(e.number)), c.story(d, e))
			}
			if here[e.mid] {
				c.find(Doubled, "%v: mid %d came twice over connection %d: %s; %s", d, e.mid, e.visit, c.name(int(e.number)), c.story(d, e))
			}
			here[e.mid] = true
		}
	}
}

// holes checks that a live connection got all that was released between the first and the last message that it got.
func (c *check) holes(d *device) {
	var here []event
	for _, e := range append(slices.Clone(d.events), event{what: opened}) {
		switch e.what {
		case got:
			here = append(here, e)
		case opened:
			c.hole(d, here)
			here = here[:0]
		}
	}
}

// liveHoles checks that a connection that resumed got all that was released after the first live-only message that it got: that is above its
// barrier, so all after it was posted to it. Where another node owns the key a link may have lost live-only messages; who does not read may have, too.
func (c *check) liveHoles(d *device) {
	if d.how.stored || d.slack || len(c.r.cfg.Topology.Nodes) > 1 {
		return
	}
	var here []event
	for _, e := range append(slices.Clone(d.events), event{what: opened}) {
		switch {
		case e.what == opened:
			c.hole(d, here)
			here = here[:0]
		case e.what == got && (len(here) > 0 || e.number >= 0 && !c.key.pushes[e.number].stored):
			here = append(here, e)
		}
	}
}

func (c *check) hole(d *device, here []event) {
	if len(here) < 2 {
		return
	}
	i, _ := slices.BinarySearch(c.mids, here[0].mid)
	for _, e := range here {
		c.report.Checks["live deliveries with what was released"]++
		for ; i < len(c.mids) && c.mids[i] < e.mid; i++ {
			missed := c.seen[c.mids[i]]
			if c.mayMiss(missed.number) {
				continue
			}
			c.find(SilentGap, "%v: mid %d did not come over connection %d, and %d did: %s, known to %s; %s",
				d, c.mids[i], e.visit, e.mid, c.name(missed.number), missed.who, c.story(d, e))
		}
		i++
	}
}

// mayMiss tells whether a connection may be without a message: one that is live only, which a link between nodes may have lost; or one that was kept for a
// shorter time than it took to acknowledge it, so that it may have been gone before anybody knew that it was stored.
func (c *check) mayMiss(number int) bool {
	if number < 0 {
		return false
	}
	p := c.key.pushes[number]
	if !p.stored {
		return len(c.r.cfg.Topology.Nodes) > 1
	}
	return p.done-p.begun > time.Duration(p.expire)*time.Second
}

// gaps checks what a device was told that it missed against what it missed.
func (c *check) gaps(d *device) {
	var last, resumed int64 // mids: of the last message, and that of the resume if no message came since
	resumed = -1
	var since time.Duration // of the resume
	told := int64(-1)       // the highest mid that it was told of a gap up to since the last message
	for _, e := range d.events {
		switch e.what {
		case opened:
			resumed, told, since = last, -1, e.at
		case gap:
			if told = max(told, e.mid); e.mid == 0 {
				told = 1 << 62
			}
			c.toldRight(d, e, last)
		case got:
			if e.mid > last {
				c.told(d, e, last, resumed, told, since)
				last, resumed, told = e.mid, -1, -1
			}
		}
	}
	c.toldInTheEnd(d, last)
}

// toldRight checks that a gap can be.
func (c *check) toldRight(d *device, e event, last int64) {
	if e.mid > 0 && e.mid <= last {
		c.find(Wrong, "%v: was told over connection %d at %.3f s of a gap up to %d, and has got %d", d, e.visit, e.at.Seconds(), e.mid, last)
	}
	if !c.key.fleeting {
		c.find(FalseGap, "%v: was told over connection %d at %.3f s of a gap up to %d, and nothing was removed; faults: %q", d, e.visit, e.at.Seconds(), e.mid, c.around(e.at, e.at))
	}
}

// told checks that what is missing between two messages of a device was announced: in front of the first one after a resume by a gap, else
// by its prev. docs/protocol.md, "Resume".
func (c *check) told(d *device, e event, last, resumed, told int64, since time.Duration) {
	c.report.Checks["devices with what is missing"]++
	missed := c.keptBetween(last, e.mid)
	if missed == 0 {
		return
	}
	switch {
	case e.prev <= last:
		c.find(SilentGap, "%v: mid %d over connection %d has prev %d, the last that came is %d, and %d did not come: %s", d, e.mid, e.visit, e.prev, last, missed, c.name(c.seen[missed].number))
	case resumed >= 0 && told < 0 && c.key.pushes[c.seen[missed].number].done > since:
		// Whether it is stored was not known when the device resumed: the prev tells.
	case resumed >= 0 && told < 0:
		c.find(SilentGap, "%v: resumed over connection %d after %d, got mid %d, and was not told that %d is gone: %s; %s", d, e.visit, resumed, e.mid, missed, c.name(c.seen[missed].number), c.story(d, e))
	}
}

// toldInTheEnd checks that a device knows of what is missing behind its last message.
func (c *check) toldInTheEnd(d *device, last int64) {
	missed := c.keptBetween(last, 1<<62)
	if missed == 0 || lastGap(d.events).covers(missed, c.key.pushes[c.seen[missed].number].done) {
		return
	}
	c.find(SilentGap, "%v: got nothing after mid %d over its last connection %d, and was not told that %d is gone: %s; the last that happened to it: %s",
		d, last, d.visit, missed, c.name(c.seen[missed].number), story(d.events[max(0, len(d.events)-12):]))
}

// keptBetween returns the highest mid between two of a message that was stored and acknowledged; 0: there is none.
func (c *check) keptBetween(low, high int64) int64 {
	i, _ := slices.BinarySearch(c.kept, high)
	for i--; i >= 0 && c.kept[i] > low; i-- {
		if c.key.pushes[c.seen[c.kept[i]].number].acked {
			return c.kept[i]
		}
	}
	return 0
}

// story tells what happened to a device about an event.
func (c *check) story(d *device, at event) string {
	i := slices.Index(d.events, at)
	return fmt.Sprintf("about then: %s; faults: %q", story(d.events[max(0, i-6):min(len(d.events), i+4)]), c.around(at.at, at.at))
}

// story tells of events: what happened, over which connection, with which mid, when.
func story(events []event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%c%d:%d@%.3f ", e.what, e.visit, e.mid, e.at.Seconds())
	}
	return b.String()
}
