package registrytest

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopush/internal/cluster"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// group are processes that use one registry.
type group struct {
	t       *testing.T
	kind    Kind
	server  *Server // nil where there is none
	prefix  string
	opened  int
	changed chan struct{} // holds at most one: somebody was told something
	members []*member
}

// member is a process of a group.
type member struct {
	cluster.Registry
	g     *group
	node  cluster.Node
	proxy *Proxy // to the server; the first of them
	more  []*Proxy
	end   func() // ends Run, and waits for it

	mu   sync.Mutex
	told [][]cluster.Node
}

func newGroup(t *testing.T, k Kind, s *Server, name string) *group {
	prefix := regexp.MustCompile(`[^a-z0-9/]+`).ReplaceAllString(strings.ToLower(name), "-")
	return &group{t: t, kind: k, server: s, prefix: prefix, changed: make(chan struct{}, 1)}
}

// open starts a process of a node; it does not join. It reaches the server in one way or in several.
func (g *group) open(name string, ways ...int) *member {
	g.t.Helper()
	g.opened++
	addr := func(port int) []string { return []string{fmt.Sprintf("10.0.0.%d:%d", g.opened, port)} }
	m := &member{g: g, node: cluster.Node{Name: name, Weight: g.opened%5 + 1, Admin: addr(6970), TCP: addr(6969), WS: addr(6968)}}
	m.proxy = NewProxy(g.t, g.server.Addr)
	addrs := []string{m.proxy.Addr}
	for range append(ways, 1)[0] - 1 {
		m.more = append(m.more, NewProxy(g.t, g.server.Addr))
		addrs = append(addrs, m.more[len(m.more)-1].Addr)
	}
	m.Registry = g.kind.Open(g.t, addrs, g.prefix, m.node)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx, m.see) })
	m.end = func() { cancel(); running.Wait() }
	g.t.Cleanup(m.end)
	g.members = append(g.members, m)
	return m
}

// see takes what the registry tells, and holds it to what is promised of every telling.
func (m *member) see(nodes []cluster.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	byName := func(a, b cluster.Node) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(nodes, byName) || len(slices.CompactFunc(slices.Clone(nodes), func(a, b cluster.Node) bool { return a.Name == b.Name })) < len(nodes) {
		m.g.t.Errorf("%s is told of %v, want each name once, in order", m.node.Name, nodes)
	}
	if n := len(m.told); n > 0 && reflect.DeepEqual(m.told[n-1], nodes) {
		m.g.t.Errorf("%s is told of %v twice in a row", m.node.Name, nodes)
	}
	m.told = append(m.told, slices.Clone(nodes))
	clear(nodes) // they are ours
	select {
	case m.g.changed <- struct{}{}:
	default:
	}
}

// last returns what the process was told last, and how often it was told something.
func (m *member) last() (nodes []cluster.Node, times int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.told) == 0 {
		return nil, 0
	}
	return m.told[len(m.told)-1], len(m.told)
}

// history returns all that the process was told, from the i-th time on.
func (m *member) history(i int) [][]cluster.Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.told[i:])
}

func (m *member) join() {
	m.g.t.Helper()
	m.do("Join", m.Join)
}

func (m *member) leave() {
	m.g.t.Helper()
	m.do("Leave", m.Leave)
}

func (m *member) do(what string, f func(context.Context) error) {
	m.g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f(ctx); err != nil {
		m.g.t.Fatalf("%s of %s = %v", what, m.node.Name, err)
	}
}

// kill ends a process as kill -9 does: the server hears no word of it.
func (m *member) kill() {
	m.proxy.Cut()
	m.end()
}

// serving are processes, each of which is to be seen under its node's name.
type serving []*member

// as returns what m is to be told of these processes.
func (s serving) as(m *member) []cluster.Node {
	nodes := []cluster.Node{}
	for _, other := range s {
		n := other.node
		n.Self = other == m
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b cluster.Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes
}

// wantSeen waits until all of who see that these processes serve.
func (g *group) wantSeen(who []*member, s serving) {
	g.t.Helper()
	g.await(func() error {
		for _, m := range who {
			want := s.as(m)
			if got, times := m.last(); times == 0 || !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
				return fmt.Errorf("%s of %v was told, the %d. time, of\n  %+v\nwant\n  %+v", m.node.Name, m.node.Admin, times, got, want)
			}
		}
		return nil
	})
}

// wantHealth waits until who find the registry healthy, or not.
func (g *group) wantHealth(who []*member, healthy bool) {
	g.t.Helper()
	g.await(func() error {
		for _, m := range who {
			if err := m.Healthy(); (err == nil) != healthy {
				return fmt.Errorf("Healthy() of %s = %v, want healthy %t", m.node.Name, err, healthy)
			}
		}
		return nil
	})
}

// await returns when there is nothing wrong any more.
func (g *group) await(wrong func() error) {
	g.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := wrong()
		if err == nil {
			return
		}
		select {
		case <-g.changed:
		case <-tick.C: // health is not told of
		case <-deadline:
			g.t.Fatal(err)
		}
	}
}

// marks returns how often each of who has been told something.
func marks(who []*member) (marks []int) {
	for _, m := range who {
		_, times := m.last()
		marks = append(marks, times)
	}
	return marks
}

// wantConstant wants who to have been told, since marks, of nothing but nodes among which all of names are.
func (g *group) wantConstant(who []*member, marks []int, names ...string) {
	g.t.Helper()
	for i, m := range who {
		for _, nodes := range m.history(marks[i]) {
			for _, name := range names {
				if !slices.ContainsFunc(nodes, func(n cluster.Node) bool { return n.Name == name }) {
					g.t.Errorf("%s was told of %+v, without %s, which was there all the time", m.node.Name, nodes, name)
				}
			}
		}
	}
}

// wantSilence wants who to have been told nothing since marks.
func (g *group) wantSilence(who []*member, marks []int) {
	g.t.Helper()
	for i, m := range who {
		if told := m.history(marks[i]); len(told) > 0 {
			g.t.Errorf("%s was told of %+v, and nothing had changed", m.node.Name, told)
		}
	}
}

// Logger returns a logger whose lines are the test's.
func Logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// joined starts processes that join, and returns them when they see each other.
func (g *group) joined(names ...string) (joined []*member) {
	g.t.Helper()
	for _, name := range names {
		m := g.open(name)
		m.join()
		joined = append(joined, m)
	}
	g.await(func() error {
		for _, m := range joined {
			if nodes, _ := m.last(); !containsAll(nodes, names) {
				return fmt.Errorf("%s was told of %+v, want %q among them", m.node.Name, nodes, names)
			}
		}
		return nil
	})
	return joined
}

func containsAll(nodes []cluster.Node, names []string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(nodes, func(n cluster.Node) bool { return n.Name == name }) {
			return false
		}
	}
	return true
}
