package network

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"gopush/test/proof"
	"gopush/test/proof/lab"
)

// How long faults of the network are in force: from less than any timeout to more than all of them.
const (
	shortest = 200 * time.Millisecond
	longest  = 8 * time.Second
)

// Kinds are all sorts of faults that may befall the network, but those of Failovers.
func (n *Network) Kinds() (kinds []proof.Kind) {
	for _, between := range n.betweens() {
		kinds = append(kinds, n.kindsOf(between)...)
	}
	return append(kinds, n.alone())
}

// between is where the network is broken: some hosts and some others, which New of a kind draws.
type between struct {
	name string
	draw func(*rand.Rand) (some, others []*lab.Host)
}

func (n *Network) betweens() []between {
	all := []between{
		{"node and node", n.drawNodes},
		{"node and devices", func(draw *rand.Rand) (_, _ []*lab.Host) { return one(n.nodes, draw), []*lab.Host{n.devices} }},
		{"node and pushers", func(draw *rand.Rand) (_, _ []*lab.Host) { return one(n.nodes, draw), []*lab.Host{n.pushers} }},
		{"node and store", func(draw *rand.Rand) (_, _ []*lab.Host) { return one(n.nodes, draw), n.store }},
	}
	if n.setup.Registry != Static {
		all = append(all, between{"node and registry", func(draw *rand.Rand) (_, _ []*lab.Host) { return one(n.nodes, draw), n.registry }})
	}
	return all
}

// drawNodes returns one node, and one other or both.
func (n *Network) drawNodes(draw *rand.Rand) (some, rest []*lab.Host) {
	i := draw.IntN(len(n.nodes))
	rest = others(n.nodes, i)
	if draw.IntN(2) == 0 {
		rest = one(rest, draw)
	}
	return n.nodes[i : i+1], rest
}

func one(hosts []*lab.Host, draw *rand.Rand) []*lab.Host {
	i := draw.IntN(len(hosts))
	return hosts[i : i+1]
}

// kindsOf are what may be wrong between some hosts and others.
func (n *Network) kindsOf(b between) []proof.Kind {
	kind := func(name string, rules func(some, others []*lab.Host, draw *rand.Rand) []*lab.Rule) proof.Kind {
		name += " between " + b.name
		return proof.Kind{
			Name: name, Shortest: shortest, Longest: longest,
			New: func(_ *proof.Topology, draw *rand.Rand) proof.Fault {
				some, others := b.draw(draw)
				return n.fault(name, rules(some, others, draw))
			},
		}
	}
	return []proof.Kind{
		kind("cut", func(some, others []*lab.Host, _ *rand.Rand) []*lab.Rule {
			return lab.Each(some, others, lab.Rule{Drop: 1})
		}),
		kind("one-way cut", func(some, others []*lab.Host, draw *rand.Rand) []*lab.Rule {
			if draw.IntN(2) == 0 {
				some, others = others, some
			}
			return lab.OneWay(some, others, lab.Rule{Drop: 1})
		}),
		kind("loss", func(some, others []*lab.Host, draw *rand.Rand) []*lab.Rule {
			return lab.Each(some, others, lab.Rule{Drop: 0.02 + 0.4*draw.Float64()})
		}),
		kind("delay", func(some, others []*lab.Host, draw *rand.Rand) []*lab.Rule {
			return lab.Each(some, others, lab.Rule{Late: 5*time.Millisecond + time.Duration(draw.Int64N(int64(700*time.Millisecond)))})
		}),
	}
}

// alone has a node reach devices and pushers only: neither others nor the registry nor the store.
func (n *Network) alone() proof.Kind {
	const name = "node alone with its devices"
	return proof.Kind{
		Name: name, Shortest: shortest, Longest: longest,
		New: func(_ *proof.Topology, draw *rand.Rand) proof.Fault {
			i := draw.IntN(len(n.nodes))
			rest := append(append(others(n.nodes, i), n.registry...), n.store...)
			return n.fault(name, lab.Each(n.nodes[i:i+1], rest, lab.Rule{Drop: 1}))
		},
	}
}

// fault returns a fault of the network that is healed when the store is whole again.
func (n *Network) fault(name string, rules []*lab.Rule) proof.Fault {
	return &cut{Fault: n.lab.Fault(name, rules...), n: n}
}

type cut struct {
	*lab.Fault
	n *Network
}

// Heal returns when what was cut off is there again: a Redis Cluster keeps its promises when one thing is broken at a time.
func (c *cut) Heal(ctx context.Context) error {
	if err := c.Fault.Heal(ctx); err != nil {
		return err
	}
	return c.n.awaitStore(ctx)
}

// awaitStore waits until the store has all its servers.
func (n *Network) awaitStore(ctx context.Context) error {
	for _, p := range n.Store {
		if err := p.AwaitReady(ctx); err != nil {
			return fmt.Errorf("the store is not whole again: %w", err)
		}
	}
	return nil
}
