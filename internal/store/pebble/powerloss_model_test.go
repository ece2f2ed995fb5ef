package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/pebble"
)

// witness is what a machine has acknowledged and shown so far, over all losses of its power. It is the sink of its hub.
type witness struct {
	t            *testing.T
	keys         []*knownKey
	acknowledged atomic.Int64 // operations
	highest      atomic.Int64 // mid that the clock gave
	floor        int64        // the highest of those before the last loss
	sink         channel.SinkID

	gate sync.RWMutex // held for writing while the power is taken
	lost bool         // nothing is noted any more; guarded by gate
}

// knownKey is what is known of a key. Its worker does one thing at a time with it.
type knownKey struct {
	name     string
	number   uint32
	expiring bool // its messages expire
	ahead    bool // its pushes may ask for their mids
	state    keyState
	doing    *act // what is not acknowledged yet
	pushes   int  // ever begun
	idem     []string
	heard    bool // somebody subscribes

	mu    sync.Mutex // guards shown
	shown []message.Message
}

// keyState is what is stored for a key.
type keyState struct {
	k        *witness
	key      *knownKey
	messages []knownMessage // oldest first
	last     int64          // mid; -1: it is not known
	least    int64          // where last is not known: what it is at least
	seen     int64          // the highest mid of a live-only message that a subscriber has
	groups   map[string]*knownGroup
	tokens   map[[32]byte]time.Duration // their lifetimes
	idem     map[string]int64           // idempotency keys that were stored, with their mids; 0: which is not known
}

type knownMessage struct {
	payload string
	mid     int64 // 0: not known
	prev    int64 // or one of these
	until   int64 // when it expires at the earliest, ns; math.MaxInt64: never
}

const (
	prevBefore = -1 // the mid of the message before it
	anyPrev    = -2 // not known
)

// pushed is a message that is pushed.
type pushed struct {
	payload string
	expire  time.Duration
	until   int64
	trim    message.Trim
	mids    message.Span
	idem    string // idempotency key; "": none
}

type knownGroup struct {
	start        int64
	given, acked map[int64]bool
}

func newKnownGroup(start int64) *knownGroup {
	return &knownGroup{start: start, given: map[int64]bool{}, acked: map[int64]bool{}}
}

func (g *knownGroup) ack(mids []int64) {
	for _, mid := range mids {
		delete(g.given, mid)
		g.acked[mid] = true
	}
}

func newWitness(t *testing.T) *witness {
	k := &witness{t: t}
	for i := range powerWorkers * keysOfWorker {
		key := &knownKey{name: fmt.Sprint("key", i), number: uint32(i), expiring: i%keysOfWorker == 1, ahead: i%keysOfWorker == 2}
		key.state = keyState{k: k, key: key, groups: map[string]*knownGroup{}, tokens: map[[32]byte]time.Duration{}, idem: map[string]int64{}}
		k.keys = append(k.keys, key)
	}
	return k
}

// payload is one that no other message has; some are long, so that a few fill a memtable.
func (k *knownKey) payload(rng *rand.Rand) string {
	k.pushes++
	return fmt.Sprint(k.name, " ", k.pushes, " ", strings.Repeat("x", rng.IntN(1<<rng.IntN(13))))
}

// repeats returns an idempotency key: often one of the last, so that what was under way when the power was lost is tried again.
func (k *knownKey) repeats(rng *rand.Rand) string {
	if len(k.idem) > 0 && rng.IntN(3) == 0 {
		return k.idem[len(k.idem)-1-rng.IntN(min(len(k.idem), 20))]
	}
	k.idem = append(k.idem, fmt.Sprint("once ", len(k.idem)))
	return k.idem[len(k.idem)-1]
}

// begin begins with what is left of a disk.
func (k *witness) begin() {
	k.lost = false
	k.floor = k.highest.Load()
	for _, key := range k.keys {
		key.heard = false
	}
}

// freeze has nothing be noted from now on, what do does included.
func (k *witness) freeze(do func()) {
	k.gate.Lock()
	defer k.gate.Unlock()
	do()
	k.lost = true
}

// starts notes that a is being done with key, unless the power is gone.
func (k *witness) starts(key *knownKey, a *act) bool {
	k.gate.RLock()
	defer k.gate.RUnlock()
	if !k.lost {
		key.doing = a
	}
	return !k.lost
}

// ended notes that it was done, unless the power is gone.
func (k *witness) ended(key *knownKey, done func(*keyState)) bool {
	k.gate.RLock()
	defer k.gate.RUnlock()
	if k.lost {
		return false
	}
	done(&key.state)
	key.doing = nil
	k.acknowledged.Add(1)
	return true
}

// resolve has key be what was found, unless the power is gone.
func (k *witness) resolve(t *testing.T, clock *steppedClock, key *knownKey, f found) {
	k.gate.RLock()
	defer k.gate.RUnlock()
	if !k.lost {
		key.check(t, clock, f)
	}
}

func (k *witness) attach(hub *channel.Hub) { k.sink = hub.Attach(k) }

// listen has somebody subscribe to key.
func (k *witness) listen(hub *channel.Hub, key *knownKey) {
	if key.heard {
		return
	}
	key.heard = true
	if _, _, _, err := hub.Subscribe(k.sink, key.name, key.number); err != nil {
		k.t.Errorf("Subscribe(%s): %v", key.name, err)
	}
}

// Post notes what is shown.
func (k *witness) Post(_ *channel.Channel, ref uint32, m *message.Message) {
	if !m.Stored() {
		return // its push notes that
	}
	k.gate.RLock()
	defer k.gate.RUnlock()
	if k.lost {
		return
	}
	key := k.keys[ref]
	key.mu.Lock()
	defer key.mu.Unlock()
	key.shown = append(key.shown, *m)
}

func (k *witness) Kick(*channel.Channel, uint32, []uint64, chan<- int) {}
func (k *witness) Flush()                                              {}
func (k *witness) Admit()                                              {}
func (k *witness) Crowded() bool                                       { return false }

// gave notes that the clock gave mid to a message.
func (s *keyState) gave(mid int64, what string) {
	if least := max(s.seen, s.last); mid <= least {
		s.k.t.Errorf("%s of %s has mid %d, and %d was given before", what, s.key.name, mid, least)
	}
	if s.key.ahead {
		return
	}
	if mid <= s.k.floor {
		s.k.t.Errorf("%s of %s has mid %d, and before the power was lost mids up to %d were given", what, s.key.name, mid, s.k.floor)
	}
	for highest := s.k.highest.Load(); highest < mid && !s.k.highest.CompareAndSwap(highest, mid); highest = s.k.highest.Load() {
	}
}

// push puts p at the end, unless it repeats another; mid 0: it is not known.
func (s *keyState) push(p pushed, mid int64) {
	if p.idem != "" {
		if _, repeats := s.idem[p.idem]; repeats {
			return
		}
		s.idem[p.idem] = mid
	}
	room := powerCap
	if p.trim.Keep > 0 {
		room = min(room, p.trim.Keep)
	}
	s.messages = s.messages[max(0, len(s.messages)-room+1):]
	m := knownMessage{payload: p.payload, mid: mid, prev: s.last, until: p.until}
	if s.last < 0 {
		m.prev = prevBefore
	}
	s.messages = append(s.messages, m)
	if s.least = max(s.least, s.last+1); mid > 0 {
		s.least = 0
	}
	if s.last = mid; mid == 0 {
		s.last = -1
	}
	s.trim(-1, p.trim.MinMid)
}

// repeated tells whether p repeats another push, as r should say.
func (s *keyState) repeated(p pushed, r message.Receipt) bool {
	first, repeats := s.idem[p.idem]
	if repeats != r.Duplicate || repeats && first != 0 && first != r.Mid {
		s.k.t.Errorf("a push to %s with the idempotency key %q, which was stored as %d (%v), is answered with %+v", s.key.name, p.idem, first, repeats, r)
	}
	return repeats
}

// trim removes the oldest while there are more than keep, and those below minMid.
func (s *keyState) trim(keep int, minMid int64) {
	for len(s.messages) > 0 && (keep >= 0 && len(s.messages) > keep || s.messages[0].mid != 0 && s.messages[0].mid < minMid) {
		s.messages = s.messages[1:]
	}
}

func (s *keyState) delete(mids ...int64) {
	s.messages = slices.DeleteFunc(slices.Clone(s.messages), func(m knownMessage) bool { return slices.Contains(mids, m.mid) })
}

func (s *keyState) clear() {
	s.messages = nil
	clear(s.groups)
}

func (s *keyState) clone() keyState {
	c := *s
	c.messages = slices.Clone(s.messages)
	c.tokens = maps.Clone(s.tokens)
	c.idem = maps.Clone(s.idem)
	c.groups = map[string]*knownGroup{}
	for name, g := range s.groups {
		c.groups[name] = &knownGroup{g.start, maps.Clone(g.given), maps.Clone(g.acked)}
	}
	return c
}

// candidates are what may be stored for the key: what was acknowledged, and what was under way, as much of it as may be.
func (key *knownKey) candidates() []keyState {
	all := []keyState{key.state.clone()}
	if key.doing == nil {
		return all
	}
	for _, p := range key.doing.push {
		next := all[len(all)-1].clone()
		next.push(p, 0)
		all = append(all, next)
	}
	if key.doing.may != nil {
		next := all[0].clone()
		key.doing.may(&next)
		all = append(all, next)
	}
	return all
}

// found is what the store says of a key.
type found struct {
	messages []message.Message
	info     message.KeyInfo
	groups   []message.Group
	pending  map[string][]message.Pending
	tokens   map[[32]byte]time.Duration
}

// check compares what is stored with what is known, which it is from then on.
func (k *witness) check(t *testing.T, clock *steppedClock, s *pebble.Store, hub *channel.Hub) {
	t.Helper()
	for _, key := range k.keys {
		f, err := find(s, hub, key.name)
		if err != nil {
			t.Errorf("read %s: %v", key.name, err)
			return
		}
		key.check(t, clock, f)
	}
	if limit, err := s.MidLimit(context.Background()); err != nil || limit < k.highest.Load() {
		t.Errorf("MidLimit = %d, %v, and mids up to %d were given", limit, err, k.highest.Load())
	}
}

func find(s *pebble.Store, hub *channel.Hub, key string) (f found, err error) {
	ctx := context.Background()
	note := func(e error) { err = errors.Join(err, e) }
	var e error
	f.messages, e = hub.Range(ctx, key, 0, math.MaxInt64, false, 0, 0)
	note(e)
	f.info, e = hub.Info(ctx, key)
	note(e)
	f.groups, e = s.GroupsOf(ctx, key)
	if errors.Is(e, message.ErrNoKey) {
		e = nil
	}
	note(e)
	f.pending = map[string][]message.Pending{}
	for _, g := range f.groups {
		f.pending[g.Name], e = s.PendingRange(ctx, key, g.Name, message.PendingFilter{To: math.MaxInt64, Count: math.MaxInt32})
		note(e)
	}
	f.tokens = map[[32]byte]time.Duration{}
	for i := range byte(5) {
		lifetime, _, there, e := s.Token(ctx, key, [32]byte{i})
		note(e)
		if there {
			f.tokens[[32]byte{i}] = lifetime
		}
	}
	return f, err
}

func (key *knownKey) check(t *testing.T, clock *steppedClock, f found) {
	t.Helper()
	var why []string
	all := key.candidates()
	for i := range all {
		if key.doing != nil && key.doing.push != nil {
			i = len(all) - 1 - i // the most first: of what expired it is not known whether it is there
		}
		c := all[i]
		err := errors.Join(c.accept(&f, clock.highest.Load()), key.wasShown(i))
		if err == nil {
			key.state, key.doing, key.shown = c, nil, nil
			return
		}
		why = append(why, fmt.Sprintf("%d: %v", i, err))
	}
	name := "nothing"
	if key.doing != nil {
		name = key.doing.name
	}
	t.Errorf("%s, with %s under way when the power was lost, has what was not done, or has not what was acknowledged:\n%s", key.name, name, strings.Join(why, "\n"))
}

// wasShown fails if more was shown of the pushes under way than the first n.
func (key *knownKey) wasShown(n int) error {
	for _, m := range key.shown {
		if key.doing == nil {
			continue
		}
		for i, p := range key.doing.push {
			if i >= n && p.payload == string(m.Payload) {
				return fmt.Errorf("%d was shown, and is not stored", m.Mid)
			}
		}
	}
	return nil
}

// accept fails if f is not s; else s is what f is. highest is the latest that the clock ever was.
func (s *keyState) accept(f *found, highest int64) error {
	if err := s.acceptMessages(f.messages, highest); err != nil {
		return err
	}
	if !maps.Equal(f.tokens, s.tokens) {
		return fmt.Errorf("the tokens are %v, want %v", f.tokens, s.tokens)
	}
	if s.last >= 0 && f.info.Last != s.last || f.info.Last < s.least {
		return fmt.Errorf("last is %d, want %d, or at least %d", f.info.Last, s.last, s.least)
	}
	if n := len(f.messages); n > 0 && f.info.Last < f.messages[n-1].Mid {
		return fmt.Errorf("last is %d, below the message %d", f.info.Last, f.messages[n-1].Mid)
	}
	if !s.key.expiring && f.info.Stored != len(f.messages) {
		return fmt.Errorf("the record has %d messages, there are %d", f.info.Stored, len(f.messages))
	}
	s.last, s.least = f.info.Last, 0
	return s.acceptGroups(f)
}

func (s *keyState) acceptMessages(got []message.Message, highest int64) error {
	var there []knownMessage
	before := int64(-1) // the mid of the one that was known before; -1: it is not there
	for _, m := range s.messages {
		if len(got) == 0 || string(got[0].Payload) != m.payload {
			if m.until > highest {
				return fmt.Errorf("%.20q (%d) is not there; at its place is %s", m.payload, m.mid, first(got))
			}
			if before = -1; m.mid == 0 {
				m.prev = anyPrev
			}
			there = append(there, m) // it may be seen again when the clock is set back
			continue
		}
		if m.mid != 0 && m.mid != got[0].Mid {
			return fmt.Errorf("%.20q was %d, and is %d", m.payload, m.mid, got[0].Mid)
		}
		if m.prev == prevBefore {
			m.prev = before
		}
		if m.prev >= 0 && m.prev != got[0].Prev {
			return fmt.Errorf("%.20q has prev %d, want %d", m.payload, got[0].Prev, m.prev)
		}
		m.mid, m.prev, before = got[0].Mid, got[0].Prev, got[0].Mid
		there = append(there, m)
		got = got[1:]
	}
	if len(got) > 0 {
		return fmt.Errorf("%s is there", first(got))
	}
	s.messages = there
	return nil
}

func first(messages []message.Message) string {
	if len(messages) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%.20q (%d)", messages[0].Payload, messages[0].Mid)
}

func (s *keyState) acceptGroups(f *found) error {
	if len(f.groups) != len(s.groups) {
		return fmt.Errorf("it has the groups %+v, want %d", f.groups, len(s.groups))
	}
	for _, g := range f.groups {
		known := s.groups[g.Name]
		if known == nil {
			return fmt.Errorf("it has a group %s", g.Name)
		}
		if err := known.accept(s, &g, f); err != nil {
			return fmt.Errorf("group %s: %w", g.Name, err)
		}
	}
	return nil
}

func (known *knownGroup) accept(s *keyState, g *message.Group, f *found) error {
	listed := f.pending[g.Name]
	if g.Pending != len(listed) {
		return fmt.Errorf("%d are pending, listed are %d", g.Pending, len(listed))
	}
	pending := map[int64]bool{}
	for _, p := range listed {
		pending[p.Mid] = true
		switch {
		case known.acked[p.Mid]:
			return fmt.Errorf("%d was acknowledged, and is pending", p.Mid)
		case p.Mid > g.Last:
			return fmt.Errorf("%d is pending, and the group is at %d", p.Mid, g.Last)
		}
	}
	for mid := range known.acked {
		if mid > g.Last {
			return fmt.Errorf("%d was acknowledged, and the group is at %d", mid, g.Last)
		}
	}
	for _, m := range s.messages {
		if !s.key.expiring && m.mid > known.start && m.mid <= g.Last && !known.acked[m.mid] && !pending[m.mid] {
			return fmt.Errorf("%d is stored, not acknowledged and not pending, and the group is at %d", m.mid, g.Last)
		}
	}
	known.given = pending
	return nil
}
