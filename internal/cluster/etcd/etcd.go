// Package etcd is the registry of nodes in etcd: a key for each process, with a lease that ends when the process is not
// heard of for the session timeout:
//
//	PREFIX/nodes/NODE/ID      {"rpc":[…],"tcp":[…],"ws":[…],"weight":n,"id":"ID"}      PREFIX: /gopush where none is set
//
// Of several processes of one node the one whose key was created first serves.
//
// One goroutine reads all keys, holds them against what this process wants to be registered, and tells; the watch, the
// lease and callers only wake it. It also reads thrice in each session timeout without a reason: so it knows whether
// there is an etcd, and no watch that is late, lost or compacted matters.
package etcd

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registry"
)

// Config is what a registry needs.
type Config struct {
	Servers []string      // HOST:PORT, at least one
	Prefix  string        // what its keys are below: empty, or with a slash first and none last
	Timeout time.Duration // how long a process that is not heard of counts as there; whole seconds, or what etcd makes of it
	Access  registry.Access
	Node    cluster.Node // this node, as others shall see it
	Log     *slog.Logger
}

// Registry is a cluster.Registry.
type Registry struct {
	c      Config
	id     string
	root   string // of the nodes, with a slash last
	key    string // of this process
	client *clientv3.Client
	token  *token
	health *registry.Health
	wake   chan struct{} // holds at most one: look again
	claim  registry.Claim
}

// New returns the registry of a node. It connects when it is run.
func New(c Config) (*Registry, error) {
	if err := registry.CheckName(c.Node.Name); err != nil {
		return nil, err
	}
	if c.Prefix == "" {
		c.Prefix = "/gopush"
	}
	r := &Registry{c: c, id: registry.NewID(), root: c.Prefix + "/nodes/", health: registry.NewHealth(c.Log), wake: make(chan struct{}, 1), token: new(token)}
	r.key = r.root + c.Node.Name + "/" + r.id
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            c.Servers,
		TLS:                  c.Access.TLS,
		DialTimeout:          c.Timeout,
		DialKeepAliveTime:    c.Timeout,
		DialKeepAliveTimeout: c.Timeout / 2,
		PermitWithoutStream:  true,
		Logger:               zap.NewNop(),
		DialOptions:          []grpc.DialOption{grpc.WithConnectParams(connecting(c.Timeout)), grpc.WithPerRPCCredentials(r.token)},
	})
	if err != nil {
		return nil, fmt.Errorf("etcd at %s: %w", strings.Join(c.Servers, ", "), err)
	}
	r.client = client
	return r, nil
}

// connecting has servers tried again soon, however long they were away: gRPC would wait for two minutes in the end.
func connecting(timeout time.Duration) grpc.ConnectParams {
	return grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
		MinConnectTimeout: timeout / 2,
	}
}

// Run watches until ctx ends. Then the lease is given back: what this process registered is gone. It is called once.
func (r *Registry) Run(ctx context.Context, see func([]cluster.Node)) {
	s := &session{r: r, view: &registry.View{See: see, Hold: r.c.Timeout}}
	s.run(ctx)
	s.close()
	if err := r.client.Close(); err != nil && ctx.Err() == nil {
		r.c.Log.Debug("closing the client of etcd", "error", err)
	}
}

// Join has this node registered. Where ctx ends before it is, it is not to be any more.
func (r *Registry) Join(ctx context.Context) error {
	done := r.claim.Want(registry.Encode(r.c.Node, r.id))
	r.look()
	if err := r.health.Await(ctx, done); err != nil {
		r.claim.Want(nil)
		r.look()
		return fmt.Errorf("register as %s: %w", r.key, err)
	}
	return nil
}

// Leave takes this process out. Where ctx ends before it is, that is done as soon as it can be.
func (r *Registry) Leave(ctx context.Context) error {
	done := r.claim.Want(nil)
	r.look()
	if err := r.health.Await(ctx, done); err != nil {
		return fmt.Errorf("leave the registry: %w", err)
	}
	return nil
}

// Healthy returns nil, or since when and why etcd does not answer.
func (r *Registry) Healthy() error { return r.health.Err() }

// look wakes the goroutine that reads.
func (r *Registry) look() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
