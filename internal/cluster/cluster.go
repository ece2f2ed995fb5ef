package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gopush/internal/channel"
	"gopush/internal/cluster/link"
	"gopush/internal/message"
)

// Config has what a cluster needs of its node.
type Config struct {
	Registry Registry
	Self     func() link.Hello // what other nodes are told of this one, but for Joined. Name never changes
	Links    link.Config       // all but Keys, Handler and Self
	Refuse   bool              // relay = off: subscribers of other nodes' keys are sent there

	StoreTimeout time.Duration                   // for raising mids, and for a relay to begin
	Revoked      func(key string, tags []uint64) // told of tokens that were revoked at other nodes; nil: nobody cares
	Stats        func() link.NodeStats           // what other nodes are told for their operators
	Now          func() time.Time                // what mids are minted by; nil: time.Now
	Log          *slog.Logger                    // nil: none
}

// Pulse is a registry that learns from the links who is alive.
type Pulse interface {
	Heard(n Node)       // it is there, and has joined
	Silent(name string) // it is not, or has left
	Listed() []Node     // all others that may be there: links with them are kept, or they would never be heard again

	Place() []string             // where this node is to be: nobody else keeps two processes from having one name
	Taken(err error) (was error) // another process is there, under this node's name; nil: none is. While one is, this one stands by
}

// Cluster is the keys of all nodes, as connections of this node reach them.
type Cluster struct {
	Stats Stats

	cfg   Config
	hub   *channel.Hub // set by Serve, before anything else is called but Owns
	links *link.Links  // likewise
	sink  channel.SinkID

	view    atomic.Pointer[view] // never nil
	joined  atomic.Bool          // between Join and Leave
	seeing  sync.Mutex           // held while the nodes change
	linked  chan struct{}        // has room for one: a link has come up
	owning  chan struct{}        // closed when this node first owns keys
	relays  relays
	pattern patterns
	strays  strays
	touched atomic.Uint64 // sinks that were fed and are to be flushed
}

// New makes the cluster that a node is in. Its Owns is for the channels, which Serve is given then.
func New(cfg Config) *Cluster {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.StoreTimeout == 0 {
		cfg.StoreTimeout = 2 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Cluster{cfg: cfg, linked: make(chan struct{}, 1), owning: make(chan struct{})}
	c.view.Store(&view{})
	c.relays.init()
	c.strays.keys = map[string]told{}
	c.pattern.followed = map[string]*followedPattern{}
	return c
}

// Serve makes the links of the node whose channels are hub, and returns them. It is called once, before the hub runs.
func (c *Cluster) Serve(hub *channel.Hub) *link.Links {
	c.hub = hub
	cfg := c.cfg.Links
	cfg.Keys, cfg.Handler, cfg.Self, cfg.Log = own{hub, c}, peers{c}, c.hello, c.cfg.Log
	cfg.StoreTimeout = c.cfg.StoreTimeout
	c.links = link.New(cfg)
	return c.links
}

func (c *Cluster) hello() link.Hello {
	h := c.cfg.Self()
	h.Joined = c.joined.Load()
	return h
}

// Run keeps the cluster until ctx ends.
func (c *Cluster) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { c.links.Run(ctx) })
	running.Go(func() { c.cfg.Registry.Run(ctx, func(nodes []Node) { c.see(ctx, nodes) }) })
	running.Go(func() { c.reportStrays(ctx) })
	running.Go(func() { c.watchName(ctx) })
	running.Go(func() { c.endRelays(ctx) })
	running.Wait()
}

// Join has this node own keys from now on, and returns when others can know.
func (c *Cluster) Join(ctx context.Context) error {
	c.lookForNamesake(ctx)
	c.joined.Store(true)
	if err := c.cfg.Registry.Join(ctx); err != nil {
		return fmt.Errorf("join the cluster: %w", err)
	}
	c.links.Announce()
	return nil
}

// Leave has this node own no keys any more, and returns when others know, as far as can be told: none of them has it carry out pushes
// any more. It relays on.
func (c *Cluster) Leave(ctx context.Context) error {
	c.joined.Store(false)
	err := c.cfg.Registry.Leave(ctx)
	c.links.Leave()
	c.awaitQuiet(ctx)
	return err
}

// Who has not heard that this node has left goes on to have it carry out pushes.
const (
	quiet     = 200 * time.Millisecond // without any: all have heard, or have nothing to push
	quietMost = 2 * time.Second        // by then all have
)

// awaitQuiet waits until no other node has this one carry out pushes.
func (c *Cluster) awaitQuiet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, quietMost)
	defer cancel()
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	for before := int64(-1); before != c.links.Stats.Carried.Load(); {
		before = c.links.Stats.Carried.Load()
		if len(c.links.All()) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Healthy returns nil, or why what this node knows of the others may be old.
func (c *Cluster) Healthy() error { return c.cfg.Registry.Healthy() }

// Trusted returns nil, or how this node and the others have different secrets.
func (c *Cluster) Trusted() error { return c.links.Trusted() }

// Joined tells whether this node is among those that own keys.
func (c *Cluster) Joined() bool { return c.view.Load().self != "" }

// errAlone is what a push fails with before this node knows of any.
var errAlone = fmt.Errorf("%w: the nodes of the cluster are not known yet", message.ErrUnreachable)
