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
	known  []*push         // that were acknowledged and have an idempotency key; some of all
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
		if p.draw.IntN(6) == 0 && len(p.known) > 0 {
			p.repeat(ctx, p.known[p.draw.IntN(len(p.known))])
		}
		pause(ctx, upTo(p.draw, p.r.cfg.Load.Pace))
	}
}

// maxKnown is how many pushes a pusher knows that it may repeat: new ones and old ones.
const maxKnown = 100

// know keeps a push that may be repeated, in the place of any other.
func (p *pusher) know(m *push) {
	if len(p.known) < maxKnown {
		p.known = append(p.known, m)
		return
	}
	p.known[p.draw.IntN(maxKnown)] = m
}

// repeat pushes once more what was acknowledged, as who has forgotten that: it is answered with the first mid, and not stored again.
func (p *pusher) repeat(ctx context.Context, m *push) {
	m.attempts++
	mid, err := p.send(ctx, m)
	if err != nil {
		return
	}
	if m.repeats++; mid != m.mid {
		m.others = append(m.others, mid)
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
	m := p.new(key, p.expire(key))
	p.insist(ctx, m)
	if m.acked && m.idem != "" {
		p.know(m)
	}
}

// new returns a push that is kept for so many seconds; 0: it is live only.
func (p *pusher) new(key *keyLog, expire int) *push {
	m := key.add(p.r.cfg.Seed)
	m.key, m.way, m.begun = key, p.how, p.r.ledger.now()
	m.expire, m.stored = expire, expire > 0
	if m.stored && p.how.idem {
		m.idem = fmt.Sprintf("%d-%d-%d", p.number, key.index, m.number)
	}
	return m
}

// insist pushes until that is acknowledged, or given up.
func (p *pusher) insist(ctx context.Context, m *push) {
	for ctx.Err() == nil {
		if p.attempt(ctx, m) || m.doubts > 0 && !p.again(m) {
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
func (p *pusher) attempt(ctx context.Context, m *push) (acknowledged bool) {
	m.attempts++
	mid, err := p.send(ctx, m)
	var refused errRefused
	switch {
	case err == nil:
		m.mid, m.acked, m.done = mid, true, p.r.ledger.now()
	case !errors.As(err, &refused) && !errors.As(err, new(errMistake)):
		m.doubts++
	}
	return err == nil
}

// send sends m to any node, and finds what no pusher should be told.
func (p *pusher) send(ctx context.Context, m *push) (mid int64, err error) {
	nodes := p.r.cfg.Topology.Nodes
	n := nodes[p.draw.IntN(len(nodes))]
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	mid, err = p.how.push(ctx, p, n, m.key, m)
	if errors.As(err, new(errMistake)) {
		p.r.ledger.find(Refused, "push %d to %q by %s at %s: %v", m.number, m.key.name, p.how.name, n.Name, err)
	}
	return mid, err
}
