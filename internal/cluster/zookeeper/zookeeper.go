// Package zookeeper is the registry of nodes in ZooKeeper, in gopush-cluster's own layout, so that its web processes see
// and drive our nodes, and its comets are nodes to ours:
//
//	[PREFIX]/gopush-cluster-comet/NODE/0000000007      persistent/persistent/ephemeral and sequential, a process:
//	                                                   {"rpc":[…],"tcp":[…],"ws":[…],"weight":n,"id":"…"}
//	[PREFIX]/gopush-cluster-message/0000000003         a process that answers MessageRPC: {"rpc":[…],"weight":n,"id":"…"}
//
// Of several processes of one node the lowest serves, as there. What a comet writes has no id; its web processes do not
// read ours, by which a process knows its own.
//
// One goroutine reads what has changed, holds it against what this process wants to be registered, and tells; watches,
// sessions and callers only wake it. All is read again now and then, so that no lost watch matters.
package zookeeper

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path"
	"time"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registry"
)

// Config is what a registry needs. Reread may be zero.
type Config struct {
	Servers []string      // HOST:PORT, at least one
	Prefix  string        // what its paths are below: empty, or with a slash first and none last
	Timeout time.Duration // of the session: how long a process that is not heard of counts as there
	Reread  time.Duration // how often all is read without a reason; 10 s
	Access  registry.Access
	Node    cluster.Node // this node, as others shall see it
	Log     *slog.Logger
}

// Registry is a cluster.Registry.
type Registry struct {
	c      Config
	id     string
	root   string // of the nodes
	health *registry.Health
	wake   chan struct{} // holds at most one: look again

	node    *claim
	message *claim
}

// New returns the registry of a node. It connects when it is run.
func New(c Config) (*Registry, error) {
	if err := registry.CheckName(c.Node.Name); err != nil {
		return nil, err
	}
	if c.Reread == 0 {
		c.Reread = 10 * time.Second
	}
	r := &Registry{c: c, id: registry.NewID(), root: c.Prefix + "/gopush-cluster-comet", health: registry.NewHealth(c.Log), wake: make(chan struct{}, 1)}
	r.node = &claim{dir: path.Join(r.root, c.Node.Name)}
	r.message = &claim{dir: c.Prefix + "/gopush-cluster-message"}
	return r, nil
}

// Run watches until ctx ends. Then the session is closed: what this process registered is gone.
func (r *Registry) Run(ctx context.Context, see func([]cluster.Node)) {
	view := &registry.View{See: see, Hold: r.c.Timeout}
	for ctx.Err() == nil {
		s := r.connect()
		stop := context.AfterFunc(ctx, s.hurry)
		s.run(ctx, view)
		stop()
		s.close()
	}
}

// Join has this node registered. Where ctx ends before it is, it is not to be any more.
func (r *Registry) Join(ctx context.Context) error {
	return r.want(ctx, r.node, registry.Encode(r.c.Node, r.id))
}

// RegisterMessage has this process registered as one that answers MessageRPC at the addresses rpc (HOST:PORT), until Leave.
// It returns when it is. Where ctx ends before, it is not to be any more.
func (r *Registry) RegisterMessage(ctx context.Context, rpc []string, weight int) error {
	return r.want(ctx, r.message, registry.EncodeMessage(rpc, weight, r.id))
}

// Leave takes out what this process registered. Where ctx ends before it is, that is done as soon as it can be.
func (r *Registry) Leave(ctx context.Context) error {
	message, node := r.message.Want(nil), r.node.Want(nil)
	r.look()
	for _, done := range []<-chan struct{}{message, node} {
		if err := r.health.Await(ctx, done); err != nil {
			return fmt.Errorf("leave the registry: %w", err)
		}
	}
	return nil
}

// Healthy returns nil, or since when and why there is no session.
func (r *Registry) Healthy() error { return r.health.Err() }

func (r *Registry) want(ctx context.Context, c *claim, data []byte) error {
	done := c.Want(data)
	r.look()
	err := r.health.Await(ctx, done)
	if err != nil {
		c.Want(nil)
		r.look()
		return fmt.Errorf("register at %s: %w", c.dir, err)
	}
	return nil
}

// look wakes the goroutine that reads.
func (r *Registry) look() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// nextReread spreads what all nodes do now and then.
func (r *Registry) nextReread() time.Duration {
	return r.c.Reread + rand.N(r.c.Reread/4)
}
