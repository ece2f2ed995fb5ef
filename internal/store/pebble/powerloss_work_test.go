package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/pebble"
)

// worker does one thing after the other with its keys, which are nobody else's.
type worker struct {
	t     *testing.T
	rng   *rand.Rand
	keys  []*knownKey
	k     *witness
	clock *steppedClock
	store *pebble.Store
	hub   *channel.Hub

	failing bool // operations on the disk fail for a while
}

// act is something that is done to a key: do does it, and returns what the key is by that, once it was acknowledged.
type act struct {
	name string
	push []pushed        // what is pushed, in order
	may  func(*keyState) // what the key may be by it, if it is not known to be done; with push: nil

	unknown []pushed // those of push of which nobody knows whether they were stored; set by do
	do      func() (func(*keyState), error)
}

func (w *worker) run(lost <-chan struct{}, rounds int) {
	for range rounds {
		select {
		case <-lost:
			return
		default:
		}
		k := w.keys[w.rng.IntN(len(w.keys))]
		a := w.choose(k)
		if a == nil || !w.k.starts(k, a) {
			continue
		}
		done, err := a.do()
		if !w.k.ended(k, done) {
			return // by then the power was gone
		}
		switch {
		case err == nil:
		case w.failing && (errors.Is(err, message.ErrUnavailable) || errors.Is(err, message.ErrUnknown)):
			w.settle(k, a, err, lost)
		default:
			w.t.Errorf("%s of %s: %v", a.name, k.name, err)
			return
		}
	}
}

// settle waits until the store works, and finds out what became of a, which failed.
func (w *worker) settle(k *knownKey, a *act, why error, lost <-chan struct{}) {
	if a.push != nil && len(a.unknown) > 0 || a.push == nil && errors.Is(why, message.ErrUnknown) {
		w.k.starts(k, &act{name: a.name, push: a.unknown, may: a.may})
	}
	for {
		select {
		case <-lost:
			return
		case <-time.After(time.Millisecond):
		}
		if w.store.Healthy() != nil {
			continue
		}
		f, err := find(w.store, w.hub, k.name)
		if err == nil {
			w.k.resolve(w.t, w.clock, k, f)
			return
		}
	}
}

// choose decides what is done next.
func (w *worker) choose(k *knownKey) *act {
	if k.expiring && len(k.state.messages) > powerCap-maxBurst {
		return w.deleteAll(k) // what was dropped because there were too many is not known of what expires
	}
	switch n := w.rng.IntN(100); {
	case n < 55:
		return w.push(k)
	case n < 62:
		return w.pushLive(k)
	case n < 68:
		return w.delete(k)
	case n < 72:
		return w.trim(k)
	case n < 74:
		return w.deleteAll(k)
	case n < 78:
		return w.group(k)
	case n < 94 && w.failing:
		return w.push(k) // deliveries are not known after a failure
	case n < 86:
		return w.read(k)
	case n < 94:
		return w.ack(k)
	case n < 97:
		return w.token(k)
	case n < 98:
		w.clock.move(time.Duration(w.rng.Int64N(int64(maxStep))) - maxStep/10)
	default:
		w.k.listen(w.hub, k)
	}
	return nil
}

const (
	maxBurst = 5                      // messages that are pushed at once
	maxStep  = 100 * time.Millisecond // that the clock is set while the store is open; a tenth of it back
	maxBack  = time.Second            // that it goes back in all while something is pushed
)

// push pushes some messages at once.
func (w *worker) push(k *knownKey) *act {
	a := &act{name: "push"}
	pushes := make([]message.Push, 1+w.rng.IntN(maxBurst))
	for i := range pushes {
		p := pushed{payload: k.payload(w.rng), expire: math.MaxInt64, until: math.MaxInt64}
		switch {
		case k.expiring:
			p.expire = time.Duration(1+w.rng.IntN(3)) * []time.Duration{time.Second, time.Minute, time.Hour}[w.rng.IntN(3)]
			p.until = w.clock.at.Load() + int64(p.expire-maxBack)
		case w.rng.IntN(10) == 0:
			p.trim.Keep = 1 + w.rng.IntN(powerCap)
		case w.rng.IntN(10) == 0 && len(k.state.messages) > 0:
			p.trim.MinMid = k.state.messages[w.rng.IntN(len(k.state.messages))].mid
		}
		if k.ahead && w.rng.IntN(10) == 0 {
			p.mids = message.Span{First: message.MidAt(w.clock.now().Add(time.Duration(w.rng.Int64N(int64(30 * time.Minute))))), Last: 1 << 62}
		}
		if !k.expiring && w.rng.IntN(4) == 0 {
			p.idem = k.repeats(w.rng)
		}
		a.push = append(a.push, p)
		pushes[i] = message.Push{Key: k.name, Payload: []byte(p.payload), Expire: p.expire, Trim: p.trim, Mids: p.mids, IdemKey: []byte(p.idem)}
	}
	a.do = func() (func(*keyState), error) {
		receipts := w.hub.Publish(context.Background(), pushes)
		return func(s *keyState) {
			for i, r := range receipts {
				if errors.Is(r.Err, message.ErrUnknown) {
					a.unknown = append(a.unknown, a.push[i])
				}
				if r.Err != nil || s.repeated(a.push[i], r) {
					continue
				}
				if pushes[i].Mids == (message.Span{}) {
					s.gave(r.Mid, "a message")
				}
				s.push(a.push[i], r.Mid)
			}
		}, refusals(receipts)
	}
	return a
}

// refusals returns why a push was refused, but for what is to be refused.
func refusals(receipts []message.Receipt) error {
	for _, r := range receipts {
		if r.Err != nil && !errors.Is(r.Err, message.ErrMidAhead) && !errors.Is(r.Err, message.ErrSkipped) {
			return r.Err
		}
	}
	return nil
}

func (w *worker) pushLive(k *knownKey) *act {
	a := &act{name: "push live only", may: func(*keyState) {}}
	a.do = func() (func(*keyState), error) {
		r := w.hub.Publish(context.Background(), []message.Push{{Key: k.name, Payload: []byte("live")}})[0]
		return func(s *keyState) {
			if r.Err == nil && r.Subscribers > 0 {
				s.gave(r.Mid, "a live-only message")
				s.seen = r.Mid
			}
		}, r.Err
	}
	return a
}

// simple is an act that has done what it does when it is acknowledged, or had no need to.
func simple(name string, what func(*keyState), do func() error) *act {
	return &act{name: name, may: what, do: func() (func(*keyState), error) {
		err := do()
		if err != nil {
			return func(*keyState) {}, err
		}
		return what, nil
	}}
}

func (w *worker) delete(k *knownKey) *act {
	var mids []int64
	for _, m := range k.state.messages {
		if m.mid != 0 && w.rng.IntN(4) == 0 {
			mids = append(mids, m.mid)
		}
	}
	if len(mids) == 0 {
		return nil
	}
	return simple("delete", func(s *keyState) { s.delete(mids...) }, func() error {
		_, err := w.hub.Delete(context.Background(), k.name, mids...)
		return err
	})
}

func (w *worker) deleteAll(k *knownKey) *act {
	return simple("delete whole", (*keyState).clear, func() error {
		_, err := w.hub.Delete(context.Background(), k.name)
		return err
	})
}

func (w *worker) trim(k *knownKey) *act {
	keep, minMid := -1, int64(0)
	switch {
	case len(k.state.messages) == 0 || k.expiring:
		return nil
	case w.rng.IntN(2) == 0:
		keep = w.rng.IntN(powerCap)
	default:
		minMid = k.state.messages[w.rng.IntN(len(k.state.messages))].mid
	}
	return simple("trim", func(s *keyState) { s.trim(keep, minMid) }, func() error {
		_, err := w.hub.Trim(context.Background(), k.name, keep, minMid)
		return err
	})
}

// group makes or removes a device's cursor.
func (w *worker) group(k *knownKey) *act {
	name := fmt.Sprint("g", w.rng.IntN(2))
	if k.state.groups[name] != nil && w.rng.IntN(3) == 0 {
		return simple("destroy group", func(s *keyState) { delete(s.groups, name) }, func() error {
			_, err := w.store.DestroyGroup(context.Background(), k.name, name)
			return err
		})
	}
	if k.state.groups[name] != nil {
		return nil
	}
	from := int64(0)
	if w.rng.IntN(2) == 0 {
		from = k.state.last
	}
	return simple("create group", func(s *keyState) { s.groups[name] = newKnownGroup(from) }, func() error {
		return w.store.CreateGroup(context.Background(), k.name, name, from, true)
	})
}

// read has a device get what it was not given. A crash may undo that.
func (w *worker) read(k *knownKey) *act {
	name := w.someGroup(k)
	if name == "" {
		return nil
	}
	consumer, count := fmt.Sprint("c", w.rng.IntN(2)), 1+w.rng.IntN(8)
	return &act{name: "read group", may: func(*keyState) {}, do: func() (func(*keyState), error) {
		got, err := w.store.ReadGroup(context.Background(), message.GroupRead{Key: k.name, Group: name, Consumer: consumer, Count: count})
		return func(s *keyState) {
			g := s.groups[name]
			for _, m := range got {
				if g.acked[m.Mid] {
					w.t.Errorf("group %s of %s is given %d again, which it has acknowledged", name, k.name, m.Mid)
				}
				g.given[m.Mid] = true
			}
		}, err
	}}
}

// ack has a device acknowledge some of what it was given.
func (w *worker) ack(k *knownKey) *act {
	name := w.someGroup(k)
	if name == "" {
		return nil
	}
	var mids []int64
	for mid := range k.state.groups[name].given {
		if len(mids) < 6 {
			mids = append(mids, mid)
		}
	}
	if len(mids) == 0 {
		return nil
	}
	return simple("acknowledge", func(s *keyState) { s.groups[name].ack(mids) }, func() error {
		_, err := w.store.Ack(context.Background(), k.name, name, mids...)
		return err
	})
}

func (w *worker) someGroup(k *knownKey) string {
	for name := range k.state.groups {
		return name
	}
	return ""
}

func (w *worker) token(k *knownKey) *act {
	hash := [32]byte{byte(w.rng.IntN(5))}
	switch w.rng.IntN(4) {
	case 0:
		return simple("delete tokens", func(s *keyState) { clear(s.tokens) }, func() error {
			_, err := w.store.DeleteTokens(context.Background(), k.name)
			return err
		})
	case 1:
		return simple("delete token", func(s *keyState) { delete(s.tokens, hash) }, func() error {
			_, err := w.store.DeleteTokens(context.Background(), k.name, hash)
			return err
		})
	}
	lifetime := time.Hour + time.Duration(w.rng.Int64N(int64(time.Hour)))
	return simple("put token", func(s *keyState) { s.tokens[hash] = lifetime }, func() error {
		return w.store.PutToken(context.Background(), k.name, hash, lifetime, message.Never)
	})
}
