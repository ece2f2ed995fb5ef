package node

import (
	"context"
	"runtime/debug"
	"time"
)

// What a burst of connects leaves behind is given back to the system within 10 s of its end.
// The runtime would keep it for minutes, in case of another.
const (
	memoryLook  = 2 * time.Second
	memoryBurst = 500 // connections accepted since memory was last given back that make it worth it
	memoryCalm  = 100 // connections accepted in memoryLook that are no burst
)

// keepMemory gives memory back after bursts until ctx ends.
func (n *Node) keepMemory(ctx context.Context) {
	ticker := time.NewTicker(memoryLook)
	defer ticker.Stop()
	last := n.gateway.Stats.Accepted.Load()
	given := last
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := n.gateway.Stats.Accepted.Load()
		if now-given >= memoryBurst && now-last <= memoryCalm {
			debug.FreeOSMemory()
			given = now
		}
		last = now
	}
}
