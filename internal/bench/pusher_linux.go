package bench

import (
	"context"
	"math/rand/v2"
	"time"
)

// pace says when messages are due.
type pace struct {
	clock
	began time.Duration
	rate  float64 // messages a second; 0: whenever
}

// due waits until message number i is due and returns when that was; without a rate that is now.
// The latency of a message that was pushed too late so has the delay in it.
func (p pace) due(ctx context.Context, i int) time.Duration {
	if p.rate == 0 {
		return p.now()
	}
	due := p.began + time.Duration(float64(i)/p.rate*float64(time.Second))
	p.sleepUntil(ctx, due)
	return due
}

// pusher is a publisher with the keys that only it pushes to.
type pusher struct {
	conn      *publisher // nil: not connected yet
	pipelined bool
	keys      []int // numbers of them
	names     []string
	sent      []int64    // by number of key, shared by all pushers
	at        int        // of keys, in turn
	random    *rand.Rand // nil: in turn
	batch     []push     // of as many as can be written at once, with payloads
}

// atOnce is how many messages a pipelined publisher writes at once, if there is room for so many.
const atOnce = 256

// newPusher makes number i of those of l. It owns keys i, i + publishers, ….
func newPusher(l *layout, i int, sent []int64, keyOf func(int) string) *pusher {
	p := &pusher{pipelined: l.pipelined, sent: sent}
	for key := i; key < l.keys; key += l.publishers {
		p.keys = append(p.keys, key)
		p.names = append(p.names, keyOf(key))
	}
	if l.random {
		p.random = rand.New(rand.NewPCG(1, uint64(i)))
	}
	most := l.batch
	if l.pipelined {
		most = max(most, atOnce/l.batch*l.batch)
	}
	for range most {
		p.batch = append(p.batch, push{payload: newPayload(l.size)})
	}
	return p
}

// run pushes what g hands out, at pace, until there is no more.
func (p *pusher) run(ctx context.Context, failed func(error), g *gate, pace pace) error {
	write, most := p.conn.push, p.conn.batch
	if p.pipelined {
		line := p.conn.pipelined(failed)
		defer line.end()
		write = line.push
		if pace.rate == 0 {
			most = len(p.batch)
		}
	}
	for {
		first, n := g.take(p.conn.batch, most)
		if n == 0 {
			return nil
		}
		due := pace.due(ctx, first)
		p.stamp(p.batch[:n], due)
		if err := write(p.batch[:n]); err != nil {
			return err
		}
	}
}

// stamp makes batch messages to the next keys.
func (p *pusher) stamp(batch []push, due time.Duration) {
	for i := range batch {
		key := p.next()
		p.sent[p.keys[key]]++
		stamp(batch[i].payload, p.keys[key], p.sent[p.keys[key]], due)
		batch[i].key = p.names[key]
	}
}

// next chooses one of keys.
func (p *pusher) next() int {
	if p.random != nil {
		return p.random.IntN(len(p.keys))
	}
	i := p.at
	p.at = (p.at + 1) % len(p.keys)
	return i
}
