package cluster_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// fickle is a shared store that is away now and then: what is appended then fails, or nobody knows.
type fickle struct {
	*memory.Store
	away atomic.Bool
}

var errAway = fmt.Errorf("%w: away", channel.ErrUnavailable)

func (f *fickle) Append(ctx context.Context, entries []channel.Entry) []error {
	if !f.away.Load() {
		return f.Store.Append(ctx, entries)
	}
	results, why := make([]error, len(entries)), errAway
	switch rand.IntN(3) {
	case 0:
		for i, err := range f.Store.Append(ctx, entries) {
			results[i] = err
		}
		fallthrough
	case 1:
		why = fmt.Errorf("%w: no answer", channel.ErrUnknown)
	}
	for i := range results {
		results[i] = why
	}
	return results
}

func (f *fickle) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	if f.away.Load() {
		return nil, errAway
	}
	return f.Store.Range(ctx, key, from, to, reverse, limit, maxBytes)
}

func (f *fickle) Info(ctx context.Context, key string) (channel.Info, error) {
	if f.away.Load() {
		return channel.Info{}, errAway
	}
	return f.Store.Info(ctx, key)
}

func (f *fickle) MidLimit(ctx context.Context) (int64, error) {
	if f.away.Load() {
		return 0, errAway
	}
	return f.Store.MidLimit(ctx)
}

func (f *fickle) SetMidLimit(ctx context.Context, node string, limit int64) error {
	if f.away.Load() {
		return errAway
	}
	return f.Store.SetMidLimit(ctx, node, limit)
}

// devices is the sink of a node's devices.
type devices struct {
	id channel.SinkID

	mu sync.Mutex
	of map[string][]*session
}

func (s *devices) Post(c *channel.Channel, _ uint32, m *message.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.of[c.Key()] {
		d.post(m)
	}
}

func (s *devices) Kick(c *channel.Channel, _ uint32, _ []uint64, closed chan<- int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.of[c.Key()] {
		d.close()
	}
	closed <- len(s.of[c.Key()])
}

func (s *devices) Flush()        {}
func (s *devices) Admit()        {}
func (s *devices) Crowded() bool { return false }

// session is a device while it is connected.
type session struct {
	device  *device
	node    *chaosNode
	closed  chan struct{}
	channel *channel.Channel

	mu     sync.Mutex
	ended  bool
	live   bool
	seen   int64
	posted int64
	held   []*message.Message
}

func (d *session) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ended {
		d.ended = true
		close(d.closed)
	}
}

func (d *session) post(m *message.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return
	}
	if m.Mid <= d.posted {
		d.device.fail("node %s posted %d after %d", d.node.name, m.Mid, d.posted)
	}
	d.posted = m.Mid
	if d.live {
		d.deliver(m, "live")
	} else {
		d.held = append(d.held, m)
	}
}

// deliver has the device see m. mu is held.
func (d *session) deliver(m *message.Message, how string) {
	if m.Mid <= d.seen {
		return
	}
	if d.device.resumes && m.Prev > d.seen {
		d.device.fail("%s at %s: %d has prev %d, seen %d", how, d.node.name, m.Mid, m.Prev, d.seen)
	}
	d.seen = m.Mid
	d.device.see(m.Mid)
}

// device subscribes to a key again and again, at any node, and resumes where it was, or begins anew.
type device struct {
	chaos   *chaos
	key     string
	resumes bool
	name    string

	mu   sync.Mutex
	seen int64          // the last of got, or the barrier
	got  map[int64]bool // by mid; of one that does not resume those of its session
}

func (d *device) fail(format string, args ...any) {
	d.chaos.fail("device %s of %s (resumes: %v): %s", d.name, d.key, d.resumes, fmt.Sprintf(format, args...))
}

func (d *device) see(mid int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if mid <= d.seen {
		d.fail("sees %d after %d", mid, d.seen)
	}
	d.seen = mid
	d.got[mid] = true
}

// run connects d until stop is closed; then the last session goes on until the end is.
func (d *device) run(stop, end <-chan struct{}) {
	for {
		s, begun, ok := d.connect()
		select {
		case <-end:
			if ok {
				d.leave(s, begun, true)
			}
			return
		default:
		}
		if !ok {
			time.Sleep(time.Millisecond)
			continue
		}
		for again := false; !again; {
			select {
			case <-s.closed:
				again = true
				d.leave(s, begun, false)
			case <-s.node.dead:
				again = true
				d.leave(s, begun, false)
			case <-time.After(time.Duration(rand.IntN(300)) * time.Millisecond):
				select {
				case <-stop:
					select {
					case <-s.closed:
					case <-end:
						d.leave(s, begun, true)
						return
					}
				default:
				}
				if again = rand.IntN(3) == 0; again {
					d.leave(s, begun, false)
				}
			}
		}
	}
}

func (d *device) connect() (*session, int64, bool) {
	n := d.chaos.any()
	if !n.Near(d.key) {
		ctx, cancel := context.WithTimeout(d.chaos.t.Context(), 300*time.Millisecond)
		defer cancel()
		_ = n.Approach(ctx, d.key) // who cannot in time subscribes all the same
	}
	if rand.IntN(3) == 0 { // the ring may change between
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
	}
	s := &session{device: d, node: n, closed: make(chan struct{})}
	n.devices.mu.Lock()
	n.devices.of[d.key] = append(n.devices.of[d.key], s)
	n.devices.mu.Unlock()
	c, _, barrier, err := n.Subscribe(n.devices.id, d.key, 1)
	if err != nil {
		d.fail("subscribe: %v", err)
		return nil, 0, false
	}
	s.channel = c
	begun := d.chaos.order.Add(1)
	if !d.resumes {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen = barrier
		d.mu.Lock()
		d.seen, d.got = barrier, map[int64]bool{}
		d.mu.Unlock()
		for _, m := range s.held {
			s.deliver(m, "held")
		}
		s.live = true
		return s, begun, true
	}
	d.mu.Lock()
	s.seen = d.seen
	d.mu.Unlock()
	if !s.resume() {
		d.leave(s, begun, false)
		return nil, 0, false
	}
	return s, begun, true
}

// resume has the device see what it missed.
func (d *session) resume() bool {
	position, first := d.seen, true
	for {
		page, err := d.node.Resume(d.device.chaos.t.Context(), d.device.key, position, first)
		if err != nil {
			return false
		}
		if page.Gap {
			d.device.fail("resume after %d at %s tells of a gap from %d", position, d.node.name, page.From)
		}
		first = false
		d.mu.Lock()
		for i := range page.Messages {
			m := &page.Messages[i]
			for len(d.held) > 0 && d.held[0].Mid < m.Mid {
				d.deliver(d.held[0], "held")
				d.held = d.held[1:]
			}
			d.deliver(m, "read")
			position = m.Mid
		}
		if page.Last {
			for _, m := range d.held {
				d.deliver(m, "held")
			}
			d.live = true
			d.mu.Unlock()
			return true
		}
		d.mu.Unlock()
	}
}

// leave ends a session. last: it was whole, to the end.
func (d *device) leave(s *session, begun int64, last bool) {
	n := s.node
	s.close()
	n.devices.mu.Lock()
	n.devices.of[d.key] = slices.DeleteFunc(n.devices.of[d.key], func(other *session) bool { return other == s })
	n.devices.mu.Unlock()
	n.Unsubscribe(n.devices.id, s.channel)
	if last {
		d.check(begun)
	}
}

// check tells of what d has not seen though it was to, in a session that begun.
func (d *device) check(begun int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.chaos.pushes() {
		if a.key == d.key && !d.got[a.mid] && (d.resumes || a.begun > begun) {
			d.fail("did not see %d", a.mid)
		}
	}
}
