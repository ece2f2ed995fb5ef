package proof

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// settle waits until everything works again and every device that resumes has all that is stored for its key, and returns
// what that is, by key.
func (r *run) settle(ctx context.Context) (histories [][]kept, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.SettleFor+startTime+probeLeast+probeTime)
	defer cancel()
	for _, n := range r.cfg.Topology.Nodes {
		if err := n.AwaitReady(ctx); err != nil {
			return nil, fmt.Errorf("%s is not ready after all was healed: %w\n%s", n.Name, err, n.tail())
		}
	}
	r.logf("the load has ended")
	for deadline := r.ledger.now() + r.cfg.SettleFor; ; pause(ctx, 250*time.Millisecond) {
		if histories, err = r.histories(ctx, r.cfg.Topology.Nodes[0]); err != nil {
			return nil, err
		}
		if r.complete(histories) && r.allTold() || r.ledger.now() > deadline {
			r.logf("settled")
			return r.probed(ctx, deadline)
		}
	}
}

// probed returns what is stored when it was probed that all devices are given what is pushed.
func (r *run) probed(ctx context.Context, deadline time.Duration) (histories [][]kept, err error) {
	r.probe(ctx, deadline)
	r.logf("probed")
	if histories, err = r.histories(ctx, r.cfg.Topology.Nodes[0]); err == nil {
		err = ctx.Err()
	}
	return histories, err
}

// histories reads all that is stored.
func (r *run) histories(ctx context.Context, n *Node) (all [][]kept, err error) {
	for _, key := range r.ledger.keys {
		h, err := r.history(ctx, n, key)
		if err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

// complete tells whether all devices that resume have what is stored.
func (r *run) complete(histories [][]kept) bool {
	for _, d := range r.devices {
		if d.how.resumes && d.lacks(histories[d.key.index]) {
			return false
		}
	}
	return true
}

// allTold tells whether all devices that are told of gaps have seen the last messages of their key, or know that they are gone.
func (r *run) allTold() bool {
	acked := r.ackedMids()
	for _, d := range r.devices {
		if d.how.told && d.ignorant(acked[d.key.index]) {
			return false
		}
	}
	return true
}

// mark is the mid of an acknowledged stored message, and when it was acknowledged.
type mark struct {
	mid  int64
	done time.Duration
}

// ackedMids returns the acknowledged stored messages of each key, as far as anybody knows their mids.
func (r *run) ackedMids() [][]mark {
	acked := make([][]mark, len(r.ledger.keys))
	for i, key := range r.ledger.keys {
		for _, p := range key.pushes {
			if p.acked && p.stored && p.mid > 0 {
				acked[i] = append(acked[i], mark{p.mid, p.done})
			}
		}
	}
	for _, d := range r.devices {
		d.mu.Lock()
		for _, e := range d.events {
			if e.what == got && e.number >= 0 {
				if p := d.key.pushes[e.number]; p.acked && p.stored && p.mid == 0 {
					acked[d.key.index] = append(acked[d.key.index], mark{e.mid, p.done})
				}
			}
		}
		d.mu.Unlock()
	}
	return acked
}

// ignorant tells whether one of these messages is still to come to the device, or news that it is gone.
func (d *device) ignorant(acked []mark) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	told := lastGap(d.events)
	return slices.ContainsFunc(acked, func(m mark) bool { return m.mid > d.last && !told.covers(m.mid, m.done) })
}

// lastGap returns the gap that was told last over the last connection; the zero event: none was.
func lastGap(events []event) event {
	for _, e := range slices.Backward(events) {
		switch e.what {
		case gap:
			return e
		case opened:
			return event{}
		}
	}
	return event{}
}

// covers tells whether a gap tells of a message that is gone: one below its end, or one that had been acknowledged by then, as a gap is told once at a
// resume, whatever is gone at the new end besides. docs/protocol.md, "Resume".
func (e event) covers(mid int64, done time.Duration) bool {
	return e.what == gap && (e.mid == 0 || mid <= e.mid || done <= e.at)
}

// lacks tells whether a stored message is still to come to the device.
func (d *device) lacks(history []kept) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range history {
		if k.number >= 0 && !d.has[k.number] && (k.mid > d.last || d.how.stored) {
			return true
		}
	}
	return false
}
