package comet

import (
	"net/netip"
	"sync"
	"time"
)

// address is what connections are counted by: an IPv4 address, or the first half of an IPv6 one, since whoever has one of those has
// all others of the same half.
type address [8]byte

func addressOf(a netip.Addr) (k address) {
	if a.Is4() || a.Is4In6() {
		v4 := a.Unmap().As4()
		copy(k[4:], v4[:]) // no IPv6 address that is in use begins with four zeros
		return k
	}
	v6 := a.As16()
	copy(k[:], v6[:8])
	return k
}

// addresses counts the connections of each address, and how many came within the second. An address without connections that
// did not come lately is not in it.
type addresses struct {
	mu     sync.Mutex
	open   map[address]uint32 // guarded by mu, as all below
	recent map[address]uint32 // that came within second
	second int64              // Unix
}

// maxRecent bounds how many addresses are told apart by what came within a second; others are let in.
const maxRecent = 1 << 16

// enter counts a connection, or returns why it is refused: there are most already (0: any number), or rate came within this second (0: any number).
func (a *addresses) enter(k address, most, rate int, now time.Time) Reason {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		a.open = make(map[address]uint32)
	}
	if second := now.Unix(); second != a.second {
		a.recent, a.second = nil, second
	}
	if rate > 0 && !a.came(k, uint32(rate)) {
		return AddressRate
	}
	if most > 0 && a.open[k] >= uint32(most) {
		return AddressLimit
	}
	a.open[k]++
	return 0
}

// came counts one that came within this second, or returns false: rate did already.
func (a *addresses) came(k address, rate uint32) bool {
	if a.recent == nil {
		a.recent = make(map[address]uint32)
	}
	n, known := a.recent[k]
	switch {
	case n >= rate:
		return false
	case known || len(a.recent) < maxRecent:
		a.recent[k] = n + 1
	}
	return true
}

// leave is told that a connection that was counted has gone.
func (a *addresses) leave(k address) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[k]--; a.open[k] > 0 {
		return
	}
	if delete(a.open, k); len(a.open) == 0 {
		a.open = nil // maps do not shrink
	}
}

// known returns how many addresses have connections.
func (a *addresses) known() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int64(len(a.open))
}
