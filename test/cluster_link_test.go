package test

import (
	"strings"
	"testing"
	"time"
)

// A hot key crosses a link once for each node, however many subscribe there.
func TestClusterHotKeyCrossesALinkOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterConfig{})
	owner, relays := c.members[0], c.members[1:]
	key := c.keyOf(owner)
	var subscribers []*peer
	for range 25 {
		for _, m := range c.members {
			subscribers = append(subscribers, m.subscribe(key, "", "1"))
		}
	}
	const count, size = 4, 64 << 10
	before := owner.gate.out.Load()
	for range count {
		relays[0].push(key, `"`+strings.Repeat("x", size)+`"`, "?expire=60")
	}
	for _, p := range subscribers {
		for range count {
			p.next()
		}
	}
	crossed := owner.gate.out.Load() - before
	if most, least := int64(len(relays)*count*size*11/10), int64(len(relays)*count*size); crossed > most || crossed < least {
		t.Errorf("%d bytes left the owner for %d subscribers on %d other nodes, want %d to %d", crossed, len(subscribers)*2/3, len(relays), least, most)
	}
}

// Nodes that lose the connection between them, again and again, miss nothing that is stored, and their subscribers do not notice.
func TestClusterLinksThatBreak(t *testing.T) {
	t.Parallel()
	c, a := newCluster(t, clusterConfig{registry: registries()["etcd"]}), newAccount()
	keys := c.keysOfAll(c.members...)
	devices := c.crowd(resuming(), keys, c.members...)
	load := c.push(a, storing(), 6, keys, c.members...)
	for range 5 {
		for _, m := range c.members {
			load.more(1)
			m.gate.drop()
		}
	}
	load.more(3)
	load.stop()
	expectUndisturbed(t, devices...)
	a.settle(t, devices...)
	a.expectKept(t, c.members...)
}

// A node that others cannot reach, but the registry and the store can: pushes to its keys on other nodes fail in time, on itself they
// succeed, and when it is reached again everybody has everything.
func TestClusterNodeThatCannotBeReached(t *testing.T) {
	t.Parallel()
	c, a := newCluster(t, clusterConfig{registry: registries()["etcd"]}), newAccount()
	owner, other := c.members[0], c.members[1]
	key := c.keyOf(owner)
	devices := c.crowd(resuming(), []string{key}, c.members...)
	owner.gate.cut()
	alone := c.push(a, storing(), 2, []string{key}, owner)
	alone.more(5)
	began := time.Now()
	if _, err := other.pushMid(key, `"p0-0"`, "600"); err == nil {
		t.Error("a push to a key whose owner cannot be reached succeeded")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a push to a key whose owner cannot be reached failed after %v", took)
	}
	owner.gate.release()
	load := c.push(a, storing(), 3, []string{key}, c.members...)
	load.more(5)
	load.stop()
	alone.stop()
	expectUndisturbed(t, devices...)
	a.settle(t, devices...)
	a.expectKept(t, c.members...)
}
