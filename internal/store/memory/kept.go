package memory

import (
	"cmp"
	"slices"
	"time"

	"gopush/internal/message"
)

// kept is the messages of a key, oldest first. What comes and goes at its ends costs the same however many there are:
// messages is the end of an array whose beginning is free, and moves back there when it has come to the end.
//
//	room     |               |          (len 0)
//	messages |    |a b c d e |
type kept struct {
	messages []message.Message // by mid
	room     []message.Message // the array that messages is in, from its beginning
	mixed    bool              // some may expire before an older one
	earliest time.Time         // none expires before; means nothing unless mixed
}

// minShrink is how many messages an array must have room for to be given up for a smaller one.
const minShrink = 64

// add appends m.
func (k *kept) add(m *message.Message) {
	if n := len(k.messages); n > 0 && m.Expires.Before(k.messages[n-1].Expires) {
		k.earliest, k.mixed = k.firstExpiry(), true
	}
	if k.mixed && m.Expires.Before(k.earliest) {
		k.earliest = m.Expires
	}
	if n := len(k.messages); n == cap(k.messages) && 4*n <= 3*cap(k.room) {
		moved := append(k.room, k.messages...)
		clear(moved[n:cap(moved)])
		k.messages = moved
	}
	grows := len(k.messages) == cap(k.messages)
	k.messages = append(k.messages, *m)
	if grows {
		k.room = k.messages[:0]
	}
}

// dropAll drops all, and their array.
func (k *kept) dropAll() { *k = kept{} }

// dropOldest drops all but the newest keep.
func (k *kept) dropOldest(keep int) { k.dropFirst(max(0, len(k.messages)-keep)) }

// dropBelow drops those below mid.
func (k *kept) dropBelow(mid int64) {
	if len(k.messages) > 0 && k.messages[0].Mid < mid {
		k.dropFirst(k.from(mid))
	}
}

// dropFirst drops the n oldest.
func (k *kept) dropFirst(n int) {
	clear(k.messages[:n])
	k.messages = k.messages[n:]
	k.shrink()
}

// dropIf drops those that f says.
func (k *kept) dropIf(f func(*message.Message) bool) {
	k.messages = slices.DeleteFunc(k.messages, func(m message.Message) bool { return f(&m) })
	k.shrink()
}

// dropExpired drops what is expired.
func (k *kept) dropExpired(now time.Time) {
	if k.firstExpiry().After(now) {
		return
	}
	expired := func(m *message.Message) bool { return !m.Expires.After(now) }
	if !k.mixed {
		n := 0
		for n < len(k.messages) && expired(&k.messages[n]) {
			n++
		}
		k.dropFirst(n)
		return
	}
	k.dropIf(expired)
	k.lookAtExpiry()
}

// firstExpiry returns when the first of all expires, or a moment before.
func (k *kept) firstExpiry() time.Time {
	switch {
	case k.mixed:
		return k.earliest
	case len(k.messages) > 0:
		return k.messages[0].Expires
	}
	return message.Never
}

// lookAtExpiry finds out when messages expire.
func (k *kept) lookAtExpiry() {
	k.mixed, k.earliest = false, message.Never
	for i := range k.messages {
		expires := k.messages[i].Expires
		k.mixed = k.mixed || i > 0 && expires.Before(k.messages[i-1].Expires)
		if expires.Before(k.earliest) {
			k.earliest = expires
		}
	}
}

// cap drops the oldest until at most n are left, and what is expired before any that is not. Where all live as long as each
// other the oldest is the one that is expired, and nothing else is looked at.
func (k *kept) cap(n int, now time.Time) {
	for len(k.messages) > n {
		if k.messages[0].Expires.After(now) && !k.firstExpiry().After(now) {
			k.dropExpired(now)
			continue
		}
		k.dropFirst(1)
	}
}

// from returns how many are below mid.
func (k *kept) from(mid int64) int {
	i, _ := slices.BinarySearchFunc(k.messages, mid, func(m message.Message, mid int64) int { return cmp.Compare(m.Mid, mid) })
	return i
}

// shrink gives up an array that is much too large.
func (k *kept) shrink() {
	if cap(k.room) > minShrink && 4*len(k.messages) < cap(k.room) {
		k.messages = slices.Clone(k.messages)
		k.room = k.messages[:0]
	}
}
