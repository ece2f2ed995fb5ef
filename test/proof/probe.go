package proof

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	probeTime  = 5 * time.Second  // a round has at most
	probeLeast = 30 * time.Second // and all of them at least: who is connected to nobody finds that out within that
)

// probe pushes to every key, when everything works again and all devices are there, until what a round pushed has come to each of them: live-only messages
// to those that are posted what is pushed, stored ones to all. A connection that is open and gets nothing is found so; what is
// stored would come with the next one.
func (r *run) probe(ctx context.Context, deadline time.Duration) {
	p := r.newPusher(-1, ways()[0])
	defer p.close()
	var deaf []*device
	for deadline = max(deadline, r.ledger.now()+probeLeast); r.ledger.now() < deadline && ctx.Err() == nil; {
		r.awaitOpen(ctx)
		sent := r.pushProbes(ctx, p)
		if deaf = r.awaitProbes(ctx, sent); len(deaf) == 0 {
			return
		}
		r.logf("%d devices did not get what was pushed, such as %v; %s", len(deaf), deaf[0], deaf[0].lately())
	}
	for _, d := range deaf {
		r.ledger.find(Deaf, "%v: what was pushed when all worked again did not come; %s", d, d.lately())
	}
}

// lately tells what happened to the device last.
func (d *device) lately() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("its connection %d to %s, before which one ended with %v: %s", d.visit, d.node, d.why, story(d.events[max(0, len(d.events)-12):]))
}

// awaitOpen waits until all devices are connected, or for long enough.
func (r *run) awaitOpen(ctx context.Context) {
	away := func(d *device) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return !d.open
	}
	for until := r.ledger.now() + probeTime; slices.ContainsFunc(r.devices, away) && r.ledger.now() < until && ctx.Err() == nil; {
		pause(ctx, 20*time.Millisecond)
	}
}

// pushProbes pushes a stored message and a live-only one to each key. It returns them by key.
func (r *run) pushProbes(ctx context.Context, p *pusher) (sent [][]*push) {
	for _, key := range r.ledger.keys {
		both := []*push{p.new(key, 86400), p.new(key, 0)}
		for _, m := range both {
			p.insist(ctx, m)
		}
		sent = append(sent, both)
	}
	return sent
}

// awaitProbes returns the devices to which not all of it came in time.
func (r *run) awaitProbes(ctx context.Context, sent [][]*push) (deaf []*device) {
	for until := r.ledger.now() + probeTime; ; pause(ctx, 20*time.Millisecond) {
		deaf = slices.DeleteFunc(slices.Clone(r.devices), func(d *device) bool { return d.heard(sent[d.key.index]) })
		if len(deaf) == 0 || r.ledger.now() > until || ctx.Err() != nil {
			return deaf
		}
	}
}

// heard tells whether the device got all of this that it is posted.
func (d *device) heard(sent []*push) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !slices.ContainsFunc(sent, func(m *push) bool { return m.acked && !d.has[m.number] && (m.stored || !d.how.stored) })
}
