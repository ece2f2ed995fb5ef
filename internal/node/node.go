// Package node puts a node together by hand and runs it. It is the only package that knows
// all the others, and what it knows of them is their constructors: what a message goes
// through on its way is in docs/design.md.
//
//	config ─> store ─> channel.Hub [─> cluster.Cluster] ─> comet.Gateway ─> web handlers, an http.Server for each address
package node

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/auth"
	"gopush/internal/channel"
	"gopush/internal/cluster"
	"gopush/internal/cluster/legacyrpc"
	"gopush/internal/cluster/link"
	"gopush/internal/cluster/registry"
	"gopush/internal/comet"
	"gopush/internal/config"
	"gopush/internal/redis"
	"gopush/internal/web"
)

// Node is one gopush process.
type Node struct {
	log     *slog.Logger // set by Open, never changed, as all below but for cfg and settings
	level   *slog.LevelVar
	started time.Time

	faults   faults
	store    store
	hub      *channel.Hub
	cluster  *cluster.Cluster  // nil: the node is alone
	links    *link.Links       // likewise
	rpc      *legacyrpc.Server // nil: legacy_rpc = off
	keys     keys              // hub, or cluster
	registry registry.Kind     // "": the node is alone
	messages messages          // nil: the registry has no place for them
	gateway  *comet.Gateway
	redis    *redis.Server
	tokens   *auth.Tokens // nil: auth = none
	metrics  *prometheus.Registry
	sockets  []socket
	http     []httpServer
	addrs    Addrs

	certificates []*certificate // set by Open, never changed

	cfg      atomic.Pointer[config.Config] // swapped by Reload
	settings atomic.Pointer[web.Settings]  // made of cfg
	drain    *drain                        // set by Open, never changed, as joining
	joining  *joining                      //
	ready    chan struct{}                 // closed by Run
	reloaded chan struct{}                 // of one: cfg was swapped
}

// keys is how backends reach keys: those of this node, or of all.
type keys interface {
	redis.Keys
	web.Keys
}

// Addrs is where a node listens.
type Addrs struct{ Public, Admin, Ops []net.Addr }

// httpServer serves the plain HTTP of one address.
type httpServer struct {
	*http.Server
	listener *comet.Listener
	tls      *certificate // nil: plain
}

// Open makes a node that listens already; Run serves. A configuration that Validate refuses
// is the caller's mistake.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger, level *slog.LevelVar) (*Node, error) {
	n := &Node{log: log, level: level, started: time.Now(), metrics: prometheus.NewRegistry(), reloaded: make(chan struct{}, 1), ready: make(chan struct{})}
	n.cfg.Store(&cfg)
	n.settings.Store(settingsOf(&cfg))
	n.drain, n.joining = &drain{n: n}, new(joining)
	err := n.open(ctx, &cfg)
	if err != nil {
		n.abandon()
		return nil, err
	}
	return n, nil
}

func (n *Node) open(ctx context.Context, cfg *config.Config) (err error) {
	if err = n.bind(ctx, cfg); err != nil {
		return err
	}
	if n.faults, err = openFaults(log(n.log, "faults")); err != nil {
		return err
	}
	if n.store, err = openStore(cfg, n.faults, log(n.log, "store")); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if err = n.openKeys(ctx, cfg); err != nil {
		return err
	}
	n.openTokens(cfg)
	if n.gateway, err = comet.New(n.gatewayConfig(cfg)); err != nil {
		return fmt.Errorf("start event loops: %w", err)
	}
	n.redis = redis.New(n.redisConfig())
	n.redis.SetClients(n.gateway)
	n.openRPC(cfg)
	n.register()
	return n.listen()
}

// openKeys opens the channels of this node, and joins them to those of others if there are any.
func (n *Node) openKeys(ctx context.Context, cfg *config.Config) (err error) {
	hc := hubConfig(cfg, n.store, n.faults.now(), log(n.log, "channel"))
	if cfg.ClusterRegistry != "" {
		if n.cluster, err = n.newCluster(cfg); err != nil {
			return err
		}
		hc.Owns = n.cluster.Owns
	}
	if n.hub, err = channel.Open(ctx, hc); err != nil {
		return fmt.Errorf("read mid limits: %w", err)
	}
	if n.keys = n.hub; n.cluster != nil {
		n.links = n.cluster.Serve(n.hub)
		n.keys = n.cluster
	}
	return nil
}

func (n *Node) openTokens(cfg *config.Config) {
	switch {
	case cfg.Auth != "token":
	case n.cluster != nil:
		n.tokens = auth.NewSharedTokens(n.store, n.faults.now(), n.cluster.Revoked)
	case cfg.Store == "redis":
		n.tokens = auth.NewSharedTokens(n.store, n.faults.now(), nil)
	default:
		n.tokens = auth.NewTokens(n.store, n.faults.now())
	}
}

func log(log *slog.Logger, part string) *slog.Logger { return log.With("part", part) }

// abandon closes what a failed Open had opened.
func (n *Node) abandon() {
	if n.gateway != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		n.gateway.Run(ctx)
	}
	if n.store != nil {
		n.store.Close()
	}
	n.faults.close()
	for _, s := range n.sockets {
		s.Close() // again, where the gateway had it
	}
}

func hubConfig(cfg *config.Config, s store, now func() time.Time, log *slog.Logger) channel.Config {
	return channel.Config{
		Store: s, Instant: cfg.Store == "memory", Node: nodeName(cfg), Now: now, Log: log,
		MaxKeyBytes: int(cfg.MaxKeyBytes), MaxMessageBytes: int(cfg.MaxMessageBytes),
		MaxSubscribersPerKey: cfg.MaxSubscribersPerKey, MaxPatterns: cfg.MaxPatterns, StoreTimeout: time.Duration(cfg.StoreTimeout),
	}
}

func nodeName(cfg *config.Config) string {
	if cfg.Node != "" {
		return cfg.Node
	}
	name, err := os.Hostname()
	if err != nil {
		return "gopush"
	}
	return name
}

func (n *Node) gatewayConfig(cfg *config.Config) comet.Config {
	gc := comet.Config{
		Keys: n.deviceKeys(), Limits: limitsOf(cfg), Loops: cfg.Loops, Engine: engineOf(cfg.Engine),
		Origins: n.allowsOrigin, StoreTimeout: time.Duration(cfg.StoreTimeout), ReadTimeout: httpReadTimeout, IdleTimeout: httpIdleTimeout,
		Log: log(n.log, "comet"),
	}
	if n.tokens != nil {
		gc.Authorize, gc.Revocations = n.tokens.Check, n.tokens.Revocations
	}
	return gc
}

// deviceKeys is how connections reach keys.
func (n *Node) deviceKeys() comet.Keys {
	if n.cluster != nil {
		return cluster.Gateway{Cluster: n.cluster}
	}
	return n.hub
}

func engineOf(name string) comet.Engine {
	switch name {
	case "io_uring":
		return comet.EngineRing
	case "epoll":
		return comet.EngineEpoll
	case "net":
		return comet.EngineNet
	}
	return comet.EngineAuto
}

// Ready returns what is closed when Run serves, and in a cluster the node owns keys, or has waited long enough for that.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Addrs returns where the node listens.
func (n *Node) Addrs() Addrs { return n.addrs }
