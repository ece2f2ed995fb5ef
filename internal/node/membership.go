package node

import (
	"context"
	"sync"

	"gopush/internal/cluster"
	"gopush/internal/cluster/link"
	"gopush/internal/web"
)

// membership is the cluster as operators see it.
type membership struct{ n *Node }

// membership returns what web asks, or nil for a node that is alone.
func (n *Node) membership() web.Cluster {
	if n.cluster == nil {
		return nil
	}
	return membership{n}
}

// Owner implements web.Cluster.
func (m membership) Owner(key string) (name string, at web.ClusterMember, ok bool) {
	owner, ok := m.n.cluster.Owner(key)
	return owner.Name, member(owner), ok
}

func member(n cluster.Node) web.ClusterMember {
	return web.ClusterMember{Self: n.Self, Admin: n.Admin, TCP: n.TCP, WS: n.WS}
}

// View implements web.Cluster.
func (m membership) View(ctx context.Context) web.ClusterView {
	n, cfg := m.n, m.n.cfg.Load()
	v := web.ClusterView{
		Self: nodeName(cfg), Relay: cfg.Relay == "on", RingChanges: uint64(n.cluster.Stats.RingChanges.Load()),
		Registry: web.ClusterRegistry{Kind: string(n.registry), Healthy: true},
	}
	if err := n.cluster.Healthy(); err != nil {
		v.Registry.Healthy, v.Registry.Error = false, err.Error()
	}
	var shares map[string]float64
	if r := n.cluster.Ring(); r != nil {
		shares = r.Shares()
	}
	nodes, follows := n.cluster.Nodes(), n.cluster.Follows()
	v.Nodes = make([]web.ClusterNode, len(nodes))
	var asking sync.WaitGroup
	for i, node := range nodes {
		asking.Go(func() { v.Nodes[i] = m.node(ctx, node, shares[node.Name], follows[node.Name]) })
	}
	asking.Wait()
	return v
}

// node asks a node for its counts.
func (m membership) node(ctx context.Context, node cluster.Node, share float64, follows int64) web.ClusterNode {
	v := web.ClusterNode{Name: node.Name, Weight: node.Weight, Share: share, ClusterMember: member(node)}
	if node.Self {
		s := m.n.nodeStats()
		s.Relays = m.n.cluster.Stats.Relays.Load()
		v.ClusterCounts = counts(s)
		return v
	}
	l := m.n.links.To(node.Name)
	if l == nil {
		return v
	}
	v.Link = &web.ClusterLink{Up: l.Up(), Follows: follows, LagSeconds: m.n.cluster.Lag(node.Name).Seconds()}
	if err := l.Err(); err != nil {
		v.Link.Error = err.Error()
	}
	if s, err := l.Stats(ctx); err == nil {
		v.ClusterCounts = counts(s)
	}
	return v
}

func counts(s link.NodeStats) *web.ClusterCounts {
	return &web.ClusterCounts{Connections: s.Connections, Subscriptions: s.Subscriptions, Keys: s.Keys, Relays: s.Relays}
}
