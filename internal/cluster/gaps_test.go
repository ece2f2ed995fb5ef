package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"gopush/internal/cluster"
	"gopush/internal/cluster/static"
	"gopush/internal/message"
	"gopush/internal/store/memory"
)

// wire is what a node dials others over. It can be cut, and frozen: then nothing comes through, and nobody is told.
type wire struct {
	mu     sync.Mutex
	to     map[string]bool // addresses that cannot be reached
	frozen map[string]bool // addresses to and from which nothing comes through
	conns  []*wireConn
}

type wireConn struct {
	net.Conn
	wire *wire
	addr string
	dead bool // guarded by wire.mu
}

func newWire() *wire { return &wire{to: map[string]bool{}, frozen: map[string]bool{}} }

func (w *wire) use(cfg *cluster.Config) { cfg.Links.Dial = w.dial }

func (w *wire) dial(ctx context.Context, addr string) (net.Conn, error) {
	w.mu.Lock()
	cut := w.to[addr] || w.frozen[addr]
	w.mu.Unlock()
	if cut {
		return nil, errors.New("cut")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &wireConn{Conn: conn, wire: w, addr: addr}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
	return c, nil
}

// cut breaks what goes to n, until mend.
func (w *wire) cut(n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to[n.addr()] = true
	for _, c := range w.conns {
		if c.addr == n.addr() {
			c.Close()
		}
	}
}

// freeze has nothing come through to n and from it, until mend.
func (w *wire) freeze(n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen[n.addr()] = true
	for _, c := range w.conns {
		c.dead = c.dead || c.addr == n.addr()
	}
}

func (w *wire) mend(n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.to, n.addr())
	delete(w.frozen, n.addr())
}

func (c *wireConn) isDead() bool {
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	return c.dead
}

func (c *wireConn) Write(b []byte) (int, error) {
	if c.isDead() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *wireConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.isDead() {
			return n, err
		}
	}
}

func (n *node) addr() string { return n.listener.Addr().String() }

// wants is sees with an end: it fails if text is not what n's subscriber of key was posted within five seconds.
func (n *node) wants(t *testing.T, key, text string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); textOf(n.sink.of(key)) != text; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s sees %q of %s within 5 s, want %q", n.name, textOf(n.sink.of(key)), key, text)
		}
	}
}

// wired is three nodes, the first of which dials over the wire.
func wired(t *testing.T) (*board, slow, []*node, *wire) {
	t.Helper()
	w := newWire()
	b, store := new(board), slow{memory.New(memory.Config{MaxStoredPerKey: 100_000})}
	nodes := []*node{b.start(t, store, "n1", w.use), b.start(t, store, "n2", nil), b.start(t, store, "n3", nil)}
	await(t, "all links", func() bool { return linked(nodes) })
	return b, store, nodes, w
}

func (n *node) carry(t *testing.T, key, payload string) {
	t.Helper()
	if r := n.hub.Publish(t.Context(), []message.Push{{Key: key, Payload: []byte(payload), Expire: time.Minute}}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
}

// A push that another node forwarded is carried out here though a third one owns its key, while the link to that one is down.
func TestAStrayIsReportedWhenTheLinkIsUpAgain(t *testing.T) {
	t.Parallel()
	_, _, nodes, w := wired(t)
	key := keysOf(nodes)[2]
	nodes[2].subscribe(t, key)
	nodes[2].push(t, key, "1", time.Minute)
	w.cut(nodes[2])
	await(t, "the link is down", func() bool { return !nodes[0].links.To("n3").Up() })
	nodes[0].carry(t, key, "2")
	w.mend(nodes[2])
	await(t, "the link is up", func() bool { return nodes[0].links.To("n3").Up() })
	nodes[2].wants(t, key, "12")
}

// A node that has not heard of its successor stores a message, hears of it, and has no link to it yet.
func TestWhatTheOldOwnerStoredReachesTheSubscribersOfANewNode(t *testing.T) {
	t.Parallel()
	b, store := new(board), slow{memory.New(memory.Config{MaxStoredPerKey: 100_000})}
	nodes := []*node{b.start(t, store, "n1", nil), b.start(t, store, "n2", nil)}
	await(t, "all links", func() bool { return linked(nodes) })
	nodes[0].registry.see(false)
	third := b.start(t, store, "n3", nil)
	await(t, "the third node is one", third.Joined)
	key := ""
	for k := 0; key == ""; k++ {
		if candidate := fmt.Sprint("key", k); third.Owns(candidate) && nodes[0].Owns(candidate) {
			key = candidate
		}
	}
	third.subscribe(t, key)
	nodes[0].push(t, key, "1", time.Minute)
	nodes[0].registry.see(true)
	await(t, "the first node knows the third", func() bool { l := nodes[0].links.To("n3"); return l != nil && l.Up() })
	third.wants(t, key, "1")
}

// A node stores a message, and tells the owner that it knows of to look. But that one is none any more.
func TestAStrayIsReportedToTheOwnerThatTheNodeHearsOfLater(t *testing.T) {
	t.Parallel()
	b, store := new(board), slow{memory.New(memory.Config{})}
	nodes := []*node{b.start(t, store, "n1", nil), b.start(t, store, "n2", nil)}
	await(t, "all links", func() bool { return linked(nodes) })
	nodes[0].registry.see(false)
	third := b.start(t, store, "n3", nil)
	await(t, "the third node is one", third.Joined)
	key := ""
	for k := 0; key == ""; k++ {
		if candidate := fmt.Sprint("key", k); third.Owns(candidate) && !nodes[0].Owns(candidate) {
			key = candidate
		}
	}
	third.subscribe(t, key)
	nodes[0].subscribe(t, key)
	nodes[0].carry(t, key, "1")
	await(t, "the second node was told", func() bool { return nodes[0].Stats.Strays.Load() == 1 })
	nodes[0].registry.see(true)
	third.wants(t, key, "1")
}

// The owner hangs while somebody subscribes here: what it stores from then on comes late, but comes.
func TestWhoSubscribesWhileTheOwnerHangsMissesNothing(t *testing.T) {
	t.Parallel()
	_, _, nodes, w := wired(t)
	key := keysOf(nodes)[2]
	w.freeze(nodes[2])
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := nodes[0].Approach(ctx, key); err == nil {
		t.Fatal("a key is near whose owner hangs")
	}
	if _, _, _, err := nodes[0].Subscribe(nodes[0].sink.id, key, 1); err != nil {
		t.Fatal(err)
	}
	nodes[2].push(t, key, "1", time.Minute)
	await(t, "the link is down", func() bool { return !nodes[0].links.To("n3").Up() })
	w.mend(nodes[2])
	await(t, "the link is up", func() bool { return nodes[0].links.To("n3").Up() })
	nodes[2].push(t, key, "2", time.Minute)
	nodes[0].wants(t, key, "12")
}

func TestKickSaysWhichNodesItDidNotReach(t *testing.T) {
	t.Parallel()
	_, _, nodes, w := wired(t)
	for _, n := range nodes {
		n.subscribe(t, "k")
	}
	w.cut(nodes[2])
	await(t, "the link is down", func() bool { return !nodes[0].links.To("n3").Up() })
	if n, err := nodes[0].Kick(t.Context(), "k"); err == nil {
		t.Errorf("Kick = %d, nil, though a node with a subscriber could not be asked", n)
	}
}

// A ring that changes under subscriptions leaves no relay of a key that the node owns.
func TestNoNodeRelaysItsOwnKeysAfterTheRingHasChanged(t *testing.T) {
	t.Parallel()
	_, _, nodes := cluster3(t)
	n := nodes[0]
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for g := range 4 {
		busy.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprint("key", g, " ", i%50)
				if c, _, _, err := n.Subscribe(n.sink.id, key, 1); err == nil {
					n.Unsubscribe(n.sink.id, c)
				}
			}
		})
	}
	for range 100 {
		nodes[1].registry.gone()
		time.Sleep(2 * time.Millisecond)
		nodes[1].Join(t.Context())
		time.Sleep(2 * time.Millisecond)
	}
	nodes[1].registry.gone()
	nodes[2].registry.gone()
	await(t, "the node is alone", func() bool { return len(n.Nodes()) == 1 })
	close(stop)
	busy.Wait()
	await(t, "the node relays nothing", func() bool { return len(n.Follows()) == 0 })
	for g := range 4 {
		for i := range 50 {
			key := fmt.Sprint("key", g, " ", i)
			await(t, key+" is near its owner", func() bool { n.Approach(t.Context(), key); return n.Near(key) })
		}
	}
}

// What a follow that raced with a ring change asks of the hub.
func TestRelayOfAKeyThatThisNodeOwnsIsNone(t *testing.T) {
	t.Parallel()
	_, _, nodes := cluster3(t)
	n := nodes[0]
	key := keysOf(nodes)[0]
	n.hub.Relay(key)
	if _, _, err := n.SubscribePattern(n.sink.id, "key*", 2); err != nil {
		t.Fatal(err)
	}
	n.push(t, key, "1", time.Minute)
	if got := textOf(n.sink.of("key*")); got != "1" {
		t.Errorf("the pattern's subscriber sees %q, want 1", got)
	}
}

// late is a static registry that is made when all nodes listen.
type late struct {
	ready    chan struct{}
	registry *static.Registry // set before ready is closed
}

func (l *late) Run(ctx context.Context, see func([]cluster.Node)) {
	select {
	case <-l.ready:
		l.registry.Run(ctx, see)
	case <-ctx.Done():
	}
}
func (l *late) Join(context.Context) error      { return nil }
func (l *late) Leave(ctx context.Context) error { return l.registry.Leave(ctx) }
func (l *late) Healthy() error                  { return nil }
func (l *late) Place() []string                 { return nil }
func (l *late) Taken(error) error               { return nil }

func (l *late) Listed() []cluster.Node {
	<-l.ready
	return l.registry.Listed()
}

func (l *late) Heard(n cluster.Node) {
	<-l.ready
	l.registry.Heard(n)
}

func (l *late) Silent(name string) {
	<-l.ready
	l.registry.Silent(name)
}

// statics is three nodes with static registries, the first of which dials over the wire.
func statics(t *testing.T) ([]*node, *wire) {
	t.Helper()
	w := newWire()
	b, store := new(board), slow{memory.New(memory.Config{})}
	var nodes []*node
	var registries []*late
	for _, name := range []string{"n1", "n2", "n3"} {
		r := &late{ready: make(chan struct{})}
		registries = append(registries, r)
		nodes = append(nodes, b.start(t, store, name, func(cfg *cluster.Config) {
			cfg.Registry = r
			if name == "n1" {
				w.use(cfg)
			}
		}))
	}
	var list []cluster.Node
	for _, n := range nodes {
		list = append(list, cluster.Node{Name: n.name, Weight: 1, Admin: []string{n.addr()}})
	}
	for i, r := range registries {
		var err error
		if r.registry, err = static.New(list[i], list); err != nil {
			t.Fatal(err)
		}
		r.registry.Join(t.Context())
		close(r.ready)
	}
	await(t, "all links", func() bool { return linked(nodes) })
	return nodes, w
}

func TestAStaticNodeThatWasSilentComesBack(t *testing.T) {
	t.Parallel()
	nodes, w := statics(t)
	w.cut(nodes[2])
	await(t, "n1 does without n3", func() bool { return len(nodes[0].Nodes()) == 2 })
	w.mend(nodes[2])
	for deadline := time.Now().Add(5 * time.Second); len(nodes[0].Nodes()) != 3; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("5 s after the link was mended n1 knows %v", nodes[0].Nodes())
		}
	}
}

// A key is near its owner, then another node comes to own it, then a connection that was told so subscribes: it misses nothing that is pushed from then on,
// however late the new owner feeds it.
func TestWhoSubscribesAsTheKeyLeavesMissesNothing(t *testing.T) {
	t.Parallel()
	w := newWire()
	b, store := new(board), slow{memory.New(memory.Config{})}
	nodes := []*node{b.start(t, store, "n1", w.use), b.start(t, store, "n2", nil)}
	await(t, "all links", func() bool { return linked(nodes) })
	key := keysOf(nodes)[0]
	if err := nodes[0].Approach(t.Context(), key); err != nil || !nodes[0].Near(key) {
		t.Fatal("not near its owner", err)
	}
	nodes[0].registry.gone() // it relays from now on
	await(t, "the other node owns it", func() bool { return nodes[1].Owns(key) && !nodes[0].Owns(key) })
	w.freeze(nodes[1])
	if _, _, _, err := nodes[0].Subscribe(nodes[0].sink.id, key, 1); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if r := nodes[1].push(t, key, fmt.Sprint(i), time.Minute); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	await(t, "the link is down", func() bool { return !nodes[0].links.To("n2").Up() })
	w.mend(nodes[1])
	await(t, "the link is up", func() bool { return nodes[0].links.To("n2").Up() })
	nodes[1].push(t, key, "3", time.Minute)
	nodes[0].wants(t, key, "0123")
}
