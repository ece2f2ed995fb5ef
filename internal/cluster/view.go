package cluster

import (
	"context"
	"slices"
	"time"

	"gopush/internal/cluster/link"
	"gopush/internal/ring"
)

// view is who is there. It never changes: another one takes its place.
type view struct {
	nodes []Node
	ring  *ring.Ring            // nil: nobody is there
	self  string                // this node's name, if it is one of them
	links map[string]*link.Link // to the others
}

// owner returns the name of the node that owns key; "": nobody is there.
func (v *view) owner(key string) string {
	if v.ring == nil {
		return ""
	}
	return v.ring.Owner(key)
}

// owns tells whether this node owns key.
func (v *view) owns(key string) bool { return v.self != "" && v.owner(key) == v.self }

// Owns tells whether this node gives the messages of key their order.
func (c *Cluster) Owns(key string) bool { return c.view.Load().owns(key) }

// Nodes returns the nodes that are there, by name. Nobody changes them.
func (c *Cluster) Nodes() []Node { return c.view.Load().nodes }

// Ring returns which keys are whose, or nil.
func (c *Cluster) Ring() *ring.Ring { return c.view.Load().ring }

// Owner returns the node that owns key, and false if nobody is there.
func (c *Cluster) Owner(key string) (Node, bool) {
	v := c.view.Load()
	return v.node(v.owner(key))
}

func (v *view) node(name string) (Node, bool) {
	i := slices.IndexFunc(v.nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return Node{}, false
	}
	return v.nodes[i], true
}

// Owning returns what is closed when this node first owns keys.
func (c *Cluster) Owning() <-chan struct{} { return c.owning }

func (c *Cluster) tellOwning(v *view) {
	select {
	case <-c.owning:
	default:
		if v.self != "" {
			close(c.owning)
		}
	}
}

// see has nodes be who is there. That nobody is there is not believed of a registry: then what was known holds.
func (c *Cluster) see(ctx context.Context, nodes []Node) {
	c.seeing.Lock()
	defer c.seeing.Unlock()
	if len(nodes) == 0 {
		if c.joined.Load() { // else this node was the last, or is the first
			c.cfg.Log.Warn("the registry knows no node: what was known of them holds", "nodes", names(c.Nodes()))
		}
		return
	}
	before := c.view.Load()
	v := c.newView(before, nodes)
	c.meet(ctx, before, v)
	if v.sameRing(before) { // but for addresses
		c.view.Store(v)
		c.links.SetPeers(c.peersOf(v.nodes))
		return
	}
	c.Stats.RingChanges.Add(1)
	c.logChange(before, v)
	c.view.Store(v)
	c.tellOwning(v)
	c.links.SetPeers(c.peersOf(v.nodes))
	relayed, left := c.hub.Reown()
	c.follow(relayed)
	c.report(left)
	c.reportAgain("")
	c.forgetOwned()
}

// newView is the view with nodes, and begins to link with those that are new. Those before it are linked with, too, until it is the view.
func (c *Cluster) newView(before *view, nodes []Node) *view {
	v := &view{nodes: slices.Clone(nodes), links: map[string]*link.Link{}}
	for _, n := range nodes {
		if n.Self {
			v.self = n.Name
		}
	}
	v.ring = ring.New(weighted(nodes))
	c.links.SetPeers(c.peersOf(nodes, before.nodes))
	for _, n := range nodes {
		if l := c.links.To(n.Name); l != nil && !n.Self {
			v.links[n.Name] = l
		}
	}
	return v
}

// peersOf returns those to be linked with: the others of all lists, as the first that has them does, and of a registry that learns from the links all that it
// may hear of.
func (c *Cluster) peersOf(lists ...[]Node) (peers []link.Peer) {
	if p, ok := c.cfg.Registry.(Pulse); ok {
		lists = append(lists, p.Listed())
	}
	for _, n := range slices.Concat(lists...) {
		known := slices.ContainsFunc(peers, func(p link.Peer) bool { return p.Name == n.Name })
		if !n.Self && !known {
			peers = append(peers, link.Peer{Name: n.Name, Addrs: n.Admin})
		}
	}
	return peers
}

// meetTime is how long a node that is new has to be linked with: until then what was known of the others holds, and no push fails because its owner
// cannot be asked yet.
const meetTime = time.Second

// meet waits until those nodes are linked with that are in v and were not before.
func (c *Cluster) meet(ctx context.Context, before, v *view) {
	late := time.NewTimer(meetTime)
	defer late.Stop()
	for {
		missing := false
		for name, l := range v.links {
			if _, known := before.node(name); !known && !l.Up() {
				missing = true
			}
		}
		if !missing {
			return
		}
		select {
		case <-c.linked:
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// logChange tells an operator what has changed. Where processes take over from each other under one name, the nodes are the same.
func (c *Cluster) logChange(before, v *view) {
	if !slices.Equal(weighted(v.nodes), weighted(before.nodes)) {
		c.cfg.Log.Info("the nodes of the cluster changed", "now", names(v.nodes), "before", names(before.nodes))
	}
	switch {
	case v.self != "" && before.self == "":
		c.cfg.Log.Info("this process owns keys now", "node", v.self)
	case v.self == "" && before.self != "":
		c.cfg.Log.Info("this process owns no keys any more", "node", before.self)
	}
}

// sameRing tells whether each key has the owner that it had.
func (v *view) sameRing(before *view) bool {
	return v.self == before.self && slices.Equal(weighted(v.nodes), weighted(before.nodes))
}

// weighted returns what nodes are in a ring.
func weighted(nodes []Node) []ring.Node {
	list := make([]ring.Node, len(nodes))
	for i, n := range nodes {
		list[i] = ring.Node{Name: n.Name, Weight: n.Weight}
	}
	return list
}

func names(nodes []Node) []string {
	list := make([]string, len(nodes))
	for i, n := range nodes {
		list[i] = n.Name
	}
	return list
}
