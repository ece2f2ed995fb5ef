package network

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"gopush/test/proof"
	"gopush/test/proof/lab"
)

// Failovers are faults of the master of a shard of a Redis Cluster, most of them for so long that a replica takes its place; none where there is no
// Redis Cluster with replicas.
func (n *Network) Failovers() []proof.Kind {
	if n.setup.Shards == 0 || n.setup.Replicas == 0 {
		return nil
	}
	const drop = 1
	return []proof.Kind{
		n.failover("kill -9 of a Redis master", func(n *Network, at int) proof.Fault { return &ended{n.Store[at]} }),
		n.failover("SIGSTOP of a Redis master", func(n *Network, at int) proof.Fault { return &stopped{n.Store[at]} }),
		n.failover("a Redis master cut from the others of Redis", func(n *Network, at int) proof.Fault {
			return n.fault("cut", lab.Each(n.store[at:at+1], others(n.store, at), lab.Rule{Drop: drop}))
		}),
		n.failover("one-way cut from a Redis master", func(n *Network, at int) proof.Fault {
			return n.fault("one-way cut", lab.OneWay(n.store[at:at+1], others(n.store, at), lab.Rule{Drop: drop}))
		}),
		n.failover("one-way cut to a Redis master", func(n *Network, at int) proof.Fault {
			return n.fault("one-way cut", lab.OneWay(others(n.store, at), n.store[at:at+1], lab.Rule{Drop: drop}))
		}),
		n.failover("a Redis master cut from all", func(n *Network, at int) proof.Fault {
			return n.fault("cut", lab.Each(n.store[at:at+1], append(others(n.store, at), n.nodes...), lab.Rule{Drop: drop}))
		}),
		n.failover("a Redis master and a node cut from all others", func(n *Network, at int) proof.Fault {
			rest := append(others(n.store, at), n.nodes[1:]...)
			return n.fault("cut", lab.Each([]*lab.Host{n.store[at], n.nodes[0]}, rest, lab.Rule{Drop: drop}))
		}),
	}
}

// failover is a fault of whoever is master of a shard when it is injected.
func (n *Network) failover(name string, of func(n *Network, master int) proof.Fault) proof.Kind {
	return proof.Kind{
		Name: name, Shortest: 500 * time.Millisecond, Longest: longest,
		New: func(_ *proof.Topology, draw *rand.Rand) proof.Fault {
			return &failover{n: n, name: name, shard: draw.IntN(n.setup.Shards), of: of}
		},
	}
}

type failover struct {
	n     *Network
	name  string
	shard int
	of    func(n *Network, master int) proof.Fault
	fault proof.Fault // nil: it was not injected
}

// Name implements proof.Fault.
func (f *failover) Name() string { return fmt.Sprintf("%s, shard %d", f.name, f.shard+1) }

// Inject implements proof.Fault.
func (f *failover) Inject(ctx context.Context) error {
	at, err := f.n.shards.master(ctx, f.shard)
	if err != nil {
		return err
	}
	f.fault = f.of(f.n, at)
	return f.fault.Inject(ctx)
}

// Heal implements proof.Fault. It returns when the cluster is whole again.
func (f *failover) Heal(ctx context.Context) error {
	if f.fault == nil {
		return nil
	}
	if err := f.fault.Heal(ctx); err != nil {
		return err
	}
	return f.n.awaitStore(ctx)
}

// ended is a process that is killed, and started again.
type ended struct{ *proof.Process }

func (e *ended) Name() string                   { return "kill -9 of " + e.Process.Name }
func (e *ended) Inject(context.Context) error   { e.Kill(); return nil }
func (e *ended) Heal(ctx context.Context) error { return e.Start(ctx) }

// stopped is a process that stands still.
type stopped struct{ *proof.Process }

func (s *stopped) Name() string                 { return "SIGSTOP of " + s.Process.Name }
func (s *stopped) Inject(context.Context) error { return s.Halt() }
func (s *stopped) Heal(context.Context) error   { return s.Proceed() }
