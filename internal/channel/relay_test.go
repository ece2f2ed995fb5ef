package channel_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// shared is a store that has several hubs: they wait for it, as for one over a network, and it may be away.
type shared struct {
	*memory.Store
	away   atomic.Bool
	before func() // called before Info and Own read; nil: nothing
	owning func() // called before Own; nil: nothing
	stored func() // called when Append has stored; nil: nothing
}

func (s *shared) Append(ctx context.Context, entries []channel.Entry) []error {
	if s.away.Load() {
		errs := make([]error, len(entries))
		for i := range errs {
			errs[i] = channel.ErrUnavailable
		}
		return errs
	}
	results := s.Store.Append(ctx, entries)
	if s.stored != nil {
		s.stored()
	}
	return results
}

func (s *shared) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	if s.away.Load() {
		return nil, channel.ErrUnavailable
	}
	return s.Store.Range(ctx, key, from, to, reverse, limit, maxBytes)
}

func (s *shared) Info(ctx context.Context, key string) (channel.Info, error) {
	if s.away.Load() {
		return channel.Info{}, channel.ErrUnavailable
	}
	if s.before != nil {
		s.before()
	}
	return s.Store.Info(ctx, key)
}

func (s *shared) BeginEpoch(ctx context.Context, known int64) (channel.Epoch, error) {
	if s.away.Load() {
		return channel.Epoch{}, channel.ErrUnavailable
	}
	return s.Store.BeginEpoch(ctx, known)
}

func (s *shared) SetLimitIn(ctx context.Context, epoch int64, node string, limit int64) (channel.Epoch, error) {
	if s.away.Load() {
		return channel.Epoch{}, channel.ErrUnavailable
	}
	return s.Store.SetLimitIn(ctx, epoch, node, limit)
}

func (s *shared) Own(ctx context.Context, key string, owner channel.Owner) (channel.Info, error) {
	if s.away.Load() {
		return channel.Info{}, channel.ErrUnavailable
	}
	if s.before != nil {
		s.before()
	}
	if s.owning != nil {
		s.owning()
	}
	return s.Store.Own(ctx, key, owner)
}

// member is a hub of a cluster of hubs, which feed each other without a network.
type member struct {
	*channel.Hub
	name  string
	owner atomic.Pointer[string] // of all keys, as this member believes
	sink  *sink                  // of its subscribers
	out   *feeder                // posts to the one that follows
	store *shared
}

// feeder is the sink by which another member is fed, as over a link.
type feeder struct {
	id     channel.SinkID
	filled chan struct{} // room for one

	mu    sync.Mutex
	to    *member // nil: nobody
	asked bool    // to has asked, and was not answered yet: what is posted waits
	queue []fed
}

type fed struct {
	message *message.Message
	upto    int64 // without message: the feed of key begins
	key     string
}

func (f *feeder) Post(_ *channel.Channel, _ uint32, m *message.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, fed{message: m})
}

func (f *feeder) Kick(_ *channel.Channel, _ uint32, _ []uint64, closed chan<- int) { closed <- 0 }
func (f *feeder) Admit()                                                           {}
func (f *feeder) Crowded() bool                                                    { return false }

func (f *feeder) Flush() {
	select {
	case f.filled <- struct{}{}:
	default:
	}
}

// run feeds until ctx ends.
func (f *feeder) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.filled:
		}
		f.mu.Lock()
		to, queue := f.to, f.queue
		if f.asked {
			queue = nil
		} else {
			f.queue = nil
		}
		f.mu.Unlock()
		for _, m := range queue {
			switch {
			case to == nil:
			case m.message != nil:
				to.Flush(to.Feed(m.message))
			default:
				to.Followed(m.key, m.upto)
			}
		}
	}
}

// feed has f feed to from now on, once it is told from where, or nobody.
func (f *feeder) feed(to *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to, f.queue, f.asked = to, nil, true
}

// begin answers who has asked to be fed.
func (f *feeder) begin(key string, upto int64) {
	f.mu.Lock()
	f.queue = append([]fed{{key: key, upto: upto}}, f.queue...)
	f.asked = false
	f.mu.Unlock()
	f.Flush()
}

func members(t *testing.T, store *shared, names ...string) []*member {
	t.Helper()
	return membersWith(t, store, func(*member) {}, names...)
}

// membersWith has attach attach more sinks to each member.
func membersWith(t *testing.T, store *shared, attach func(*member), names ...string) []*member {
	t.Helper()
	all := make([]*member, len(names))
	for i, name := range names {
		m := &member{
			name: name, store: store, out: &feeder{filled: make(chan struct{}, 1)},
			sink: &sink{posted: make(map[*channel.Channel][]message.Message)},
		}
		m.owner.Store(&names[0])
		var err error
		m.Hub, err = channel.Open(t.Context(), channel.Config{
			Store: store, Node: name, StoreTimeout: 200 * time.Millisecond,
			Owns: func(string) bool { return *m.owner.Load() == name },
		})
		if err != nil {
			t.Fatal(err)
		}
		m.sink.id, m.out.id = m.Attach(m.sink), m.Attach(m.out)
		attach(m)
		all[i] = m
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { m.Run(ctx) })
		running.Go(func() { m.out.run(ctx) })
		t.Cleanup(func() { cancel(); running.Wait() })
	}
	return all
}

func (m *member) push(t *testing.T, key, payload string, expire time.Duration) message.Receipt {
	t.Helper()
	return m.Publish(t.Context(), []message.Push{{Key: key, Payload: []byte(payload), Expire: expire}})[0]
}

// pushAgo stores a message as if it had been pushed a while ago.
func (m *member) pushAgo(t *testing.T, key, payload string, ago time.Duration) message.Receipt {
	t.Helper()
	mid := message.MidAt(time.Now().Add(-ago))
	r := m.Publish(t.Context(), []message.Push{
		{Key: key, Payload: []byte(payload), Expire: time.Minute, Mids: message.Span{First: mid, Last: mid + 1000}},
	})[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r
}

func (m *member) subscribe(t *testing.T, key string) *channel.Channel {
	t.Helper()
	c, _, _, err := m.Subscribe(m.sink.id, key, 1)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// follow has m fed with key by owner.
func (m *member) follow(t *testing.T, owner *member, key string) {
	t.Helper()
	released := m.Relay(key)
	owner.out.feed(m)
	_, _, upto, err := owner.FollowFor(t.Context(), owner.out.id, key, released, 1)
	if err != nil {
		t.Fatal(err)
	}
	owner.out.begin(key, upto)
}

// sees waits until the subscriber of c at m was posted so many messages, and returns them.
func (m *member) sees(t *testing.T, c *channel.Channel, n int) []message.Message {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		got := m.sink.of(c)
		if len(got) >= n {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s was posted %d messages, want %d: %v", m.name, len(got), n, got)
		}
	}
}

func textOf(messages []message.Message) (s string) {
	for _, m := range messages {
		s += string(m.Payload)
	}
	return s
}

func TestARelayPostsWhatTheOwnerReleases(t *testing.T) {
	t.Parallel()
	all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
	a, b := all[0], all[1]
	a.push(t, "k", "before", time.Minute)
	b.follow(t, a, "k")
	b.placed(t, "k")
	c := b.subscribe(t, "k")
	a.push(t, "k", "1", time.Minute)
	a.push(t, "k", "2", 0)
	if r := a.push(t, "k", "3", time.Minute); r.Subscribers != 0 {
		t.Errorf("a link that reports none counts as %d subscribers", r.Subscribers)
	}
	got := b.sees(t, c, 3)
	if textOf(got) != "123" {
		t.Errorf("the relay's subscriber was posted %q, want 123", textOf(got))
	}
	if got[1].Prev != got[0].Mid || got[2].Prev != got[0].Mid {
		t.Errorf("prevs are %v", got)
	}
}

// placed waits until whoever subscribes to key at m is posted all that is pushed from now on.
func (m *member) placed(t *testing.T, key string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !m.Placed(key); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s has no place in the order of %s", m.name, key)
		}
	}
}

func TestARelayReadsWhatItMissed(t *testing.T) {
	t.Parallel()
	all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
	a, b := all[0], all[1]
	b.follow(t, a, "k")
	b.placed(t, "k")
	c := b.subscribe(t, "k")
	a.push(t, "k", "1", time.Minute)
	b.sees(t, c, 1)
	a.out.feed(nil)
	a.push(t, "k", "2", time.Minute)
	a.push(t, "k", "3", time.Minute)
	a.out.Flush()
	b.follow(t, a, "k")
	a.push(t, "k", "4", time.Minute)
	if got := b.sees(t, c, 4); textOf(got) != "1234" {
		t.Errorf("the relay's subscriber was posted %q, want 1234", textOf(got))
	}
}

func TestARelayThatCannotReadWhatItMissedTellsItsSubscribers(t *testing.T) {
	t.Parallel()
	all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
	a, b := all[0], all[1]
	b.follow(t, a, "k")
	b.placed(t, "k")
	c := b.subscribe(t, "k")
	a.push(t, "k", "1", time.Minute)
	b.sees(t, c, 1)
	a.out.feed(nil)
	gone := a.push(t, "k", "2", time.Minute)
	a.push(t, "k", "3", time.Minute)
	if _, err := a.Delete(t.Context(), "k", gone.Mid); err != nil {
		t.Fatal(err)
	}
	b.follow(t, a, "k")
	b.sees(t, c, 2)
	for deadline := time.Now().Add(10 * time.Second); b.Stats.Torn.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the subscribers were not closed, though a message is gone that they have not seen")
		}
	}
	b.sink.wantClosedAfter(t, 1)
}

// What is gone may be between messages that are left.
func TestARelayThatFindsAHoleInWhatItMissedTellsItsSubscribers(t *testing.T) {
	t.Parallel()
	all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
	a, b := all[0], all[1]
	b.follow(t, a, "k")
	b.placed(t, "k")
	c := b.subscribe(t, "k")
	a.push(t, "k", "1", time.Minute)
	b.sees(t, c, 1)
	a.out.feed(nil)
	a.push(t, "k", "2", time.Minute)
	gone := a.push(t, "k", "gone", time.Minute)
	a.push(t, "k", "3", time.Minute)
	if _, err := a.Delete(t.Context(), "k", gone.Mid); err != nil {
		t.Fatal(err)
	}
	b.follow(t, a, "k")
	b.sees(t, c, 3)
	b.sink.wantClosedAfter(t, 1)
}

// wantClosedAfter wants subscribers to have been closed once, when so many messages had been posted: none beyond what is gone.
func (s *sink) wantClosedAfter(t *testing.T, messages int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.after, []int{messages}) {
		t.Errorf("subscribers were closed after %d messages, want once, after %d", s.after, messages)
	}
}

// An owner that meets what another one stored has subscribers that missed it if it is gone by then.
func TestAnOwnerThatCannotReadWhatAnotherOneStoredTellsItsSubscribers(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]int{"nothing is left": 0, "later ones are": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
			a, b := all[0], all[1]
			c := a.subscribe(t, "k")
			a.push(t, "k", "1", time.Minute)
			b.owner.Store(&b.name)
			gone := b.push(t, "k", "gone", time.Minute)
			for range more {
				b.push(t, "k", "2", time.Minute)
			}
			if _, err := a.Delete(t.Context(), "k", gone.Mid); err != nil {
				t.Fatal(err)
			}
			a.push(t, "k", "3", time.Minute)
			a.sees(t, c, 2+more)
			a.sink.wantClosedAfter(t, 1)
		})
	}
}

func TestAResumeAtARelayEndsWhereTheFeedBegins(t *testing.T) {
	t.Parallel()
	long := func() time.Time { return time.Now().Add(-time.Hour) } // the store has been there
	all := members(t, &shared{Store: memory.New(memory.Config{Now: long})}, "a", "b")
	a, b := all[0], all[1]
	first := a.pushAgo(t, "k", "1", time.Minute)
	a.pushAgo(t, "k", "2", 30*time.Second)
	c := b.subscribe(t, "k") // the owner cannot be asked yet
	page, err := b.Resume(t.Context(), "k", first.Mid, true)
	if err != nil || page.Gap || !page.Last {
		t.Fatalf("page %+v, %v", page, err)
	}
	a.push(t, "k", "3", time.Minute)
	b.follow(t, a, "k")
	a.push(t, "k", "4", time.Minute)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		got, last := textOf(page.Messages), max(first.Mid, page.Upto)
		for _, m := range b.sink.of(c) {
			if m.Mid > last {
				got, last = got+string(m.Payload), m.Mid
			}
		}
		if got == "234" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("who resumed after 1 sees %q, want 234", got)
		}
	}
}

// Whichever node a device resumes at, it is told that all it missed is gone.
func TestAResumeAtARelayTellsThatAllIsGone(t *testing.T) {
	t.Parallel()
	all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
	a, b := all[0], all[1]
	gone := a.push(t, "k", "1", time.Minute)
	if _, err := a.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	b.follow(t, a, "k")
	b.placed(t, "k")
	for _, m := range all {
		m.subscribe(t, "k")
		page, err := m.Resume(t.Context(), "k", 0, true)
		if err != nil || !page.Gap || page.From != gone.Mid || !page.Last {
			t.Errorf("at %s: page %+v, %v; want a gap up to %d", m.name, page, err, gone.Mid)
		}
	}
}

// A relay stores what its owner cannot, and comes to know of another one's message that is gone. Whoever resumes before anything else is released is told, as
// those were who listened.
func TestAResumeAtARelayThatTookOverAKeyTellsThatAllIsGone(t *testing.T) {
	t.Parallel()
	store := &shared{Store: memory.New(memory.Config{})}
	all := members(t, store, "a", "b")
	a, b := all[0], all[1]
	b.follow(t, a, "k")
	b.placed(t, "k")
	c := b.subscribe(t, "k")
	a.out.feed(nil)
	seen := b.push(t, "k", "1", time.Minute)
	gone := a.push(t, "k", "gone", time.Minute)
	if _, err := a.Delete(t.Context(), "k", gone.Mid); err != nil || seen.Err != nil || gone.Err != nil {
		t.Fatal(err, seen.Err, gone.Err)
	}
	var resumed atomic.Bool
	store.owning = func() { // what is gone is known by then, and nothing is released yet
		if resumed.Swap(true) {
			return
		}
		page, err := b.Resume(t.Context(), "k", seen.Mid, true)
		if err != nil || !page.Gap || page.From != gone.Mid || !page.Last {
			t.Errorf("page %+v, %v; want a gap up to %d", page, err, gone.Mid)
		}
	}
	if r := b.push(t, "k", "2", time.Minute); r.Err != nil || !resumed.Load() {
		t.Fatal(r.Err, resumed.Load())
	}
	if got := textOf(b.sees(t, c, 2)); got != "12" {
		t.Errorf("the subscriber was posted %q, want 12", got)
	}
	b.sink.wantClosedAfter(t, 1)
}

// Who subscribes to a key that is not loaded, since the store or the owner could not be asked, misses nothing that another node stores.
func TestASubscriberOfAKeyThatIsNotLoadedMissesNothing(t *testing.T) {
	t.Parallel()
	for _, owner := range []int{0, 1} {
		all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
		a, b := all[0], all[1]
		a.owner.Store(&all[owner].name)
		b.owner.Store(&all[owner].name)
		for i := range 300 { // its clock goes ahead in all buckets
			b.push(t, fmt.Sprint("other", i), "", time.Minute)
		}
		c := b.subscribe(t, "k")
		a.push(t, "k", "1", time.Minute)
		b.Look("k")
		if err := b.Load(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if got := textOf(b.sees(t, c, 1)); got != "1" {
			t.Errorf("the subscriber of %s sees %q, want 1", b.name, got)
		}
	}
}

// Neither the owner nor the store could tell where the key stands when somebody subscribed.
func TestWhoSubscribesToARelayWithoutAPlaceMissesNothing(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(a, b *member){
		"followed":   func(a, b *member) { b.follow(t, a, "k") },
		"loaded":     func(_, b *member) { _ = b.Load(t.Context(), "k") },
		"taken over": func(_, b *member) { b.owner.Store(&b.name); b.Reown() },
		"pushed to":  func(_, b *member) { b.push(t, "k", "", time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
			a, b := all[0], all[1]
			a.pushAgo(t, "k", "old", time.Minute)
			c := b.subscribe(t, "k")
			a.push(t, "k", "1", time.Minute)
			a.push(t, "k", "2", time.Minute)
			begin(a, b)
			if got := b.sees(t, c, 2); textOf(got[:2]) != "12" {
				t.Errorf("the subscriber was posted %q, want 12", textOf(got))
			}
		})
	}
}

// Somebody subscribes while the owner asks the store where the key stands, and then another node stores a message.
func TestWhoSubscribesWhileTheStoreIsAskedMissesNothing(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	var reads atomic.Int64
	store := &shared{Store: memory.New(memory.Config{}), before: func() {
		if reads.Add(1) == 1 {
			close(asked)
			<-answer
		}
	}}
	all := members(t, store, "a", "b")
	a, b := all[0], all[1]
	pushed := make(chan message.Receipt, 1)
	go func() {
		pushed <- a.Publish(context.Background(), []message.Push{{Key: "k", Payload: []byte("2"), Expire: time.Minute}})[0]
	}()
	<-asked
	c := a.subscribe(t, "k")
	if r := b.push(t, "k", "1", time.Minute); r.Err != nil {
		t.Fatal(r.Err)
	}
	close(answer)
	if r := <-pushed; r.Err != nil {
		t.Fatal(r.Err)
	}
	if got := textOf(a.sees(t, c, 2)); got != "12" {
		t.Errorf("the subscriber was posted %q, want 12", got)
	}
}

// The ring has changed, and somebody subscribes before Reown has come to the key: what this node stored last may be unknown to the new owner.
func TestAKeyThatIsSubscribedToAsItLeavesIsAStray(t *testing.T) {
	t.Parallel()
	all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
	a, b := all[0], all[1]
	a.push(t, "k", "1", time.Minute)
	a.owner.Store(&b.name)
	a.subscribe(t, "k")
	_, left := a.Reown()
	if len(left) == 0 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		left = a.Strays(ctx)
	}
	if len(left) != 1 || left[0] != "k" {
		t.Errorf("the owner is to look for %q, want k", left)
	}
}

// The owner is told to look while its own append has not come back, and nobody listens yet.
func TestWhoFollowsAfterALookIsToldOfTheStray(t *testing.T) {
	t.Parallel()
	stored, back := make(chan struct{}), make(chan struct{})
	var appends atomic.Int64
	store := &shared{Store: memory.New(memory.Config{}), stored: func() {
		if appends.Add(1) == 2 {
			close(stored)
			<-back
		}
	}}
	all := members(t, store, "a", "b")
	a, b := all[0], all[1]
	a.push(t, "k", "0", time.Minute) // its channel is kept
	pushed := make(chan message.Receipt, 1)
	go func() {
		pushed <- a.Publish(context.Background(), []message.Push{{Key: "k", Payload: []byte("1"), Expire: time.Minute}})[0]
	}()
	<-stored
	stray := b.push(t, "k", "2", time.Minute)
	a.Look("k")
	close(back)
	if r := <-pushed; r.Err != nil || stray.Err != nil {
		t.Fatal(r.Err, stray.Err)
	}
	if _, _, upto, err := a.FollowFor(t.Context(), a.out.id, "k", 0, 1); err != nil || upto < stray.Mid {
		t.Errorf("who follows is told that all is released up to %d, %v; a message was stored as %d", upto, err, stray.Mid)
	}
}

// limited is shared, and away for mid limits, too.
type limited struct{ *shared }

func (s limited) SetMidLimit(ctx context.Context, node string, limit int64) error {
	if s.away.Load() {
		return channel.ErrUnavailable
	}
	return s.Store.SetMidLimit(ctx, node, limit)
}

// While the store is away mids fall behind the clock. A key's place must not be ahead of them.
func TestALivePushReachesWhoSubscribesWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"here", "elsewhere"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			clock, s := newClock(), limited{&shared{Store: memory.New(memory.Config{})}}
			hub := func(owns bool) (*channel.Hub, *sink) {
				h, sinks := open(t, s, 1, func(c *channel.Config) {
					c.Now, c.Node, c.StoreTimeout, c.Owns = clock.now, fmt.Sprint(owns), 100*time.Millisecond, func(string) bool { return owns }
				})
				return h, sinks[0]
			}
			owner, at := hub(true)
			publish(t, owner, push("k", "before", time.Minute))
			s.away.Store(true)
			clock.move(time.Minute)
			if from == "elsewhere" {
				relay, there := hub(false)
				subscribe(t, relay, there, "k", 1)
				owner.FollowFor(t.Context(), at.id, "k", relay.Relay("k"), 1)
			} else {
				subscribe(t, owner, at, "k", 1)
			}
			for range 2 {
				if r := publish(t, owner, push("k", "x", 0))[0]; r.Err != nil {
					t.Error(r.Err)
				}
			}
		})
	}
}

// While the store is away nobody can say whose a key is that was not pushed to before: what is live only is refused if somebody would see it.
func TestALivePushToAKeyThatIsNotOwned(t *testing.T) {
	t.Parallel()
	clock, s := newClock(), limited{&shared{Store: memory.New(memory.Config{})}}
	h, sinks := open(t, s, 1, func(c *channel.Config) {
		clock.set(c)
		c.Node, c.StoreTimeout, c.Owns = "a", 100*time.Millisecond, func(string) bool { return true }
	})
	s.away.Store(true)
	clock.move(time.Minute)
	c, _, _ := subscribe(t, h, sinks[0], "k", 1)
	heard, unheard := publish(t, h, push("k", "x", 0))[0], publish(t, h, push("unheard", "x", 0))[0]
	if !errors.Is(heard.Err, channel.ErrUnavailable) || unheard.Err != nil {
		t.Errorf("while the store is away: %v, want ErrUnavailable; to a key without subscribers: %v", heard.Err, unheard.Err)
	}
	s.away.Store(false)
	before := int64(0)
	for i := range 3 {
		s.away.Store(i > 0)
		r := publish(t, h, push("k", "x", 0))[0]
		if r.Err != nil || r.Mid <= before {
			t.Errorf("receipt %+v after mid %d", r, before)
		}
		before = r.Mid
	}
	if got := sinks[0].of(c); len(got) != 3 {
		t.Errorf("the subscriber was posted %d messages, want 3", len(got))
	}
}

// Who owns a key now had pushes of other keys whose mids are ahead of the one that the owner before it stores.
func TestWhoSubscribesToANewOwnerThatKnowsNothingSeesWhatTheOldOneStores(t *testing.T) {
	t.Parallel()
	all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
	a, b := all[0], all[1]
	b.owner.Store(&b.name)
	for i := range 2000 { // all buckets have had a mid
		b.push(t, fmt.Sprint("other", i), "", time.Minute)
	}
	c := b.subscribe(t, "k")
	a.pushAgo(t, "k", "1", 500*time.Millisecond)
	b.Look("k")
	b.push(t, "k", "2", time.Minute)
	if got := b.sees(t, c, 2); textOf(got) != "12" {
		t.Errorf("the subscriber was posted %q, want 12", textOf(got))
	}
}

// However links break and owners change, also while two believe that they own a key, subscribers are posted every stored
// message that was acknowledged, in one order, each once, whatever is live only among them.
func TestSubscribersSeeAllThroughChangesOfOwner(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			throughChanges(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

// reign is who of two members owns k, and what may happen to them.
type reign struct {
	all   []*member
	store *shared
	owner int
}

// settle has everybody know the owner and be fed by it, and the owner look for what others have stored.
func (r *reign) settle(t *testing.T) {
	t.Helper()
	for i, m := range r.all {
		m.owner.Store(&r.all[r.owner].name)
		_, left := m.Reown()
		if i != r.owner {
			m.follow(t, r.all[r.owner], "k")
			for _, key := range left {
				r.all[r.owner].Look(key)
			}
		}
	}
}

// change has something happen; of the times that the store may go away it does one in so many.
func (r *reign) change(t *testing.T, random *rand.Rand, away int) {
	t.Helper()
	switch random.IntN(5) {
	case 0:
		r.all[r.owner].out.feed(nil) // the link breaks
	case 1:
		r.all[1-r.owner].follow(t, r.all[r.owner], "k")
	case 2: // one learns first that the other is the owner now
		r.owner = 1 - r.owner
		m := r.all[random.IntN(2)]
		m.owner.Store(&r.all[r.owner].name)
		m.Reown()
	case 3:
		r.settle(t)
	case 4:
		if random.IntN(away) == 0 {
			r.store.away.Store(true)
			time.Sleep(2 * time.Millisecond)
			r.store.away.Store(false)
		}
	}
}

func throughChanges(t *testing.T, random *rand.Rand) {
	store := &shared{Store: memory.New(memory.Config{MaxStoredPerKey: 100_000})}
	all := members(t, store, "a", "b")
	channels := make([]*channel.Channel, len(all))
	all[1].follow(t, all[0], "k")
	all[1].placed(t, "k")
	for i, m := range all {
		if err := m.Load(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		channels[i] = m.subscribe(t, "k")
	}
	acknowledged := map[int64]bool{}
	var mu sync.Mutex
	pushing, stop := context.WithCancel(t.Context())
	var pushers sync.WaitGroup
	for i, m := range all {
		pushers.Go(func() {
			for n := 0; pushing.Err() == nil; n++ {
				expire := time.Minute
				if n%3 > 0 {
					expire = 0
				}
				if r := m.push(t, "k", fmt.Sprintf("%s%d ", m.name, n), expire); r.Err == nil && r.Stored {
					mu.Lock()
					acknowledged[r.Mid] = true
					mu.Unlock()
				}
				time.Sleep(time.Duration(i+1) * 100 * time.Microsecond)
			}
		})
	}
	r := reign{all: all, store: store}
	for range 20 {
		r.change(t, random, 1)
		time.Sleep(time.Millisecond)
	}
	stop()
	pushers.Wait()
	r.settle(t)
	owner := r.owner
	strays, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for i, m := range all {
		for _, key := range m.Strays(strays) {
			all[1-i].Look(key)
		}
	}
	last := all[owner].push(t, "k", "last", time.Minute)
	for i, m := range all {
		var got []message.Message
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if got = m.sink.of(channels[i]); len(got) > 0 && got[len(got)-1].Mid >= last.Mid {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s did not see the last message, %d", m.name, last.Mid)
			}
		}
		seen := map[int64]bool{}
		before := int64(0)
		for _, message := range got {
			if message.Mid <= before {
				t.Fatalf("%s was posted %d after %d", m.name, message.Mid, before)
			}
			before, seen[message.Mid] = message.Mid, true
		}
		for mid := range acknowledged {
			if !seen[mid] {
				t.Errorf("%s was not posted %d, which was acknowledged", m.name, mid)
			}
		}
	}
	t.Logf("%d messages", len(acknowledged))
}

// What its owner stored and a relay was not fed, whyever, shows in the prev of what it is fed next: it is read first.
func TestARelayReadsWhatItWasNotFed(t *testing.T) {
	t.Parallel()
	all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
	a, b := all[0], all[1]
	b.follow(t, a, "k")
	b.placed(t, "k")
	c := b.subscribe(t, "k")
	a.push(t, "k", "1", time.Minute)
	b.sees(t, c, 1)
	a.out.feed(nil)
	a.push(t, "k", "2", time.Minute)
	last := a.push(t, "k", "3", time.Minute)
	b.Flush(b.Feed(&message.Message{Key: "k", Mid: last.Mid + 4, Prev: last.Mid, Payload: []byte("4")}))
	b.Flush(b.Feed(&message.Message{Key: "k", Mid: last.Mid + 8, Prev: last.Mid, Payload: []byte("5")}))
	if got := b.sees(t, c, 5); textOf(got) != "12345" {
		t.Errorf("the relay's subscriber was posted %q, want 12345", textOf(got))
	}
}

// A node that has not heard of its successor stores messages of more keys than it keeps channels of: the successor is told of all of them.
func TestWhatAStaleOwnerStoredIsReportedThoughItsChannelIsGone(t *testing.T) {
	t.Parallel()
	const keys = 10_000
	all := members(t, &shared{Store: memory.New(memory.Config{})}, "a", "b")
	a, b := all[0], all[1]
	b.owner.Store(&b.name)
	pushes := make([]message.Push, keys)
	for i := range pushes {
		pushes[i] = message.Push{Key: fmt.Sprint("k", i), Payload: []byte("1"), Expire: time.Minute}
	}
	for some := range slices.Chunk(pushes, 100) {
		for i, r := range a.Publish(t.Context(), some) {
			for ; errors.Is(r.Err, channel.ErrUnavailable) && t.Context().Err() == nil; r = a.Publish(t.Context(), some[i:i+1])[0] { // not within store_timeout
			}
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}
	a.owner.Store(&b.name)
	_, left := a.Reown()
	told := map[string]bool{}
	for _, key := range left {
		told[key] = true
	}
	if len(told) != keys {
		t.Errorf("the new owner would be told of %d keys, want %d", len(told), keys)
	}
}
