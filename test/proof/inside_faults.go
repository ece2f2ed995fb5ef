package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// The kinds below are for topologies with BreakInside.

// FailDisk has the operations of a node on its files fail, of one kind or more.
func FailDisk() Kind {
	return Kind{
		Name: "disk errors", Shortest: 50 * time.Millisecond, Longest: 3 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault {
			kinds := []string{"write", "sync", "write,sync", "read", "read,write,sync"}[draw.IntN(5)]
			return ordered(t, draw, kinds+" errors of the disk", "fail "+kinds+" EIO", "fail none")
		},
	}
}

// FillDisk has the disk of a node be full.
func FillDisk() Kind {
	return Kind{
		Name: "disk full", Shortest: 50 * time.Millisecond, Longest: 4 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault {
			return ordered(t, draw, "full disk", "fail write ENOSPC", "fail none")
		},
	}
}

// SlowDisk has each sync of a node take long, up to twice store_timeout.
func SlowDisk() Kind {
	return Kind{
		Name: "slow syncs", Shortest: 200 * time.Millisecond, Longest: 5 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault {
			by := 5*time.Millisecond + upTo(draw, []time.Duration{100 * time.Millisecond, 4 * time.Second}[draw.IntN(2)])
			return ordered(t, draw, fmt.Sprintf("%v for each sync", by.Round(time.Millisecond)), "slow "+by.String(), "slow 0s")
		},
	}
}

// StallDisk has a node wait for its disk, past every timeout or less.
func StallDisk() Kind {
	return Kind{
		Name: "disk stalled", Shortest: 100 * time.Millisecond, Longest: 5 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault {
			return ordered(t, draw, "disk that stalls", "stall on", "stall off")
		},
	}
}

// SetClock sets the clock of a node forward or back, and then right again: by up to an hour back, and forward by up to most, which is less than what
// is pushed is kept.
func SetClock(most time.Duration) Kind {
	return Kind{
		Name: "clock set", Shortest: 100 * time.Millisecond, Longest: 10 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault {
			by := time.Second + upTo(draw, most)
			if draw.IntN(2) == 0 {
				by = -time.Second - upTo(draw, time.Hour)
			}
			by = by.Round(time.Second)
			return ordered(t, draw, fmt.Sprintf("clock set by %v", by), "clock "+by.String(), "clock 0s")
		},
	}
}

// LosePower takes the power from a node and its disk, and starts it again. Of what was not synced some is left, or all, or nothing.
func LosePower() Kind {
	return Kind{
		Name: "power loss", Shortest: 10 * time.Millisecond, Longest: 2 * time.Second,
		New: func(t *Topology, draw *rand.Rand) Fault {
			return &powerLoss{breakable(t, draw), []int{0, 50, 100, draw.IntN(101)}[draw.IntN(4)]}
		},
	}
}

// order is a fault that a node is told of.
type order struct {
	n                  *Node
	name, begin, ended string
}

func ordered(t *Topology, draw *rand.Rand, name, begin, ended string) Fault {
	return &order{breakable(t, draw), name, begin, ended}
}

// breakable is any node with BreakInside.
func breakable(t *Topology, draw *rand.Rand) *Node { return t.Nodes[draw.IntN(len(t.Nodes))] }

func (o *order) Name() string { return o.name + " of " + o.n.Name }

func (o *order) Inject(ctx context.Context) error { return o.n.Order(ctx, o.begin) }

func (o *order) Heal(ctx context.Context) error { return o.n.Order(ctx, o.ended) }

// powerLoss is a node that loses its power.
type powerLoss struct {
	n       *Node
	percent int
}

func (p *powerLoss) Name() string {
	return fmt.Sprintf("power loss of %s, with %d %% of what is not synced left", p.n.Name, p.percent)
}

// Inject takes the power. A node that ends while it is told so has not answered.
func (p *powerLoss) Inject(ctx context.Context) error {
	err := p.n.Order(ctx, fmt.Sprintf("power %d", p.percent))
	p.n.Kill() // it has ended, or does so now
	return err
}

func (p *powerLoss) Heal(ctx context.Context) error { return p.n.Start(ctx) }
