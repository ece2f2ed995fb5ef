package channel_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// device is a connection that resumes whenever it is closed, now at one member, now at another, and notes what it came to know.
type device struct {
	all   []*member
	sinks []*deviceSink // one at each member
	key   string

	position int64         // mid of the last message that came
	events   []deviceEvent // in order
}

type deviceEvent struct {
	at    string    // of a resume: the member; "": a message came
	mid   int64     // of the message, or what was resumed after
	prev  int64     // of the message
	gap   bool      // of a resume: it was told of one
	upto  int64     // of a resume: that of its first page
	since time.Time // of a resume: when it began
}

// deviceSink has one subscriber at a time.
type deviceSink struct {
	id channel.SinkID

	mu     sync.Mutex
	posted []message.Message
	closed bool
}

func (s *deviceSink) Post(_ *channel.Channel, _ uint32, m *message.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.posted = append(s.posted, *m)
	}
}

func (s *deviceSink) Kick(_ *channel.Channel, _ uint32, _ []uint64, closed chan<- int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	closed <- 1
}
func (s *deviceSink) Flush()        {}
func (s *deviceSink) Admit()        {}
func (s *deviceSink) Crowded() bool { return false }

func (s *deviceSink) take() (posted []message.Message, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	posted, s.posted = s.posted, nil
	return posted, s.closed
}

// run connects until ctx ends.
func (d *device) run(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		d.connect(ctx, random.IntN(len(d.all)), time.Duration(random.IntN(20))*time.Millisecond)
	}
}

func (d *device) connect(ctx context.Context, at int, most time.Duration) {
	m, s := d.all[at], d.sinks[at]
	s.mu.Lock()
	s.posted, s.closed = nil, false
	s.mu.Unlock()
	near, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_ = m.Load(near, d.key)
	c, _, _, err := m.Subscribe(s.id, d.key, 1)
	if err != nil {
		return
	}
	defer m.Unsubscribe(s.id, c)
	began := time.Now()
	for first := true; ; first = false {
		page, err := m.Resume(near, d.key, d.position, first)
		posted, closed := s.take()
		if err != nil || closed {
			return
		}
		if first {
			d.events = append(d.events, deviceEvent{at: m.name, mid: d.position, gap: page.Gap, upto: page.Upto, since: began})
		} else if page.Gap {
			d.events[len(d.events)-1].gap = true
		}
		for i := range page.Messages {
			for len(posted) > 0 && posted[0].Mid < page.Messages[i].Mid {
				d.got(&posted[0])
				posted = posted[1:]
			}
			d.got(&page.Messages[i])
		}
		if page.Last {
			for i := range posted {
				d.got(&posted[i])
			}
			break
		}
		s.mu.Lock()
		s.posted = append(posted, s.posted...)
		s.mu.Unlock()
	}
	for end := time.Now().Add(most); ; time.Sleep(200 * time.Microsecond) {
		posted, closed := s.take()
		for i := range posted {
			d.got(&posted[i])
		}
		if closed || time.Now().After(end) || ctx.Err() != nil {
			return
		}
	}
}

func (d *device) got(m *message.Message) {
	if m.Mid <= d.position {
		return
	}
	d.position = m.Mid
	d.events = append(d.events, deviceEvent{mid: m.Mid, prev: m.Prev})
}

// check finds what d missed and was not told of: acknowledged are the messages that were stored, with when that was known.
func (d *device) check(t *testing.T, acknowledged map[int64]time.Time) {
	mids := slices.Sorted(maps.Keys(acknowledged))
	last, resumed := int64(0), (*deviceEvent)(nil)
	for i := range d.events {
		e := &d.events[i]
		if e.at != "" {
			resumed = e
			continue
		}
		missed := int64(0)
		for n, _ := slices.BinarySearch(mids, last+1); n < len(mids) && mids[n] < e.mid; n++ {
			missed = mids[n]
		}
		switch {
		case missed == 0:
		case e.prev <= last:
			t.Errorf("mid %d has prev %d after %d: %d did not come", e.mid, e.prev, last, missed)
		case resumed != nil && !resumed.gap && acknowledged[missed].Before(resumed.since):
			t.Errorf("resumed at %s after %d (up to %d), got %d with prev %d, and was not told of %d: %+v", resumed.at, resumed.mid, resumed.upto, e.mid, e.prev, missed, d.events[max(0, i-6):i+1])
		}
		last, resumed = e.mid, nil
	}
}

// However links break and owners change, who resumes is told of a gap where what it missed is gone, unless that comes to light later: then it is closed before
// it is posted anything above.
func TestWhoResumesIsToldThroughChangesOfOwner(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			toldThroughChanges(t, seed)
		})
	}
}

func toldThroughChanges(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 2))
	store := &shared{Store: memory.New(memory.Config{MaxStoredPerKey: 100_000})}
	const devices = 6
	sinks := make([][]*deviceSink, devices)
	all := membersWith(t, store, func(m *member) {
		for i := range sinks {
			s := new(deviceSink)
			s.id = m.Attach(s)
			sinks[i] = append(sinks[i], s)
		}
	}, "a", "b")
	all[1].follow(t, all[0], "k")
	acknowledged := map[int64]time.Time{}
	var mu sync.Mutex
	running, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i, m := range all {
		random := rand.New(rand.NewPCG(seed, uint64(10+i)))
		group.Go(func() {
			for n := 0; running.Err() == nil; n++ {
				expire := time.Minute
				if random.IntN(4) == 0 {
					expire = 0
				}
				r := m.push(t, "k", fmt.Sprintf("%s%d ", m.name, n), expire)
				if r.Err == nil && r.Stored {
					mu.Lock()
					acknowledged[r.Mid] = time.Now()
					mu.Unlock()
					if random.IntN(2) == 0 {
						_, _ = m.Delete(context.Background(), "k", r.Mid)
					}
				}
				if random.IntN(6) == 0 {
					time.Sleep(time.Duration(random.IntN(15)) * time.Millisecond)
				}
				time.Sleep(time.Duration(random.IntN(1500)) * time.Microsecond)
			}
		})
	}
	connected := make([]*device, devices)
	for i := range connected {
		d := &device{all: all, sinks: sinks[i], key: "k"}
		connected[i] = d
		random := rand.New(rand.NewPCG(seed, uint64(20+i)))
		group.Go(func() { d.run(running, random) })
	}
	r := reign{all: all, store: store}
	for range 60 {
		r.change(t, random, 3)
		time.Sleep(time.Duration(random.IntN(25)) * time.Millisecond)
	}
	stop()
	group.Wait()
	for _, d := range connected {
		d.check(t, acknowledged)
	}
}
