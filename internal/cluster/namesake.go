package cluster

import (
	"context"
	"fmt"
	"time"
)

const (
	lookEvery = 5 * time.Second // for another process under this node's name
	lookTime  = time.Second     // for one look
)

// watchName looks now and then whether another process has this node's name, where no registry sees to that.
func (c *Cluster) watchName(ctx context.Context) {
	if _, ok := c.cfg.Registry.(Pulse); !ok {
		return
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.lookForNamesake(ctx)
		}
	}
}

// lookForNamesake asks who is where the list of nodes says that this node is. Nobody need be there as far as this node can tell:
// addresses may lead nowhere from within.
func (c *Cluster) lookForNamesake(ctx context.Context) {
	p, ok := c.cfg.Registry.(Pulse)
	if !ok {
		return
	}
	var taken error
	for _, addr := range p.Place() {
		limited, cancel := context.WithTimeout(ctx, lookTime)
		itself, err := c.links.Namesake(limited, addr)
		cancel()
		if err == nil && !itself {
			taken = fmt.Errorf("another process serves under the name %s at %s, where cluster.registry has it: give each process a name of its own (node)", c.cfg.Self().Name, addr)
		}
	}
	before := p.Taken(taken)
	switch {
	case taken != nil && before == nil:
		c.cfg.Log.Error("this node owns no keys", "err", taken)
	case taken == nil && before != nil:
		c.cfg.Log.Info("no other process has this node's name any more")
	}
}
