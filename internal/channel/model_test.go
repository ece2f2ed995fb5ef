package channel_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// model is what a node has promised so far, over restarts.
type model struct {
	clock *clock
	store *memory.Store
	hub   *channel.Hub
	sink  *sink
	stop  func()

	keys    map[string]*modelKey
	readers []*modelReader
	pattern *modelReader // nil: nobody subscribes to all
}

// modelKey is what is known of a key.
type modelKey struct {
	stored []int64 // mids
	held   int64   // the newest that went to anybody who subscribed
	heard  int64   // and since the channel that there is now was made; 0: none
}

func (k *modelKey) last() int64 {
	if len(k.stored) == 0 {
		return 0
	}
	return k.stored[len(k.stored)-1]
}

// modelReader is who subscribes to a key, follows it, or subscribes to all keys.
type modelReader struct {
	key      string // "": all
	follower bool
	channel  *channel.Channel
	from     int   // how much had been posted to the channel before
	barrier  int64 // nothing at or below it is looked at
	upto     int64 // what a resume read: nothing new may be at or below it
	want     []int64
}

func (m *model) open(t *rapid.T) {
	h, err := channel.Open(context.Background(), channel.Config{Store: m.store, Node: "n", Now: m.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	m.hub, m.sink = h, &sink{posted: make(map[*channel.Channel][]message.Message)}
	m.sink.id = h.Attach(m.sink)
	running.Go(func() { h.Run(ctx) })
	m.stop = func() { cancel(); running.Wait() }
}

func (m *model) restart(t *rapid.T) {
	m.stop()
	m.readers, m.pattern = nil, nil
	for _, k := range m.keys {
		k.heard = 0
	}
	m.open(t)
}

func (m *model) count(key string, follower bool) (n int) {
	for _, r := range m.readers {
		if r.key == key && r.follower == follower {
			n++
		}
	}
	return n
}

// read has somebody subscribe to, or follow, a key.
func (m *model) read(t *rapid.T, key string, follower bool) *modelReader {
	r := &modelReader{key: key, follower: follower}
	var err error
	if follower {
		var last int64
		var known bool
		r.channel, _, last, known, err = m.hub.Follow(m.sink.id, key, 1)
		if want := m.keys[key].last(); known && last != want {
			t.Fatalf("Follow(%s): the last stored mid is %d, want %d", key, last, want)
		}
	} else {
		r.channel, _, r.barrier, err = m.hub.Subscribe(m.sink.id, key, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.from = len(m.sink.of(r.channel))
	m.readers = append(m.readers, r)
	return r
}

func (m *model) leave(i int) {
	r := m.readers[i]
	m.readers = slices.Delete(m.readers, i, i+1)
	if r.follower {
		m.hub.Unfollow(m.sink.id, r.channel)
	} else {
		m.hub.Unsubscribe(m.sink.id, r.channel)
	}
	if m.count(r.key, true)+m.count(r.key, false) == 0 {
		m.keys[r.key].heard = 0
	}
}

// resume has r read all that is stored after mid.
func (m *model) resume(t *rapid.T, r *modelReader, mid int64) {
	var got []int64
	for at, first := mid, true; ; first = false {
		p, err := m.hub.Resume(context.Background(), r.key, at, first)
		if err != nil {
			t.Fatal(err)
		}
		for _, msg := range p.Messages {
			got = append(got, msg.Mid)
			at = msg.Mid
		}
		r.upto = max(r.upto, p.Upto)
		if p.Last {
			break
		}
	}
	var want []int64
	for _, s := range m.keys[r.key].stored {
		if s > mid {
			want = append(want, s)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("Resume(%s, %d) = %v, want %v", r.key, mid, got, want)
	}
}

// push pushes and checks the receipt, then what came of it.
func (m *model) push(t *rapid.T, p message.Push) {
	k, now, subscribers := m.keys[p.Key], m.clock.mid(), m.count(p.Key, false)
	r := m.hub.Publish(context.Background(), []message.Push{p})[0]
	asked := p.Mids != (message.Span{})
	switch {
	case r.Err != nil && !asked:
		t.Fatalf("push to %s: %v", p.Key, r.Err)
	case errors.Is(r.Err, message.ErrMid) && subscribers == 0 && p.Mids.Last > max(k.last(), k.heard)+message.MidStep:
		t.Fatalf("push to %s of %+v: %v; the last stored mid is %d, nobody has heard more", p.Key, p.Mids, r.Err, k.last())
	case r.Err != nil && !errors.Is(r.Err, message.ErrMid) && !errors.Is(r.Err, message.ErrMidAhead):
		t.Fatalf("push to %s of %+v: %v", p.Key, p.Mids, r.Err)
	case r.Err != nil:
		return
	case asked && (r.Mid < p.Mids.First || r.Mid > p.Mids.Last || r.Mid > now+36_000_000_000):
		t.Fatalf("push to %s of %+v got mid %d; the clock is at %d", p.Key, p.Mids, r.Mid, now)
	case r.Stored && r.Mid <= k.last(), !asked && r.Mid <= k.held && (r.Stored || subscribers > 0), r.Stored && r.Mid <= k.heard:
		t.Fatalf("push to %s (%+v) got mid %d; stored until %d, held until %d", p.Key, p.Mids, r.Mid, k.last(), k.held)
	}
	want := subscribers
	if m.pattern != nil {
		want++
		m.pattern.want = append(m.pattern.want, r.Mid)
	}
	if r.Subscribers != want || r.Stored != (p.Expire > 0) {
		t.Fatalf("push to %s: %+v, want %d subscribers", p.Key, r, want)
	}
	m.released(t, k, p.Key, r, subscribers)
}

func (m *model) released(t *rapid.T, k *modelKey, key string, r message.Receipt, subscribers int) {
	if r.Stored {
		k.stored = append(k.stored, r.Mid)
	}
	if subscribers > 0 {
		k.held, k.heard = max(k.held, r.Mid), r.Mid
	}
	for _, reader := range m.readers {
		if reader.key != key || (reader.follower && !r.Stored) {
			continue
		}
		if r.Mid <= reader.upto {
			t.Fatalf("push to %s got mid %d, a resume had read up to %d", key, r.Mid, reader.upto)
		}
		reader.want = append(reader.want, r.Mid)
	}
}

// check compares what was posted with what should have been.
func (m *model) check(t *rapid.T) {
	readers := m.readers
	if m.pattern != nil {
		readers = append(slices.Clone(readers), m.pattern)
	}
	for _, r := range readers {
		var got []int64
		for _, msg := range m.sink.of(r.channel)[r.from:] {
			if msg.Mid > r.barrier && (!r.follower || msg.Stored()) {
				got = append(got, msg.Mid)
			}
		}
		if !slices.Equal(got, r.want) || (r.key != "" && !slices.IsSorted(got)) {
			t.Fatalf("reader of %q (follower: %v, barrier %d) was posted %v, want %v in order", r.key, r.follower, r.barrier, got, r.want)
		}
	}
}

// span draws what mids a push asks for: near what the key has, near the clock, or anywhere.
func (m *model) span(t *rapid.T, k *modelKey) message.Span {
	base := rapid.SampledFrom([]int64{0, k.last(), k.held, m.clock.mid(), m.clock.mid() + 35_999_990_000}).Draw(t, "base")
	first := max(1, base+rapid.Int64Range(-20_000, 20_000).Draw(t, "offset"))
	if first > 1<<53 {
		first &^= message.MidStep - 1
	}
	return message.Span{First: first, Last: first + rapid.SampledFrom([]int64{0, 9999}).Draw(t, "length")}
}

func TestPromisesHoldForMidsThatAreAskedFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{clock: newClock(), store: memory.New(memory.Config{MaxStoredPerKey: math.MaxInt32}), keys: make(map[string]*modelKey)}
		names := make([]string, 3)
		for i := range names {
			names[i] = fmt.Sprint("k", i)
			m.keys[names[i]] = new(modelKey)
		}
		m.open(t)
		defer func() { m.stop() }()
		key := func() string { return rapid.SampledFrom(names).Draw(t, "key") }
		publish := func(expire time.Duration) func(*rapid.T) {
			return func(t *rapid.T) { m.push(t, message.Push{Key: key(), Expire: expire}) }
		}
		asked := func(t *rapid.T) {
			k := key()
			m.push(t, message.Push{Key: k, Expire: math.MaxInt64, Mids: m.span(t, m.keys[k])})
		}
		t.Repeat(map[string]func(*rapid.T){
			"":          m.check,
			"stored":    publish(math.MaxInt64),
			"live":      publish(0),
			"asked":     asked,
			"askedAnew": asked,
			"subscribe": func(t *rapid.T) { m.read(t, key(), false) },
			"follow":    func(t *rapid.T) { m.read(t, key(), true) },
			"resume": func(t *rapid.T) {
				k := key()
				r := m.read(t, k, false)
				known := append([]int64{0, m.keys[k].held}, m.keys[k].stored...)
				m.resume(t, r, rapid.SampledFrom(known).Draw(t, "mid"))
			},
			"leave": func(t *rapid.T) {
				if len(m.readers) > 0 {
					m.leave(rapid.IntRange(0, len(m.readers)-1).Draw(t, "reader"))
				}
			},
			"pattern": func(t *rapid.T) {
				if m.pattern != nil {
					m.hub.UnsubscribePattern(m.sink.id, m.pattern.channel)
					m.pattern = nil
					return
				}
				c, _, err := m.hub.SubscribePattern(m.sink.id, "*", 1)
				if err != nil {
					t.Fatal(err)
				}
				m.pattern = &modelReader{channel: c, from: len(m.sink.of(c))}
			},
			"time": func(t *rapid.T) {
				m.clock.move(time.Duration(rapid.Int64Range(-60_000, 3_600_000).Draw(t, "ms")) * time.Millisecond)
			},
			"restart": m.restart,
		})
	})
}
