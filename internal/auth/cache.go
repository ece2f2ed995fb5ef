package auth

import (
	"crypto/subtle"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// CacheTime is how long a good token is believed good without asking the store again, where a store is shared. A token that another
// node revoked is refused after it at the latest.
const CacheTime = 5 * time.Second

// maxCached is how many good tokens are remembered that were looked at last, at least; twice as many at most, at about 400 bytes
// each with the longest of keys. Past it those of the last CacheTime are too many to remember, and the store is asked.
const maxCached = 16 << 10

// cache is what was found good of late. That a token is refused is not in it: who registers a token with one node and connects
// to another at once is let in, and strangers cannot fill it.
type cache struct {
	most        int           // in a generation; 0: nothing is remembered
	revocations atomic.Uint64 // moved while mu is held

	mu         sync.Mutex
	young, old generation // old is what was young before, and goes when young is full or CacheTime has passed
	size       int        // tokens in young
	since      time.Time  // when young began
}

// generation is good tokens by key; a key has few.
type generation map[string][]goodToken

type goodToken struct {
	hash  [32]byte
	until time.Time // when to ask again
}

// good tells whether the token is known to be good.
func (c *cache) good(key string, hash [32]byte, now time.Time) bool {
	if c.most == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	is := func(g goodToken) bool {
		return subtle.ConstantTimeCompare(g.hash[:], hash[:]) == 1 && now.Before(g.until)
	}
	return slices.ContainsFunc(c.young[key], is) || slices.ContainsFunc(c.old[key], is)
}

// put has a token that was looked at at now known to be good until then, unless tokens were revoked since:
// whoever sees that revocations moved asks again, and must not be told what was true before.
func (c *cache) put(key string, hash [32]byte, revocations uint64, now, until time.Time) {
	if c.most == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.revocations.Load() != revocations {
		return
	}
	if c.young == nil || c.size >= c.most || now.Sub(c.since) >= CacheTime {
		c.young, c.old, c.size, c.since = generation{}, c.young, 0, now
	}
	c.size -= c.young.drop(key, tagOf(hash))
	c.young[key] = append(c.young[key], goodToken{hash, until})
	c.size++
}

// revoked forgets the tokens of key with these tags, or all of key when none is given, and moves revocations.
func (c *cache) revoked(key string, tags []uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revocations.Add(1)
	c.size -= c.young.drop(key, tags...)
	c.old.drop(key, tags...)
}

// drop removes the tokens of key with these tags, or all of key when none is given, and returns how many there were.
func (g generation) drop(key string, tags ...uint64) int {
	before := len(g[key])
	if before == 0 {
		return 0
	}
	left := slices.DeleteFunc(g[key], func(t goodToken) bool { return len(tags) == 0 || slices.Contains(tags, tagOf(t.hash)) })
	if len(left) == 0 {
		delete(g, key)
		return before
	}
	g[key] = left
	return before - len(left)
}
