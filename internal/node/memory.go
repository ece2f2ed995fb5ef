package node

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// What a burst of connections leaves behind, when they come and when they go, is given back to
// the system within 10 s of its end. The runtime would keep it for minutes, in case of another.
const (
	memoryLook  = 2 * time.Second
	memoryBurst = 500 // connections that came or went since memory was last given back that make it worth it
	memoryCalm  = 100 // connections that come or go in memoryLook and are no burst
)

// keepMemory gives memory back after bursts until ctx ends.
func (n *Node) keepMemory(ctx context.Context) {
	ticker := time.NewTicker(memoryLook)
	defer ticker.Stop()
	last := n.moved()
	given := last
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := n.moved()
		if now-given >= memoryBurst && now-last <= memoryCalm {
			runtime.GC() // what lies in a sync.Pool is let go by the second collection
			debug.FreeOSMemory()
			given = now
		}
		last = now
	}
}

// moved returns how many connections have ever come, and how many have gone, together.
func (n *Node) moved() int64 {
	return 2*n.gateway.Stats.Accepted.Load() - int64(n.gateway.Connections())
}
