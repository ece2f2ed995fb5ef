package auth

import (
	"context"
	"hash/maphash"
)

// numLocks is enough that keys seldom share a lock, and that many renewals at once become one
// group commit of the store.
const numLocks = 256

// keyLocks are locks that may be held over I/O: who waits for one gives up with its context.
type keyLocks struct {
	seed  maphash.Seed
	locks []chan struct{} // full while it is held
}

func newKeyLocks() keyLocks {
	k := keyLocks{seed: maphash.MakeSeed(), locks: make([]chan struct{}, numLocks)}
	for i := range k.locks {
		k.locks[i] = make(chan struct{}, 1)
	}
	return k
}

// lock waits for the lock of key and returns what gives it back.
func (k *keyLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	l := k.locks[maphash.String(k.seed, key)%numLocks]
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
