package cluster

import (
	"context"
	"sync"
	"time"
)

// keepStrays is how long after it was reported a key is reported again when the link to its owner is up anew: the one it was
// reported over may have broken before that was written.
const keepStrays = 5 * time.Second

// maxStrays is how many keys are kept while their owners cannot be told. Those beyond are seen with the next push to them, or when their
// subscribers resume.
const maxStrays = 1 << 16

// strays are keys to which this node appended though another one owns them, until their owner has looked.
type strays struct {
	mu   sync.Mutex
	keys map[string]told
}

// told is who was told of a stray, and when; nobody: its owner could not be.
type told struct {
	owner string
	at    time.Time
}

// report has the owners of keys to which this node appended look into the store, now or when they can be reached.
func (c *Cluster) report(keys []string) {
	if len(keys) == 0 {
		return
	}
	c.strays.mu.Lock()
	defer c.strays.mu.Unlock()
	for _, key := range keys {
		if len(c.strays.keys) < maxStrays {
			c.strays.keys[key] = told{}
		} else {
			c.Stats.StraysLost.Add(1)
		}
	}
	c.tellOwners("")
}

// reportAgain reports what was not reported, and all of the node name again: its link is up anew.
func (c *Cluster) reportAgain(name string) {
	c.strays.mu.Lock()
	defer c.strays.mu.Unlock()
	c.tellOwners(name)
}

// tellOwners reports the strays that were not reported, and those of the node again. strays.mu is held.
func (c *Cluster) tellOwners(again string) {
	v, now := c.view.Load(), time.Now()
	of := map[string][]string{}
	for key, t := range c.strays.keys {
		switch owner := v.owner(key); {
		case v.owns(key): // for now: it reads on by itself
			c.strays.keys[key] = told{owner, now}
		case t.owner != owner || owner == again:
			of[owner] = append(of[owner], key)
		}
	}
	for owner, keys := range of {
		l := v.links[owner]
		if l == nil || !l.Up() {
			continue
		}
		l.Look(keys...)
		for _, key := range keys {
			c.strays.keys[key] = told{owner, now}
		}
	}
}

// forgetStrays forgets what was reported a while ago over a link that has not broken since.
func (c *Cluster) forgetStrays(now time.Time) {
	c.strays.mu.Lock()
	defer c.strays.mu.Unlock()
	v := c.view.Load()
	for key, t := range c.strays.keys {
		l := v.links[v.owner(key)]
		switch {
		case t.owner == "":
		case !v.owns(key) && (l == nil || !l.Up()):
			c.strays.keys[key] = told{}
		case now.Sub(t.at) > keepStrays:
			delete(c.strays.keys, key)
		}
	}
}

// reportStrays reports keys that this node appends to and does not own, until ctx ends.
func (c *Cluster) reportStrays(ctx context.Context) {
	for keys := c.hub.Strays(ctx); len(keys) > 0; keys = c.hub.Strays(ctx) {
		c.Stats.Strays.Add(int64(len(keys)))
		c.report(keys)
	}
}
