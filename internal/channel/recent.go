package channel

import (
	"sync"
	"time"
)

// recent are keys that this node stored messages of as their owner in the last while: perhaps it was not their owner any more, and
// had not heard. Their channels may be forgotten by then.
type recent struct {
	mu     sync.Mutex
	keys   map[string]struct{} // of this period; guarded by mu
	before map[string]struct{} // of the one before
	since  time.Time           // when the period began
}

const (
	recentPeriod = 15 * time.Second
	recentKeys   = 1 << 16 // of a period, at most; of those beyond, what nobody saw is seen with the next push
)

// add notes a key.
func (r *recent) add(key string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) > recentPeriod {
		r.before, r.keys, r.since = r.keys, map[string]struct{}{}, now
	}
	if len(r.keys) < recentKeys {
		r.keys[key] = struct{}{}
	}
}

// take returns those of the last period, and of the one before, that are elsewhere now, and forgets them.
func (r *recent) take(elsewhere func(key string) bool) (left []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, keys := range []map[string]struct{}{r.before, r.keys} {
		for key := range keys {
			if elsewhere(key) {
				left = append(left, key)
				delete(keys, key)
			}
		}
	}
	return left
}
