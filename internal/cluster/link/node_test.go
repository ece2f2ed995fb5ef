package link_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/cluster/link"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

const secret = "a secret of the cluster"

// local is a node's channels, as its links reach them.
type local struct {
	*channel.Hub

	mu      sync.Mutex
	weights map[string]int
	looked  []string
	revoked []string
	before  func(key string) error // what a follow does first; nil: nothing
	mute    bool                   // pushes are never answered
	own     channel.SinkID         // of subscribers of its own, who do not care
	links   channel.SinkID         // of the links
}

func (k *local) Attach(s channel.Sink) channel.SinkID {
	k.links = k.Hub.Attach(s)
	return k.links
}

func (k *local) Start(from channel.SinkID, pushes []message.Push, done func([]message.Receipt)) ([]message.Receipt, channel.SinkSet) {
	k.mu.Lock()
	mute := k.mute
	k.mu.Unlock()
	if mute {
		return nil, 0
	}
	return k.Hub.Start(from, pushes, done)
}

// silence has pushes never answered, or answered again.
func (k *local) silence(mute bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mute = mute
}

func (k *local) FollowFor(_ context.Context, sink channel.SinkID, key string, _ int64, spare uint32) (*channel.Channel, uint32, int64, error) {
	k.mu.Lock()
	before := k.before
	k.mu.Unlock()
	if before != nil {
		if err := before(key); err != nil {
			return nil, 0, 0, err
		}
	}
	return k.Subscribe(sink, key, spare)
}

func (k *local) UnfollowFor(sink channel.SinkID, c *channel.Channel) { k.Unsubscribe(sink, c) }

func (k *local) Weigh(_ channel.SinkID, c *channel.Channel, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.weights[c.Key()] = n
}

func (k *local) weight(key string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.weights[key]
}

func (k *local) Kick(_ context.Context, key string, tags ...uint64) (int, error) {
	if key == "fails" {
		return 0, fmt.Errorf("%w: kick", message.ErrUnknown)
	}
	return 100 + len(tags), nil
}

func (k *local) Look(keys []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looked = append(k.looked, keys...)
}

func (k *local) Revoked(key string, tags []uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.revoked = append(k.revoked, fmt.Sprint(key, tags))
}

func (k *local) OwnSubscribers(key string) int { return k.Subscribers(key) }

func (k *local) OwnSubscribed(pattern string, limit int) []string {
	return k.Subscribed(pattern, limit)
}

func (k *local) Stats() link.NodeStats { return link.NodeStats{Connections: 3, Keys: 2} }

// handler keeps what it is told.
type handler struct {
	mu     sync.Mutex
	told   sync.Cond
	events []string                      // all but messages
	got    map[string][]*message.Message // messages of keys
	count  int                           // of them
	by     map[string]int                // messages by pattern
	since  int                           // messages since the last flush
	on     func(event string)            // nil: nothing
	forget bool                          // messages and follows are counted only

	answered int // follows
	flushes  int
}

func newHandler() *handler {
	h := &handler{got: map[string][]*message.Message{}, by: map[string]int{}}
	h.told.L = &h.mu
	return h
}

func (h *handler) tell(format string, args ...any) {
	event := fmt.Sprintf(format, args...)
	h.mu.Lock()
	if h.since > 0 {
		h.events = append(h.events, "not flushed before: "+event)
	}
	h.events = append(h.events, event)
	on := h.on
	h.told.Broadcast()
	h.mu.Unlock()
	if on != nil {
		on(event)
	}
}

func (h *handler) Up(l *link.Link, hello link.Hello) { h.tell("up %s %s", l.Name(), hello.Name) }
func (h *handler) Down(name string, err error)       { h.tell("down %s", name) }
func (h *handler) Missed(name string, n int)         { h.tell("missed %s %d", name, n) }
func (h *handler) Greeted(name string, hello link.Hello) {
	h.tell("greeted %s %v", name, hello.Joined)
}
func (h *handler) Left(name string) { h.tell("left %s", name) }
func (h *handler) Followed(name, key string, released int64) {
	h.mu.Lock()
	h.answered++
	h.told.Broadcast()
	forget := h.forget
	h.mu.Unlock()
	if !forget {
		h.tell("followed %s", key)
	}
}
func (h *handler) Refused(name, key string, err error) { h.tell("refused %s: %v", key, err) }
func (h *handler) Dropped(name, key string)            { h.tell("dropped %s", key) }

func (h *handler) FollowedPattern(name, pattern string, err error) {
	h.tell("pfollowed %s %v", pattern, err)
}
func (h *handler) DroppedPattern(name, pattern string) { h.tell("pdropped %s", pattern) }

func (h *handler) Message(name string, m *message.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.forget {
		h.got[m.Key] = append(h.got[m.Key], m)
	}
	h.count++
	h.since++
	h.told.Broadcast()
}

func (h *handler) PatternMessage(name, pattern string, m *message.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.by[pattern]++
	h.since++
	h.told.Broadcast()
}

func (h *handler) Flush() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.since = 0
	h.flushes++
	h.told.Broadcast()
}

// wait waits until ok, which is called with mu locked.
func (h *handler) wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	late := time.AfterFunc(20*time.Second, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		what = "" // it is late
		h.told.Broadcast()
	})
	defer late.Stop()
	wanted := what
	h.mu.Lock()
	defer h.mu.Unlock()
	for !ok() {
		if what == "" {
			t.Fatalf("never came: %s; told: %q, %d messages", wanted, h.events, h.count)
		}
		h.told.Wait()
	}
}

// event waits for an event, and forgets it and all before it.
func (h *handler) event(t testing.TB, want string) {
	t.Helper()
	h.wait(t, want, func() bool {
		i := slices.Index(h.events, want)
		if i >= 0 {
			h.events = slices.Delete(h.events, 0, i+1)
		}
		return i >= 0
	})
}

// mids returns the mids of the messages of key that came.
func (h *handler) mids(key string) (mids []int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.got[key] {
		mids = append(mids, m.Mid)
	}
	return mids
}

// node is one of a test's.
type node struct {
	keys    *local
	links   *link.Links
	handler *handler
	addr    string
}

// start runs a node until the test ends. change changes its config; nil: it stays.
func start(t testing.TB, name string, change func(*link.Config)) *node {
	t.Helper()
	hub, err := channel.Open(t.Context(), channel.Config{Store: memory.New(memory.Config{}), Instant: true, Node: name})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{keys: &local{Hub: hub, weights: map[string]int{}, own: hub.Attach(idleSink{})}, handler: newHandler()}
	cfg := link.Config{
		Keys: n.keys, Handler: n.handler, Secret: []byte(secret),
		Self: func() link.Hello { return link.Hello{Name: name, Instance: name + "-1", Weight: 1} },
	}
	if change != nil {
		change(&cfg)
	}
	n.links = link.New(cfg)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.addr = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { hub.Run(ctx) })
	wg.Go(func() { n.links.Run(ctx) })
	wg.Go(func() { n.accept(listener) })
	t.Cleanup(func() {
		listener.Close()
		cancel()
		wg.Wait()
	})
	return n
}

func (n *node) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		n.links.Accept(conn, nil)
	}
}

// pair starts two nodes, and returns the first one's link to the second, which is up.
func pair(t testing.TB, change func(*link.Config)) (one, two *node, to *link.Link) {
	t.Helper()
	one, two = start(t, "n1", change), start(t, "n2", change)
	one.links.SetPeers([]link.Peer{{Name: "n1", Addrs: []string{one.addr}}, {Name: "n2", Addrs: []string{two.addr}}})
	one.handler.event(t, "up n2 n2")
	return one, two, one.links.To("n2")
}

// publish publishes pushes over a link and returns the receipts.
func publish(t testing.TB, l *link.Link, pushes ...message.Push) []message.Receipt {
	t.Helper()
	done := make(chan []message.Receipt, 1)
	l.Publish(pushes, func(r []message.Receipt) { done <- r })
	select {
	case receipts := <-done:
		return receipts
	case <-time.After(20 * time.Second):
		t.Fatalf("Publish to %s was never answered", l.Name())
		return nil
	}
}

// push publishes at a node itself.
func (n *node) push(t testing.TB, pushes ...message.Push) []message.Receipt {
	t.Helper()
	receipts := n.keys.Publish(t.Context(), pushes)
	for _, r := range receipts {
		if r.Err != nil {
			t.Fatalf("Publish = %v", r.Err)
		}
	}
	return receipts
}
