package link

import (
	"maps"
	"net"
	"sync"
	"time"
)

const (
	refusedAgain = 10 * time.Minute // until the same refusal of a peer that comes again and again is logged again
	maxRefused   = 256              // peers that are remembered; past it no further ones are logged, only counted
)

// refusals are who was turned away lately: a node with a wrong secret tries again each second, and anybody who reaches the listener may.
type refusals struct {
	mu     sync.Mutex
	logged map[refusedPeer]time.Time
}

// refusedPeer is a host that was turned away for a reason.
type refusedPeer struct {
	host string
	why  Refusal
}

// news tells whether the refusal of a peer is to be logged.
func (r *refusals) news(from net.Addr, why Refusal, now time.Time) bool {
	host, _, _ := net.SplitHostPort(from.String())
	peer := refusedPeer{host, why}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.logged, func(_ refusedPeer, at time.Time) bool { return now.Sub(at) >= refusedAgain })
	if _, known := r.logged[peer]; known || len(r.logged) >= maxRefused {
		return false
	}
	r.logged[peer] = now
	return true
}
