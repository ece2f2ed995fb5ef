package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// crowd is all subscribers of a run: one worker in this process, or several in processes of
// their own. One goroutine at a time gives it orders and waits for what comes of them.
//
//	crowd ── order ──> worker ── sockets ── server
//	  ^──── report ───────┘
type crowd struct {
	plan     plan
	workers  []member
	patience time.Duration
	progress func(report) // told how things stand, a few times a second
	orders   int          // given so far
	size     int          // connections that there have to be

	mu      sync.Mutex
	latest  []report // of each worker, with its last Outcome
	err     error    // of the worker that failed first
	through func(int)
	waiting func(total report) bool // nil: nobody waits
	came    chan struct{}           // has one when what is waited for has come
}

// member is a worker, here or in another process.
type member interface {
	order(order) error
	close() error // ends it and waits for its end
}

// errStalled says that what was waited for did not come.
var errStalled = errors.New("nothing comes any more")

// crowd makes a crowd for so many connections, of which it has none yet.
func (c *Config) crowd(ctx context.Context, p plan, connections int) (*crowd, error) {
	var err error
	if p.Parts, err = c.processes(connections); err != nil {
		return nil, err
	}
	crowd := &crowd{
		plan: p, patience: cmp.Or(c.Patience, patience), latest: make([]report, p.Parts),
		through: func(int) {}, progress: func(report) {}, came: make(chan struct{}, 1),
	}
	for p.Part = range p.Parts {
		part := p.Part
		m, err := c.member(ctx, p, func(r report) { crowd.note(part, r) })
		if err != nil {
			return nil, errors.Join(err, crowd.close())
		}
		crowd.workers = append(crowd.workers, m)
	}
	return crowd, nil
}

// processes is how many workers so many connections are spread over: as many as the configuration
// says, or as the limit of descriptors asks for.
func (c *Config) processes(connections int) (int, error) {
	if c.Processes > 0 {
		return c.Processes, nil
	}
	const others = 500 // descriptors that a process has for other things
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("getrlimit: %w", err)
	}
	each := max(1, int(min(limit.Cur, math.MaxInt32))-others)
	return max(1, (connections+each-1)/each), nil
}

// member starts a worker: in this process if it is the only one.
func (c *Config) member(ctx context.Context, p plan, tell func(report)) (member, error) {
	if p.Parts == 1 {
		return newGoroutine(ctx, p, tell)
	}
	return newChild(ctx, c.Binary, p, tell)
}

func (c *crowd) close() error {
	var all []error
	for _, m := range c.workers {
		all = append(all, m.close())
	}
	return errors.Join(all...)
}

// note takes what a worker reports, on its goroutine.
func (c *crowd) note(part int, r report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Outcome == nil {
		r.Outcome = c.latest[part].Outcome // connections that come and go may be reported behind it
	}
	c.latest[part] = r
	if r.Err != "" && c.err == nil {
		c.err = errors.New(r.Err)
	}
	total := c.total()
	c.through(total.Through)
	if c.err != nil || c.waiting != nil && c.waiting(total) {
		c.waiting = nil
		select {
		case c.came <- struct{}{}:
		default:
		}
	}
}

// follow lets through be told how many messages have come everywhere, from those on that have
// come now, and returns how many those are. It is called on goroutines of workers.
func (c *crowd) follow(through func(int)) (base int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	base = c.total().Through
	c.through = func(n int) { through(n - base) }
	return base
}

// total is how things stand with all workers. c.mu is held.
func (c *crowd) total() report {
	total := c.latest[0]
	for _, r := range c.latest[1:] {
		total.Done = min(total.Done, r.Done)
		total.Subscribed += r.Subscribed
		total.Arrived += r.Arrived
		total.Moves += r.Moves
		if c.plan.Shared {
			total.Through = min(total.Through, r.Through)
		} else {
			total.Through += r.Through
		}
	}
	return total
}

// standing is how things stand now, and whether a worker failed.
func (c *crowd) standing() (report, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total(), c.err
}

// until waits for done to become true. It ends with errStalled if nothing more comes for long, with
// the error of a worker, and with the cause of the end of ctx.
func (c *crowd) until(ctx context.Context, done func(total report) bool) error {
	c.mu.Lock()
	select { // what an earlier wait did not take
	case <-c.came:
	default:
	}
	last := c.total()
	if c.err != nil || done(last) {
		defer c.mu.Unlock()
		return c.err
	}
	c.waiting = done
	c.mu.Unlock()
	look := time.NewTicker(tellEvery)
	defer look.Stop()
	for deadline := time.Now().Add(c.patience); ; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.came:
			_, err := c.standing()
			return err
		case now := <-look.C:
			total, _ := c.standing()
			c.progress(total)
			if total.Subscribed > last.Subscribed || total.Arrived > last.Arrived {
				last.Subscribed, last.Arrived = max(last.Subscribed, total.Subscribed), total.Arrived
				deadline = now.Add(c.patience) // connections that come and go are no progress
			} else if now.After(deadline) {
				return errStalled
			}
		}
	}
}

// do gives an order to all workers and waits until it is carried out.
func (c *crowd) do(ctx context.Context, o order) error {
	c.orders++
	o.Number = c.orders
	o.Rate /= float64(len(c.workers))
	for part, m := range c.workers {
		if o.Do == grow { // numbers part, part + parts, … below size
			o.Connections = (c.size - part + len(c.workers) - 1) / len(c.workers)
		}
		if err := m.order(o); err != nil {
			return err
		}
	}
	return c.until(ctx, func(total report) bool { return total.Done == o.Number })
}

// grow makes it n connections, at most rate new ones a second, 0: as fast as they can, and waits
// until all are subscribed.
func (c *crowd) grow(ctx context.Context, n int, rate float64) error {
	c.size = n
	if err := c.do(ctx, order{Do: grow, Rate: rate}); err != nil {
		total, _ := c.standing()
		return fmt.Errorf("subscribe %d connections, %d did: %w", n, total.Subscribed, err)
	}
	return nil
}

// end counts what never came of last, the messages that each key had to get; nil: it counts none.
// It returns all that was counted.
func (c *crowd) end(ctx context.Context, last []int64) (outcome, error) {
	all := newOutcome()
	if err := c.do(ctx, order{Do: end, Last: last}); err != nil {
		return all, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.latest {
		all.add(r.Outcome)
	}
	return all, nil
}
