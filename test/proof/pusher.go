package proof

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// pusher pushes to all keys, one push after the other, and tries again what was not acknowledged.
type pusher struct {
	r      *run
	number int
	how    *way
	draw   *rand.Rand
	http   *http.Client
	lines  map[*Node]*line // that are open, of ways that keep one
}

// way is a way to push.
type way struct {
	name     string
	quoted   bool // the payload is a JSON string
	liveOnly bool // nothing that it pushes is stored
	idem     bool // it takes an idempotency key
	// push makes one attempt. It returns the mid, 0 if the way does not tell. An error that is an errRefused means that nothing was
	// stored; any other, that it may or may not be.
	push func(ctx context.Context, p *pusher, n *Node, key *keyLog, m *push) (mid int64, err error)
}

// errRefused is an error after which certainly nothing was stored.
type errRefused struct{ why string }

func (e errRefused) Error() string { return e.why }

// errMistake is a refusal that no pusher of a run should get.
type errMistake struct{ why string }

func (e errMistake) Error() string { return e.why }

// attemptTime is how long a pusher waits for one answer.
const attemptTime = 5 * time.Second

func (r *run) newPusher(number int, how *way) *pusher {
	return &pusher{
		r: r, number: number, how: how, draw: r.draw("pusher", number), lines: map[*Node]*line{},
		http: &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return r.cfg.Topology.dialSoon(ctx, addr) },
		}},
	}
}

// run pushes until ctx ends, and then gives up what is under way.
func (p *pusher) run(ctx context.Context) {
	defer p.close()
	for ctx.Err() == nil {
		p.one(ctx)
		pause(ctx, upTo(p.draw, p.r.cfg.Load.Pace))
	}
}

func (p *pusher) close() {
	p.http.CloseIdleConnections()
	for _, c := range p.lines {
		c.Close()
	}
}

// one pushes one message until it is acknowledged, or given up.
func (p *pusher) one(ctx context.Context) {
	key := p.r.ledger.keys[p.draw.IntN(len(p.r.ledger.keys))]
	m := key.add(p.r.cfg.Seed)
	m.way, m.begun = p.how, p.r.ledger.now()
	if m.expire = p.expire(key); m.expire > 0 {
		m.stored = true
	}
	if m.stored && p.how.idem {
		m.idem = fmt.Sprintf("%d-%d-%d", p.number, key.index, m.number)
	}
	for ctx.Err() == nil {
		if p.attempt(ctx, key, m) || m.doubts > 0 && !p.again(m) {
			return
		}
		pause(ctx, upTo(p.draw, 300*time.Millisecond))
	}
}

// again tells whether to push once more what may be stored.
func (p *pusher) again(m *push) bool {
	return m.idem != "" || m.stored && p.draw.IntN(2) == 0
}

// expire is for how many seconds to keep the next message; 0: it is live only.
func (p *pusher) expire(key *keyLog) int {
	switch {
	case p.how.liveOnly, p.draw.IntN(5) == 0:
		return 0
	case key.fleeting && p.draw.IntN(2) == 0:
		return 1 + p.draw.IntN(2)
	}
	return 86400
}

// attempt pushes once, to any node, and tells whether it was acknowledged.
func (p *pusher) attempt(ctx context.Context, key *keyLog, m *push) (acknowledged bool) {
	nodes := p.r.cfg.Topology.Nodes
	n := nodes[p.draw.IntN(len(nodes))]
	m.attempts++
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	mid, err := p.how.push(ctx, p, n, key, m)
	var refused errRefused
	var mistake errMistake
	switch {
	case err == nil:
		m.mid, m.acked, m.done = mid, true, p.r.ledger.now()
	case errors.As(err, &mistake):
		p.r.ledger.find(Refused, "push %d to %q by %s at %s: %v", m.number, key.name, p.how.name, n.Name, err)
	case !errors.As(err, &refused):
		m.doubts++
	}
	return err == nil
}
