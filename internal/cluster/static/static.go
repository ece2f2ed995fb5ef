// Package static is the registry of a cluster whose nodes are listed by the setting, the same list on all: no server keeps
// it, so who of them is alive is what the links between nodes say.
//
//	links ──Heard, Silent──> who of the list is there ──> see
//
// Nodes ping each other over their links; this package does not know how. To begin with all others are there: a
// cluster that starts assigns keys to those that come in a moment, and who does not come falls silent.
package static

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registry"
)

// Registry is a cluster.Registry.
type Registry struct {
	self    cluster.Node
	listed  map[string]cluster.Node // as the setting has them; never changed
	changed chan struct{}           // holds at most one: look who is there

	mu     sync.Mutex
	there  map[string]cluster.Node // who is there, as it says itself; without this node
	joined bool                    // this node is there, unless its place is taken
	taken  error                   // how another process has its place; nil: none has
	holder cluster.Node            // that process, as it says itself
}

// New returns the registry of the node self in a list, as registry.Parse returns it. Its weight is the one in the list, which is
// the same everywhere.
func New(self cluster.Node, list []cluster.Node) (*Registry, error) {
	r := &Registry{listed: map[string]cluster.Node{}, changed: make(chan struct{}, 1), there: map[string]cluster.Node{}}
	for _, n := range list {
		r.listed[n.Name] = n
		r.there[n.Name] = n
	}
	own, listed := r.listed[self.Name]
	if !listed {
		names := slices.Sorted(maps.Keys(r.listed))
		return nil, fmt.Errorf("this node, %q, is not in the list of cluster.registry, which has %s: add it there, on all nodes, or set node to one of them", self.Name, strings.Join(names, ", "))
	}
	if self.Weight > 1 && self.Weight != own.Weight {
		return nil, fmt.Errorf("this node has the weight %d, and %d in the list of cluster.registry: write %s=%s*%[1]d there, on all nodes", self.Weight, own.Weight, self.Name, own.Admin[0])
	}
	delete(r.there, self.Name)
	r.self = self
	r.self.Weight, r.self.Self = own.Weight, true
	if len(self.Admin) == 0 {
		r.self.Admin = own.Admin
	}
	return r, nil
}

// Run tells see of who is there until ctx ends.
func (r *Registry) Run(ctx context.Context, see func([]cluster.Node)) {
	view := &registry.View{See: see}
	for {
		view.Show(time.Now(), r.nodes())
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		}
	}
}

// Join counts this node from now on. Others do when its links say that it has joined.
func (r *Registry) Join(context.Context) error {
	r.change(func() { r.joined = true })
	return nil
}

// Leave does not count this node any more. Others do not when its links have said so.
func (r *Registry) Leave(context.Context) error {
	r.change(func() { r.joined = false })
	return nil
}

// Healthy returns nil, or how another process has this node's name: there is nothing to be reached.
func (r *Registry) Healthy() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

// Place returns where the list says that this node is.
func (r *Registry) Place() []string { return r.listed[r.self.Name].Admin }

// Taken says that another process is in this node's place, for which this one stands by meanwhile, or with nil that none is. It
// returns what was said before.
func (r *Registry) Taken(err error) (was error) {
	r.change(func() {
		if was, r.taken = r.taken, err; was == nil {
			r.holder = r.listed[r.self.Name]
		}
	})
	return was
}

// Heard says that there is a link to a node, and that the node says of itself, over it, that it has joined. A node that is not listed does
// not count; the weight, and the addresses where nodes reach it, are those of the list.
func (r *Registry) Heard(n cluster.Node) {
	listed, ok := r.listed[n.Name]
	if !ok {
		return
	}
	n.Weight, n.Admin, n.Self = listed.Weight, listed.Admin, false
	n.TCP, n.WS = slices.Clone(n.TCP), slices.Clone(n.WS)
	if n.Name == r.self.Name {
		r.change(func() { r.holder = n })
		return
	}
	r.set(n.Name, &n)
}

// Silent says that a node has not answered three times, or says that it leaves.
func (r *Registry) Silent(name string) {
	if name != r.self.Name {
		r.set(name, nil)
	}
}

// Listed returns all others of the list, whether they are there or not.
func (r *Registry) Listed() (all []cluster.Node) {
	for _, n := range r.listed {
		if n.Name != r.self.Name {
			all = append(all, n)
		}
	}
	return all
}

// set takes note of a node that is there, or is not where n is nil.
func (r *Registry) set(name string, n *cluster.Node) {
	r.change(func() {
		if n != nil {
			r.there[name] = *n
		} else {
			delete(r.there, name)
		}
	})
}

// change has Run look at what do changes.
func (r *Registry) change(do func()) {
	r.mu.Lock()
	do()
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// nodes returns who is there, in any order.
func (r *Registry) nodes() []cluster.Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	nodes := slices.Collect(maps.Values(r.there))
	switch {
	case r.taken != nil:
		nodes = append(nodes, r.holder)
	case r.joined:
		nodes = append(nodes, r.self)
	}
	return nodes
}
