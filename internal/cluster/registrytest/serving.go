package registrytest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func joinAndLeave(t *testing.T, g *group) {
	a, b, c := g.open("n1"), g.open("n2"), g.open("n3")
	all := []*member{a, b, c}
	g.wantSeen(all, nil)
	for i, m := range all {
		m.join()
		g.wantSeen(all, all[:i+1])
	}
	for i, m := range all {
		m.leave()
		late := g.open(fmt.Sprint("late", i)) // must not see who has left, whenever it looks
		g.wantSeen([]*member{late}, all[i+1:])
		if _, times := late.last(); times != 1 {
			t.Errorf("who came after Leave of %s was told of %+v, want the end alone", m.node.Name, late.history(0))
		}
		g.wantSeen(all, all[i+1:])
	}
	b.join()
	g.wantSeen(all, serving{b})
	b.leave()
	b.leave() // once more does no harm
	g.wantSeen(all, nil)
}

func kill(t *testing.T, g *group) {
	all := g.joined("n1", "n2", "n3")
	since := time.Now()
	all[0].kill()
	g.wantSeen(all[1:], all[1:])
	if took := time.Since(since); took < g.kind.Timeout/3 {
		t.Errorf("who was killed left after %v, want no sooner than its session of %v can have ended", took, g.kind.Timeout)
	}
}

func standBy(t *testing.T, g *group) {
	first := g.joined("n1")[0]
	second, third := g.open("n1"), g.open("n1")
	watcher := g.joined("n2")[0]
	second.join()
	third.join()
	all := []*member{first, second, third, watcher}
	g.wantSeen(all, serving{first, watcher})
	since := marks(all)
	first.kill()
	g.wantSeen(all[1:], serving{second, watcher})
	second.leave()
	g.wantSeen(all[1:], serving{third, watcher})
	second.join()
	again := g.joined("n3")[0]
	g.wantSeen(all[1:], serving{third, watcher, again})
	g.wantConstant(all[1:], since[1:], "n1", "n2")
}

func lostSession(t *testing.T, g *group) {
	all := g.joined("n1", "n2")
	lost, other := all[0], all[1]
	since := marks(all)
	lost.proxy.Freeze()
	g.wantSeen(all[1:], serving{other})
	g.wantHealth(all[:1], false)
	lost.proxy.Thaw()
	g.wantSeen(all, all)
	g.wantHealth(all, true)
	g.wantConstant(all[:1], since[:1], "n1")
	lost.leave()
	g.wantSeen(all, serving{other})
}

func brokenConnection(t *testing.T, g *group) {
	all := g.joined("n1", "n2", "n3")
	since := marks(all)
	for range 5 {
		for _, m := range all {
			m.proxy.Break()
		}
		g.wantHealth(all, true)
	}
	last := g.joined("n4")[0] // whoever has seen it has seen what was before
	g.wantSeen(all, append(serving{last}, all...))
	for i, m := range all {
		if told := m.history(since[i]); len(told) != 1 {
			t.Errorf("%s was told of %+v, want the fourth node alone", m.node.Name, told)
		}
	}
}

// anotherServer has a process reach the server in three ways, of which one after the other fails: by refusing, by saying nothing.
func anotherServer(t *testing.T, g *group) {
	m := g.open("n1", 3)
	m.join()
	watcher := g.joined("n2")[0]
	all := []*member{m, watcher}
	g.wantSeen(all, all)
	since := marks(all)
	ways := append([]*Proxy{m.proxy}, m.more...)
	for _, fail := range []struct{ begin, end func(*Proxy) }{{(*Proxy).Cut, (*Proxy).Mend}, {(*Proxy).Freeze, (*Proxy).Thaw}} {
		for _, way := range ways {
			fail.begin(way)
			<-time.After(g.kind.Timeout * 3 / 2) // longer than what was not renewed would last
			g.wantHealth(all, true)
			fail.end(way)
		}
	}
	g.wantSilence(all, since)
	m.leave()
	g.wantSeen(all, all[1:])
}

func lateWatch(t *testing.T, g *group) {
	all := g.joined("n1", "n2")
	late := all[1]
	late.proxy.Delay(g.kind.Timeout / 8)
	others := g.joined("n3", "n4")
	others[0].leave()
	others[0].join()
	g.wantSeen(append(all, others...), append(all, others...))
	others[1].kill()
	g.wantSeen(append(all, others[0]), append(all, others[0]))
	late.proxy.Delay(0)
	others[0].leave()
	g.wantSeen(all, all)
}

func twoPrefixes(t *testing.T, g *group) {
	other := newGroup(t, g.kind, g.server, g.prefix+"/below")
	all, others := g.joined("n1", "n2"), other.joined("n1", "n3")
	g.wantSeen(all, all)
	other.wantSeen(others, others)
	all[0].leave()
	others[1].leave()
	g.wantSeen(all, all[1:])
	other.wantSeen(others, others[:1])
	for _, m := range all {
		for _, nodes := range m.history(0) {
			if len(nodes) > 0 && nodes[len(nodes)-1].Name == "n3" {
				t.Errorf("%s was told of %+v, want none of another prefix", m.node.Name, nodes)
			}
		}
	}
}

func litter(t *testing.T, g *group) {
	g.kind.Litter(t, g.server.Addr, g.prefix, "n1")
	all := g.joined("n1", "n2")
	g.wantSeen(all, all)
	g.kind.Litter(t, g.server.Addr, g.prefix, "n2")
	all = append(all, g.joined("n3")...)
	g.wantSeen(all, all)
}

func giveUpJoining(t *testing.T, g *group) {
	watcher := g.joined("n2")[0]
	m := g.open("n1")
	m.proxy.Cut()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := m.Join(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Join without a server = %v, want %v", err, context.DeadlineExceeded)
	}
	m.proxy.Mend()
	all := append([]*member{m, watcher}, g.joined("n3")...)
	g.wantSeen(all, all[1:])
	for _, nodes := range watcher.history(0) {
		if nodes[0].Name == "n1" {
			t.Errorf("was told of %+v, want never who gave up joining", nodes)
		}
	}
	m.join()
	g.wantSeen(all, all)
}

// comeAndGo has processes of 20 nodes join, leave, lose connections and die in any order, and wants everybody who lives to
// see the truth in the end.
func comeAndGo(t *testing.T, g *group) {
	const nodes, steps = 20, 120
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, seed))
	t.Logf("seed %d", seed)
	members, joined := make([]*member, nodes), make([]bool, nodes)
	for range steps {
		i := random.IntN(nodes)
		switch m := members[i]; {
		case m == nil:
			members[i], joined[i] = g.open(fmt.Sprintf("n%02d", i)), false
		case random.IntN(5) == 0:
			m.proxy.Break()
		case random.IntN(8) == 0:
			m.kill()
			members[i] = nil
		case joined[i]:
			m.leave()
			joined[i] = false
		default:
			m.join()
			joined[i] = true
		}
	}
	var living, serves []*member
	for i, m := range members {
		if m != nil {
			living = append(living, m)
		}
		if m != nil && joined[i] {
			serves = append(serves, m)
		}
	}
	g.wantSeen(living, serves)
}
