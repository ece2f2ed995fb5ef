package test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// ready tells whether a node says that it is, and what it says.
func (m *member) readiness() (ok bool, says string) {
	m.t.Helper()
	a := do(m.t, "GET", m.opsURL("/readyz"), "")
	return a.status == http.StatusOK, a.body
}

// expectReady waits until /readyz of each node says that it is ready, or that it is not because of what.
func (c *cluster) expectReady(want bool, what string) {
	c.t.Helper()
	for _, m := range c.members {
		eventually(c.t, m.name+" says in /readyz that "+what, func() bool {
			ok, says := m.readiness()
			return ok == want && strings.Contains(says, what)
		})
	}
}

// A registry that is away for longer than sessions last changes nothing but what nodes say of themselves; when it is back all is as
// it was, and a node may come and go again.
func TestClusterRegistryAway(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) *registryServer{"zookeeper": startZooKeeper, "etcd": startEtcd} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			c, a := newCluster(t, clusterConfig{registry: func(*cluster) string { return server.setting() }}), newAccount()
			keys := c.keysOfAll(c.members...)
			devices := c.crowd(dialects(), keys, c.members...)
			for _, d := range devices {
				d.undisturbed()
			}
			load := c.push(a, ways(), 5, keys, c.members...)
			load.more(3)

			server.Stop()
			away := time.Now()
			for _, m := range c.members {
				eventually(t, m.name+" says in /readyz that the registry is away", func() bool {
					_, says := m.readiness()
					return strings.Contains(says, "registry")
				})
			}
			for time.Since(away) < 2*sessionTimeout {
				load.more(1)
			}
			server.Start()
			c.expectReady(true, "")
			for back := time.Now(); time.Since(back) < 2*sessionTimeout; {
				load.more(1)
				for _, m := range c.members {
					if !c.sees(m, c.members) {
						t.Fatalf("%s does not know all nodes any more, after the registry came back", m.name)
					}
				}
			}
			load.stop()
			a.expectNoFailures(t)
			expectUndisturbed(t, devices...)
			a.settle(t, devices...)
			a.expectKept(t, c.members...)

			c.members[2].kill()
			c.agree(c.members[:2]...)
		})
	}
}

// While the store is away a stored push is refused within a stated time; what is live only, and subscriptions, go on. It comes
// back by itself, also where it hangs instead of ending.
func TestClusterStoreAway(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(s *storeServer) (back func()){
		"killed": func(s *storeServer) func() { s.kill(); return s.start },
		"hangs":  func(s *storeServer) func() { return s.hang() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, a := newCluster(t, clusterConfig{}), newAccount()
			a.overtaken = true
			keys := c.keysOfAll(c.members...)
			devices := c.crowd(dialects()[:5], keys, c.members...)
			for _, d := range devices {
				d.undisturbed()
			}
			load := c.push(a, ways(), 5, keys, c.members...)
			load.more(2)
			load.stop()
			a.expectNoFailures(t)

			back := away(c.store)
			const bound = 5 * time.Second // store_timeout, twice, and one more
			for _, m := range c.members {
				for _, key := range keys {
					began := time.Now()
					if mid, err := m.pushMid(key, `"p0-0"`, "600"); err == nil {
						t.Errorf("a stored push to %s on %s was acknowledged with %d while the store is away", key, m.name, mid)
					}
					if took := time.Since(began); took > bound {
						t.Errorf("a stored push to %s on %s was refused after %v, want %v at most", key, m.name, took, bound)
					}
				}
			}
			c.expectReady(false, "store")
			var live []way
			for _, w := range ways() {
				if !w.stored {
					live = append(live, w)
				}
			}
			a.try(keys[0], "p0-0")
			a.try(keys[1], "p0-0")
			a.try(keys[2], "p0-0")
			whileAway := c.push(a, live, 4, keys, c.members...)
			whileAway.more(5)
			whileAway.stop()
			a.expectNoFailures(t)
			fresh := c.members[1].subscribe(keys[0], "", "1")
			c.members[2].push(keys[0], `"p0-1"`, "?expire=0")
			for m := fresh.next(); string(m.Msg) != `"p0-1"`; m = fresh.next() { // what a link brings late may come first
				if !strings.HasPrefix(string(m.Msg), `"p`) {
					t.Fatalf("who subscribed while the store was away got %s", m.Msg)
				}
			}
			a.try(keys[0], "p0-1")

			back()
			c.expectReady(true, "")
			again := c.push(a, ways(), 5, keys, c.members...)
			again.more(3)
			again.stop()
			expectUndisturbed(t, devices...)
			a.settle(t, devices...)
			a.expectKept(t, c.members...)
		})
	}
}

// Nodes that know of a change at different times: one that hears nothing from the registry owns keys, as it believes,
// that another owns already. What both acknowledge reaches everybody, in one order.
func TestClusterTwoOwners(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) *registryServer{"zookeeper": startZooKeeper, "etcd": startEtcd} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			late := newGate(t, server.Addr) // the way of the first node to the registry
			c, a := newCluster(t, clusterConfig{registry: func(*cluster) string { return server.setting() }, idle: true}), newAccount()
			first, second, third := c.members[0], c.members[1], c.members[2]
			first.flags = []string{"--cluster.registry", server.through(late)}
			first.start()
			second.start()
			c.agree(first, second)

			// Keys that are the first's without the third, and the third's with it.
			keys, without := []string(nil), ringOf([]*member{first, second})
			for _, key := range c.keysOf(third, 200) {
				if len(keys) < 3 && without.Owner(key) == first.name {
					keys = append(keys, key)
				}
			}
			devices := c.crowd(resuming(), keys, first, second)
			before := c.push(a, storing(), 4, keys, first, second)
			before.more(3)

			late.hold()
			third.start()
			c.agreeOn(second, c.members...)
			c.agreeOn(third, c.members...)
			if !c.sees(first, []*member{first, second}) {
				t.Fatal("the first node has heard of the third, although its way to the registry is held")
			}
			devices = append(devices, c.crowd(resuming(), keys, third)...)
			old := c.push(a, storing(), 3, keys, first)
			young := c.push(a, storing(), 3, keys, third)
			old.more(10)
			young.more(10)
			before.more(3)

			late.release()
			c.agree(c.members...)
			old.more(3)
			young.more(3)
			for _, tr := range []*traffic{before, old, young} {
				tr.stop()
			}
			if disowned := first.count("gopush_keys_disowned_total") + third.count("gopush_keys_disowned_total"); disowned == 0 {
				t.Error("no key was another node's: the nodes never were to own a key both")
			}
			a.expectRefusals(t) // while the nodes take turns
			expectUndisturbed(t, devices...)
			a.settle(t, devices...)
			a.expectKept(t, c.members...)
		})
	}
}
