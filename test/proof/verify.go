package proof

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// verify holds what was written down against the promises. Nobody writes any more.
func (r *run) verify(histories [][]kept, loaded time.Duration) *Report {
	report := newReport()
	report.Seed, report.Topology, report.Seconds = r.cfg.Seed, r.cfg.Topology.Name, loaded.Seconds()
	for _, f := range r.ledger.findings {
		report.find(f)
	}
	r.count(report)
	for i, key := range r.ledger.keys {
		c := newCheck(r, report, key, histories[i])
		c.store()
		c.prevs()
		c.order()
		for _, d := range r.devices {
			if d.key == key {
				c.device(d)
			}
		}
	}
	return report
}

// count counts what there was.
func (r *run) count(report *Report) {
	for _, f := range r.ledger.faults {
		report.Faults[f.kind]++
	}
	for _, key := range r.ledger.keys {
		for _, p := range key.pushes {
			report.Pushes[p.way.name]++
			report.Attempts[p.way.name] += p.attempts
			if p.acked {
				report.Acknowledged[p.way.name]++
			}
		}
	}
	for _, d := range r.devices {
		for _, e := range d.events {
			switch e.what {
			case opened:
				report.Connections[d.how.name]++
			case got:
				report.Deliveries[d.how.name]++
			case gap:
				report.GapsTold[d.how.name]++
			}
		}
	}
}

// check is the verification of one key.
type check struct {
	r       *run
	report  *Report
	key     *keyLog
	history []kept
	stored  map[int64]bool     // mids of history
	seen    map[int64]*witness // by mid: every message that anybody saw
	mids    []int64            // of seen, sorted
	kept    []int64            // of seen, sorted: those of pushes that were to be stored
}

// witness is what is known of the message of a mid.
type witness struct {
	number int
	prev   int64  // -1: nobody was told
	who    string // who said so first
}

func newCheck(r *run, report *Report, key *keyLog, history []kept) *check {
	c := &check{r: r, report: report, key: key, history: history, stored: map[int64]bool{}, seen: map[int64]*witness{}}
	report.Stored += len(history)
	for _, k := range history {
		c.stored[k.mid] = true
		c.saw(k.mid, k.number, -1, "the store")
	}
	for _, p := range key.pushes {
		if p.acked && p.mid > 0 && (p.stored || len(r.cfg.Topology.Nodes) == 1) { // what nobody subscribes to where it is pushed has its mid from a node that may not own the key
			c.saw(p.mid, p.number, -1, "the acknowledgement by "+p.way.name)
		}
	}
	for _, stored := range []bool{false, true} {
		for _, d := range r.devices {
			if d.key == key && d.how.reads() == stored {
				c.witnesses(d)
			}
		}
	}
	c.mids = slices.Sorted(maps.Keys(c.seen))
	for _, mid := range c.mids {
		if n := c.seen[mid].number; n >= 0 && key.pushes[n].stored {
			c.kept = append(c.kept, mid)
		}
	}
	return c
}

func (c *check) witnesses(d *device) {
	for _, e := range d.events {
		switch {
		case e.what != got || e.mid <= 0:
		case d.how.reads() && c.vanished(e):
			c.excuse(Vanished)
		default:
			c.saw(e.mid, int(e.number), e.prev, fmt.Sprintf("%v, connection %d", d, e.visit))
		}
	}
}

// vanished tells whether a message is known to nobody but those who read what is stored, among whom it was for a moment. It was not acknowledged with that mid.
func (c *check) vanished(e event) bool {
	if c.r.cfg.Topology.MayVanish == "" || c.seen[e.mid] != nil || e.number < 0 {
		return false
	}
	p := c.key.pushes[e.number]
	return p.doubts > 0 && p.mid != e.mid
}

// saw notes that somebody knows the message of a mid, which is the same for all.
func (c *check) saw(mid int64, number int, prev int64, who string) {
	c.report.Checks["mids that two know"]++
	w := c.seen[mid]
	if w == nil {
		c.seen[mid] = &witness{number, prev, who}
		return
	}
	if w.number != number {
		c.find(Wrong, "mid %d is %s for %s, and %s for %s", mid, c.name(w.number), w.who, c.name(number), who)
	}
	if w.prev < 0 {
		w.prev = prev
	}
	if prev >= 0 && w.prev != prev {
		c.find(Wrong, "mid %d (%s) has prev %d for %s, and %d for %s", mid, c.name(number), w.prev, w.who, prev, who)
	}
}

func (c *check) find(b Breach, format string, args ...any) {
	if c.r.cfg.Topology.MayLose != "" && b != Wrong && b != Refused {
		c.excuse(b)
		return
	}
	c.report.find(Finding{b, fmt.Sprintf("%q: ", c.key.name) + fmt.Sprintf(format, args...)})
}

// excuse counts a breach that the topology allows.
func (c *check) excuse(b Breach) { c.report.Excused[b]++ }

// name tells of a push all that its pusher knows.
func (c *check) name(number int) string {
	if number < 0 {
		return "a push that nobody made"
	}
	p := c.key.pushes[number]
	kind, what := "live only", "not acknowledged"
	if p.stored {
		kind = fmt.Sprintf("for %d s", p.expire)
	}
	if p.acked {
		what = fmt.Sprintf("acknowledged as %d at %.3f s", p.mid, p.done.Seconds())
	}
	return fmt.Sprintf("push %d (%s, %s, pushed at %.3f s, %d attempts, %d of unknown outcome, %s)",
		number, p.way.name, kind, p.begun.Seconds(), p.attempts, p.doubts, what)
}

// around tells which faults were in force about then.
func (c *check) around(from, to time.Duration) (names []string) {
	for _, f := range c.r.ledger.faults {
		if f.from <= to+time.Second && f.to+2*time.Second >= from {
			names = append(names, fmt.Sprintf("%s %.3f-%.3f s", f.name, f.from.Seconds(), f.to.Seconds()))
		}
	}
	return names
}
