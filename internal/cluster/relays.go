package cluster

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"gopush/internal/cluster/link"
)

// A relay is a key that another node owns and that somebody listens to here, or did a moment ago: its channel is fed by the
// owner.
//
//	want ─> asked ─ Handler.Followed ─> live ─ link down, follow dropped, other owner ─> asked again

const (
	relayShards = 64
	linger      = 10 * time.Second // a relay to which nobody listens stays so long
	followAgain = time.Second      // after a follow was refused
)

// relays are all relays of a node, in shards by key.
type relays struct {
	seed   maphash.Seed
	shards [relayShards]relayShard
}

type relayShard struct {
	mu   sync.Mutex
	keys map[string]*relay // guarded by mu
}

// relay is guarded by the lock of its shard.
type relay struct {
	owner string        // whom it is asked of; "": of nobody
	live  bool          // it is fed
	ready chan struct{} // closed when it is live, or cannot be now; nil: nobody waits
	since time.Time     // when it was last wanted, with nobody listening; zero: somebody listens
}

func (rs *relays) init() {
	rs.seed = maphash.MakeSeed()
	for i := range rs.shards {
		rs.shards[i].keys = map[string]*relay{}
	}
}

func (rs *relays) of(key string) *relayShard {
	return &rs.shards[maphash.String(rs.seed, key)%relayShards]
}

// each calls f for all relays, a shard at a time, with its lock held.
func (rs *relays) each(f func(s *relayShard, key string, r *relay)) {
	for i := range rs.shards {
		s := &rs.shards[i]
		s.mu.Lock()
		for key, r := range s.keys {
			f(s, key, r)
		}
		s.mu.Unlock()
	}
}

// settled tells those who wait for r that there is nothing to wait for any more.
func (r *relay) settled() {
	if r.ready != nil {
		close(r.ready)
		r.ready = nil
	}
}

// want has key, which another node owns, relayed, and returns what is to be waited for until it is; nil: nothing.
func (c *Cluster) want(key string) <-chan struct{} {
	s := c.relays.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	r, v := s.keys[key], c.view.Load()
	if v.owns(key) { // since whoever calls looked
		if r != nil {
			c.end(v, s, key, r)
		}
		return nil
	}
	if r == nil {
		r = new(relay)
		s.keys[key] = r
		c.Stats.Relays.Add(1)
	}
	r.since = time.Time{}
	subscribers, listeners := c.hub.Listening(key)
	if listeners == 0 {
		r.since = time.Now()
	}
	l := v.links[v.owner(key)]
	if owner := v.owner(key); r.owner != owner {
		c.ask(r, key, owner, l)
	} else if r.live && l != nil {
		l.Count(key, subscribers)
	}
	if r.live || l == nil || !l.Up() {
		return nil
	}
	if r.ready == nil {
		r.ready = make(chan struct{})
	}
	return r.ready
}

// ask has owner, over l, feed key from now on. l may be nil or down: then it is asked when it is up. The shard is locked.
func (c *Cluster) ask(r *relay, key, owner string, l *link.Link) {
	if r.owner != "" {
		c.Stats.Refollowed.Add(1)
		if old := c.view.Load().links[r.owner]; old != nil && r.owner != owner {
			old.Unfollow(key)
		}
	}
	r.owner, r.live = owner, false
	released := c.hub.Relay(key)
	if l != nil && l.Up() {
		l.Follow(key, released)
	} else {
		r.settled()
	}
}

// follow has keys relayed by those who own them now.
func (c *Cluster) follow(keys []string) {
	for _, key := range keys {
		if !c.Owns(key) {
			c.want(key)
		}
	}
}

// followAll asks a node again for all that it owns: its link is up anew.
func (c *Cluster) followAll(l *link.Link) {
	name := l.Name()
	c.relays.each(func(_ *relayShard, key string, r *relay) {
		if r.owner == name {
			c.ask(r, key, name, l)
		}
	})
}

// unfed is told that a node feeds nothing any more.
func (c *Cluster) unfed(name string) {
	c.relays.each(func(_ *relayShard, _ string, r *relay) {
		if r.owner == name {
			r.live = false
			r.settled()
		}
	})
}

// forgetOwned ends the relays of keys that this node owns now.
func (c *Cluster) forgetOwned() {
	v := c.view.Load()
	c.relays.each(func(s *relayShard, key string, r *relay) {
		if v.owns(key) {
			c.end(v, s, key, r)
		}
	})
}

// end ends a relay. The shard is locked.
func (c *Cluster) end(v *view, s *relayShard, key string, r *relay) {
	if l := v.links[r.owner]; l != nil {
		l.Unfollow(key)
	}
	r.settled()
	delete(s.keys, key)
	c.Stats.Relays.Add(-1)
}

// endRelays ends, until ctx does, relays to which nobody has listened for a while.
func (c *Cluster) endRelays(ctx context.Context) {
	tick := time.NewTicker(linger / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			c.forgetStrays(now)
			v := c.view.Load()
			c.relays.each(func(s *relayShard, key string, r *relay) {
				if !r.since.IsZero() && now.Sub(r.since) > linger && c.hub.Unrelay(key) {
					c.end(v, s, key, r)
				}
			})
		}
	}
}

// followed is told that name feeds key from now on, with all above released.
func (c *Cluster) followed(name, key string, released int64) {
	s := c.relays.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.keys[key]
	if r == nil || r.owner != name {
		return
	}
	r.live = true
	c.hub.Followed(key, released)
	r.settled()
	if l := c.view.Load().links[name]; l != nil {
		if subscribers, _ := c.hub.Listening(key); subscribers > 0 {
			l.Count(key, subscribers)
		}
	}
}

// dropped is told that name feeds key no more.
func (c *Cluster) dropped(name, key string) {
	s := c.relays.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.keys[key]; r != nil && r.owner == name {
		c.ask(r, key, name, c.view.Load().links[name])
	}
}

// refused is told that name does not feed key.
func (c *Cluster) refused(name, key string) {
	c.Stats.Refused.Add(1)
	s := c.relays.of(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.keys[key]; r != nil && r.owner == name {
		r.live = false
		r.settled()
		time.AfterFunc(followAgain, func() { c.dropped(name, key) })
	}
}
