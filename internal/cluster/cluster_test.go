package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/channel"
	"gopush/internal/cluster"
	"gopush/internal/cluster/link"
	"gopush/internal/message"
	"gopush/internal/ring"
	"gopush/internal/store/memory"
)

// board is a registry of processes in one process: what is on it is known to all at once, but to those that are kept from
// looking.
type board struct {
	mu      sync.Mutex
	nodes   []cluster.Node
	watched []*registry
}

// registry is how one node looks at the board.
type registry struct {
	*board
	self cluster.Node

	changed chan struct{} // room for one
	blind   bool          // guarded by the board's mu
}

func (r *registry) Run(ctx context.Context, see func([]cluster.Node)) {
	var known []cluster.Node
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		}
		r.mu.Lock()
		blind, nodes := r.blind, slices.Clone(r.nodes)
		r.mu.Unlock()
		nodes = slices.CompactFunc(nodes, func(a, b cluster.Node) bool { return a.Name == b.Name })
		for i := range nodes {
			nodes[i].Self = nodes[i].Admin[0] == r.self.Admin[0]
		}
		same := slices.EqualFunc(nodes, known, func(a, b cluster.Node) bool { return a.Name == b.Name && a.Admin[0] == b.Admin[0] })
		if !blind && !same && len(nodes) > 0 {
			known = nodes
			see(nodes)
		}
	}
}

func (r *registry) Join(context.Context) error {
	r.change(func() { r.nodes = append(r.nodes, r.self) })
	return nil
}

func (r *registry) Leave(context.Context) error { r.gone(); return nil }

// gone takes the node off the board.
func (r *registry) gone() {
	r.change(func() {
		r.nodes = slices.DeleteFunc(r.nodes, func(n cluster.Node) bool { return n.Admin[0] == r.self.Admin[0] })
	})
}

func (r *registry) Healthy() error { return nil }

// see has r look at the board, or not.
func (r *registry) see(can bool) { r.change(func() { r.blind = !can }) }

func (b *board) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	slices.SortStableFunc(b.nodes, func(a, b cluster.Node) int { return strings.Compare(a.Name, b.Name) })
	for _, r := range b.watched {
		select {
		case r.changed <- struct{}{}:
		default:
		}
	}
}

// slow is a store of several hubs: a hub waits for it as for one over a network.
type slow struct{ *memory.Store }

// node is a node of a cluster in one process, linked over TCP.
type node struct {
	*cluster.Cluster
	hub      *channel.Hub
	links    *link.Links
	registry *registry
	sink     *sink
	name     string
	listener net.Listener
	kill     func()
}

func (b *board) start(t *testing.T, store channel.Store, name string, set func(*cluster.Config), more ...*devices) *node {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{
		name: name, listener: ln, sink: newSink(),
		registry: &registry{board: b, self: cluster.Node{Name: name, Weight: 1, Admin: []string{ln.Addr().String()}}, changed: make(chan struct{}, 1)},
	}
	b.mu.Lock()
	b.watched = append(b.watched, n.registry)
	b.mu.Unlock()
	cfg := cluster.Config{
		Registry: n.registry, StoreTimeout: time.Second,
		Self:  func() link.Hello { return link.Hello{Name: name, Instance: name + ln.Addr().String(), Weight: 1} },
		Links: link.Config{Secret: []byte("secret"), Beat: 100 * time.Millisecond},
	}
	if set != nil {
		set(&cfg)
	}
	n.Cluster = cluster.New(cfg)
	n.hub, err = channel.Open(t.Context(), channel.Config{Store: store, Node: name, Owns: n.Owns, StoreTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	n.links = n.Serve(n.hub)
	n.sink.id = n.Attach(n.sink)
	for _, d := range more {
		d.id = n.Attach(d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { n.hub.Run(ctx) })
	running.Go(func() { n.Run(ctx) })
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			n.links.Accept(conn, nil)
		}
	})
	n.kill = sync.OnceFunc(func() { ln.Close(); cancel(); running.Wait() })
	t.Cleanup(n.kill)
	if err := n.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// cluster3 is three nodes that know and reach each other.
func cluster3(t *testing.T) (*board, slow, []*node) {
	t.Helper()
	b, store := new(board), slow{memory.New(memory.Config{MaxStoredPerKey: 100_000})}
	nodes := []*node{b.start(t, store, "n1", nil), b.start(t, store, "n2", nil), b.start(t, store, "n3", nil)}
	await(t, "all links", func() bool { return linked(nodes) })
	return b, store, nodes
}

func linked(nodes []*node) bool {
	for _, n := range nodes {
		if len(n.Nodes()) != len(nodes) {
			return false
		}
		for _, other := range nodes {
			if l := n.links.To(other.name); other != n && (l == nil || !l.Up()) {
				return false
			}
		}
	}
	return true
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// sink records what is posted, by key.
type sink struct {
	id channel.SinkID

	mu     sync.Mutex
	posted map[string][]message.Message
	closed map[string]int
}

func newSink() *sink {
	return &sink{posted: map[string][]message.Message{}, closed: map[string]int{}}
}

func (s *sink) Post(c *channel.Channel, _ uint32, m *message.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posted[c.Key()] = append(s.posted[c.Key()], *m)
}

func (s *sink) Kick(c *channel.Channel, _ uint32, _ []uint64, closed chan<- int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed[c.Key()]++
	closed <- 1
}

func (s *sink) Flush()        {}
func (s *sink) Admit()        {}
func (s *sink) Crowded() bool { return false }

func (s *sink) of(key string) []message.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posted[key])
}

// subscribe subscribes to key as a connection does.
func (n *node) subscribe(t *testing.T, key string) *channel.Channel {
	t.Helper()
	if !n.Near(key) {
		if err := n.Approach(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	c, _, _, err := n.Subscribe(n.sink.id, key, 1)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (n *node) push(t *testing.T, key, payload string, expire time.Duration) message.Receipt {
	t.Helper()
	return n.Publish(t.Context(), []message.Push{{Key: key, Payload: []byte(payload), Expire: expire}})[0]
}

func textOf(messages []message.Message) (s string) {
	for _, m := range messages {
		s += string(m.Payload)
	}
	return s
}

// sees waits until n's subscriber of key was posted what reads text.
func (n *node) sees(t *testing.T, key, text string) {
	t.Helper()
	await(t, fmt.Sprintf("%s sees %q of %s, but %q", n.name, text, key, textOf(n.sink.of(key))), func() bool { return textOf(n.sink.of(key)) == text })
}

// keys returns one key of each node.
func keysOf(nodes []*node) []string {
	keys := make([]string, len(nodes))
	for i, n := range nodes {
		for k := 0; keys[i] == ""; k++ {
			if key := fmt.Sprint("key", k); n.Owns(key) {
				keys[i] = key
			}
		}
	}
	return keys
}

func TestAnyNodeTakesAnyPushAndAnySubscriber(t *testing.T) {
	t.Parallel()
	_, _, nodes := cluster3(t)
	for _, key := range keysOf(nodes) {
		for _, n := range nodes {
			n.subscribe(t, key)
		}
		want := ""
		for i := range 30 {
			n, expire := nodes[i%3], time.Duration(i%2)*time.Minute
			r := n.push(t, key, fmt.Sprint(i, " "), expire)
			if r.Err != nil || r.Stored != (expire > 0) {
				t.Fatalf("push %d of %s at %s: %+v", i, key, n.name, r)
			}
			want += fmt.Sprint(i, " ")
		}
		for _, n := range nodes {
			n.sees(t, key, want)
		}
		await(t, "a live push counts the subscribers of all nodes", func() bool { return nodes[0].push(t, key, "", 0).Subscribers == 3 })
		if counts, err := nodes[2].CountSubscribers(t.Context(), []string{key}); err != nil || counts[0] != 3 {
			t.Errorf("%d subscribers, %v; want 3", counts[0], err)
		}
	}
}

func TestALivePushReachesWhoHasSubscribedElsewhere(t *testing.T) {
	t.Parallel()
	_, _, nodes := cluster3(t)
	for i := range 100 {
		key := fmt.Sprint("fresh", i)
		nodes[i%3].subscribe(t, key)
		if r := nodes[(i+1)%3].push(t, key, "x", 0); r.Err != nil {
			t.Fatal(r.Err)
		}
		nodes[i%3].sees(t, key, "x")
	}
}

func TestPatternsSeeTheKeysOfAllNodes(t *testing.T) {
	t.Parallel()
	_, _, nodes := cluster3(t)
	if _, _, err := nodes[0].SubscribePattern(nodes[0].sink.id, "key*", 1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := nodes[1].SubscribePattern(nodes[1].sink.id, "key*", 1); err != nil {
		t.Fatal(err)
	}
	keys := keysOf(nodes)
	for _, key := range keys {
		nodes[0].subscribe(t, key) // a relay does not post to patterns
	}
	await(t, "patterns are followed", func() bool {
		n, err := nodes[2].CountPatterns(t.Context())
		return n == 1 && err == nil && nodes[2].push(t, keys[2], "", 0).Subscribers == 3
	})
	stored := func(n *node) (count int) {
		for _, m := range n.sink.of("key*") {
			if m.Stored() {
				count++
			}
		}
		return count
	}
	for _, key := range keys {
		nodes[2].push(t, key, key, time.Minute)
	}
	for _, n := range nodes[:2] {
		await(t, n.name+" sees all keys by its pattern", func() bool { return stored(n) >= 3 })
	}
	if got := stored(nodes[1]); got != 3 {
		t.Errorf("the pattern's subscriber was posted %d messages, want 3", got)
	}
}

func TestSubscribersGoOnWhenTheOwnerLeaves(t *testing.T) {
	t.Parallel()
	_, _, nodes := cluster3(t)
	keys := keysOf(nodes)
	key := keys[2]
	nodes[0].subscribe(t, key)
	nodes[1].subscribe(t, key)
	nodes[0].push(t, key, "1", time.Minute)
	nodes[2].kill()
	await(t, "the link is down", func() bool { return !nodes[0].links.To("n3").Up() })
	if r := nodes[0].push(t, key, "lost?", time.Minute); !errors.Is(r.Err, message.ErrUnreachable) || !errors.Is(r.Err, message.ErrUnavailable) {
		t.Fatalf("a push whose owner is gone was answered %+v", r)
	}
	nodes[2].registry.gone()
	await(t, "the ring changes", func() bool { return len(nodes[0].Nodes()) == 2 && len(nodes[1].Nodes()) == 2 })
	for i := range 10 {
		if r := nodes[i%2].push(t, key, fmt.Sprint(i), time.Minute); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	nodes[0].sees(t, key, "10123456789")
	nodes[1].sees(t, key, "10123456789")
}

func TestANodeThatLeavesRelaysOn(t *testing.T) {
	t.Parallel()
	_, _, nodes := cluster3(t)
	key := keysOf(nodes)[2]
	nodes[2].subscribe(t, key)
	nodes[0].push(t, key, "1", time.Minute)
	if err := nodes[2].Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the ring changes", func() bool {
		return !slices.ContainsFunc(nodes, func(n *node) bool { return len(n.Nodes()) != 2 })
	})
	for i := range 3 {
		if r := nodes[i].push(t, key, fmt.Sprint(i), time.Minute); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	nodes[2].sees(t, key, "1012")
}

// While a node has not heard that another one has come, both believe that they own a key.
func TestTwoOwners(t *testing.T) {
	t.Parallel()
	b, store := new(board), slow{memory.New(memory.Config{MaxStoredPerKey: 100_000})}
	nodes := []*node{b.start(t, store, "n1", nil), b.start(t, store, "n2", nil)}
	await(t, "all links", func() bool { return linked(nodes) })
	nodes[0].registry.see(false)
	nodes[1].registry.see(false)
	third := b.start(t, store, "n3", nil)
	await(t, "the third node is one", third.Joined)
	key := ""
	for k := 0; key == ""; k++ {
		if candidate := fmt.Sprint("key", k); third.Owns(candidate) && nodes[0].Owns(candidate) {
			key = candidate
		}
	}
	nodes = append(nodes, third)
	for _, n := range nodes {
		n.subscribe(t, key)
	}
	acknowledged := map[int64]bool{}
	var mu sync.Mutex
	push := func(n *node, i int) {
		if r := n.push(t, key, fmt.Sprint(n.name, i, " "), time.Minute); r.Err == nil {
			mu.Lock()
			acknowledged[r.Mid] = true
			mu.Unlock()
		}
	}
	var pushers sync.WaitGroup
	for _, n := range nodes {
		pushers.Go(func() {
			for i := range 100 {
				push(n, i)
			}
		})
	}
	pushers.Wait()
	nodes[0].registry.see(true)
	nodes[1].registry.see(true)
	await(t, "all links", func() bool { return linked(nodes) })
	if len(acknowledged) != 300 {
		t.Errorf("%d pushes were acknowledged, want 300", len(acknowledged))
	}
	for _, n := range nodes {
		await(t, n.name+" sees all", func() bool { return len(n.sink.of(key)) >= len(acknowledged) })
		before := int64(0)
		for _, m := range n.sink.of(key) {
			if m.Mid <= before {
				t.Fatalf("%s was posted %d after %d", n.name, m.Mid, before)
			}
			if before = m.Mid; !acknowledged[m.Mid] {
				t.Errorf("%s was posted %d, which was not acknowledged", n.name, m.Mid)
			}
		}
	}
}

// A process under a name that another one serves under stands by: it owns nothing, relays, and takes over.
func TestAProcessThatStandsByTakesOver(t *testing.T) {
	t.Parallel()
	b, store := new(board), slow{memory.New(memory.Config{})}
	first, other := b.start(t, store, "n1", nil), b.start(t, store, "n2", nil)
	await(t, "both are linked", func() bool { return linked([]*node{first, other}) })
	second := b.start(t, store, "n1", nil)
	await(t, "the process that stands by is linked", func() bool {
		l := second.links.To("n1")
		return l != nil && l.Up() && second.links.To("n2").Up()
	})
	key := keysOf([]*node{first, other})[0]
	await(t, "the nodes are known to it", func() bool { _, known := second.Owner(key); return known })
	if second.Joined() || second.Owns(key) {
		t.Fatal("the process that stands by owns keys")
	}
	second.subscribe(t, key)
	other.subscribe(t, key)
	for i, n := range []*node{first, second, other} {
		if r := n.push(t, key, fmt.Sprint(i), time.Minute); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	second.sees(t, key, "012")
	first.kill()
	first.registry.gone()
	await(t, "it takes over", second.Joined)
	await(t, "it is known to", func() bool {
		r := other.push(t, key, "3", time.Minute)
		return r.Err == nil
	})
	for _, n := range []*node{second, other} {
		await(t, n.name+" sees all", func() bool { return textOf(n.sink.of(key)) == "0123" })
	}
}

func TestKickReachesAllNodes(t *testing.T) {
	t.Parallel()
	_, _, nodes := cluster3(t)
	for _, n := range nodes {
		n.subscribe(t, "k")
	}
	if n, err := nodes[1].Kick(t.Context(), "k"); n != 3 || err != nil {
		t.Errorf("%d connections closed, %v; want 3", n, err)
	}
}

func TestWithoutRelayingSubscribersAreSentToTheOwner(t *testing.T) {
	t.Parallel()
	b, store := new(board), slow{memory.New(memory.Config{})}
	refuse := func(cfg *cluster.Config) { cfg.Refuse = true }
	nodes := []*node{b.start(t, store, "n1", refuse), b.start(t, store, "n2", refuse)}
	await(t, "all links", func() bool { return linked(nodes) })
	key := keysOf(nodes)[1]
	if nodes[0].Near(key) {
		t.Fatal("a key of another node is near")
	}
	var wrong *message.WrongNode
	if err := nodes[0].Approach(t.Context(), key); !asWrongNode(err, &wrong) || wrong.Admin != nodes[1].listener.Addr().String() {
		t.Errorf("approaching it: %v", err)
	}
	if err := nodes[1].Approach(t.Context(), key); err != nil || !nodes[1].Near(key) {
		t.Errorf("at its owner: %v", err)
	}
}

func asWrongNode(err error, wrong **message.WrongNode) bool { return errors.As(err, wrong) }

// far is a store that takes its time, as one over a network under load.
type far struct{ *memory.Store }

func (s far) pause() { time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) }

func (s far) Append(ctx context.Context, entries []channel.Entry) []error {
	s.pause()
	defer s.pause()
	return s.Store.Append(ctx, entries)
}

func (s far) Range(ctx context.Context, key string, from, to int64, reverse bool, limit, maxBytes int) ([]message.Message, error) {
	s.pause()
	defer s.pause()
	return s.Store.Range(ctx, key, from, to, reverse, limit, maxBytes)
}

func (s far) Info(ctx context.Context, key string) (channel.Info, error) {
	s.pause()
	defer s.pause()
	return s.Store.Info(ctx, key)
}

// One node has not heard that another has come; a third, which relays, has.
func TestARelayOfTwoOwners(t *testing.T) {
	t.Parallel()
	b, store := new(board), far{memory.New(memory.Config{MaxStoredPerKey: 100_000})}
	nodes := []*node{b.start(t, store, "n1", nil), b.start(t, store, "n2", nil)}
	await(t, "all links", func() bool { return linked(nodes) })
	all := []*node{nodes[0], nodes[1]}
	// Keys that n1 owns without n3, and n3 with it.
	with := ring.New([]ring.Node{{Name: "n1", Weight: 1}, {Name: "n2", Weight: 1}, {Name: "n3", Weight: 1}})
	var keys []string
	for k := 0; len(keys) < 3; k++ {
		if key := fmt.Sprint("key", k); with.Owner(key) == "n3" && nodes[0].Owns(key) {
			keys = append(keys, key)
		}
	}
	for _, n := range nodes {
		for _, key := range keys {
			n.subscribe(t, key)
		}
	}
	acknowledged := map[string]map[int64]string{}
	var mu sync.Mutex
	pushing, stop := context.WithCancel(t.Context())
	defer stop()
	var pushers sync.WaitGroup
	begin := func(n *node) {
		for _, key := range keys {
			pushers.Go(func() {
				for i := 0; pushing.Err() == nil; i++ {
					text := fmt.Sprint(n.name, "-", i)
					if r := n.push(t, key, text, time.Minute); r.Err == nil {
						mu.Lock()
						if acknowledged[key] == nil {
							acknowledged[key] = map[int64]string{}
						}
						acknowledged[key][r.Mid] = text
						mu.Unlock()
					}
					time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
				}
			})
		}
	}
	begin(nodes[0])
	begin(nodes[1])
	time.Sleep(30 * time.Millisecond)
	nodes[0].registry.see(false)
	third := b.start(t, store, "n3", nil)
	all = append(all, third)
	await(t, "two nodes know the third", func() bool { return third.Joined() && len(nodes[1].Nodes()) == 3 })
	begin(third)
	time.Sleep(100 * time.Millisecond)
	nodes[0].registry.see(true)
	await(t, "all links", func() bool { return linked(all) })
	time.Sleep(30 * time.Millisecond)
	stop()
	pushers.Wait()
	for _, key := range keys {
		last := third.push(t, key, "last", time.Minute)
		for _, n := range nodes {
			await(t, n.name+" sees the last", func() bool {
				got := n.sink.of(key)
				return len(got) > 0 && got[len(got)-1].Mid >= last.Mid
			})
			seen := map[int64]bool{}
			for _, m := range n.sink.of(key) {
				seen[m.Mid] = true
			}
			for mid, text := range acknowledged[key] {
				if !seen[mid] {
					t.Errorf("%s was not posted %s of %s, %d", n.name, text, key, mid)
				}
			}
		}
	}
}
