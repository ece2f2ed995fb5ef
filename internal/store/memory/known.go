package memory

import (
	"time"

	"gopush/internal/channel"
)

// known is the idempotency keys that were stored lately, in two generations: the older one goes all at once when
// the last of it is out of its window, so nothing is looked through.
type known struct {
	newer, older generation
}

type generation struct {
	firsts map[idemID]first
	full   time.Time // when it takes no more
	over   time.Time // when the last of it is out of its window
}

// idemID is an idempotency key of a key.
type idemID struct {
	key  string
	name channel.IdemName
}

// first is the message that was stored with an idempotency key.
type first struct {
	mid     int64
	expires time.Time // when the idempotency key is as good as new
}

// find returns the mid of id, 0: it is new.
func (k *known) find(id idemID, now time.Time) int64 {
	for _, g := range [...]*generation{&k.newer, &k.older} {
		if f, found := g.firsts[id]; found && f.expires.After(now) {
			return f.mid
		}
	}
	return 0
}

// add has id, which is new, be known as mid for a window.
func (k *known) add(id idemID, mid int64, now time.Time, window time.Duration) {
	k.turn(now)
	expires := now.Add(window)
	if k.newer.firsts == nil {
		k.newer = generation{firsts: map[idemID]first{}, full: expires}
	}
	if expires.After(k.newer.over) {
		k.newer.over = expires
	}
	k.newer.firsts[id] = first{mid, expires}
}

// turn lets go of what is over.
func (k *known) turn(now time.Time) {
	if !now.Before(k.older.over) {
		k.older = generation{}
	}
	if k.older.firsts == nil && k.newer.firsts != nil && !now.Before(k.newer.full) {
		k.older, k.newer = k.newer, generation{}
	}
}
