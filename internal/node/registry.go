package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gopush/internal/cluster"
	"gopush/internal/cluster/etcd"
	"gopush/internal/cluster/registry"
	"gopush/internal/cluster/static"
	"gopush/internal/cluster/zookeeper"
	"gopush/internal/config"
)

// newRegistry returns the registry that cfg names, for this node.
func (n *Node) newRegistry(cfg *config.Config, self cluster.Node) (cluster.Registry, error) {
	setting, err := registry.Parse(cfg.ClusterRegistry)
	if err != nil {
		return nil, err
	}
	n.registry = setting.Kind
	access, err := registryAccess(cfg)
	if err != nil {
		return nil, err
	}
	timeout, log := time.Duration(cfg.ClusterSessionTimeout), log(n.log, "registry")
	switch setting.Kind {
	case registry.Static:
		return static.New(self, setting.Nodes)
	case registry.ZooKeeper:
		zk, err := zookeeper.New(zookeeper.Config{Servers: setting.Servers, Prefix: setting.Prefix, Timeout: timeout, Access: access, Node: self, Log: log})
		if err != nil {
			return nil, err
		}
		n.messages = zk
		return zk, nil
	case registry.Etcd:
		return etcd.New(etcd.Config{Servers: setting.Servers, Prefix: setting.Prefix, Timeout: timeout, Access: access, Node: self, Log: log})
	}
	return nil, fmt.Errorf("no registry %q is known", setting.Kind)
}

// registryAccess returns how the servers of the registry let this node in.
func registryAccess(cfg *config.Config) (registry.Access, error) {
	a := registry.Access{Username: cfg.RegistryUsername, Password: string(cfg.RegistryPassword)}
	if !cfg.RegistryTLS {
		return a, nil
	}
	a.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.RegistryTLSCA != "" {
		var err error
		if a.TLS.RootCAs, err = certificatesIn(cfg.RegistryTLSCA); err != nil {
			return a, fmt.Errorf("cluster.registry_tls_ca: %w", err)
		}
	}
	if certificate, key := cfg.RegistryTLSCert, cfg.RegistryTLSKey; certificate != "" {
		a.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(certificate, key) // it may have been renewed
			return &pair, err
		}
	}
	return a, nil
}

// messages is a registry in which processes of gopush-cluster look for who answers MessageRPC.
type messages interface {
	RegisterMessage(ctx context.Context, rpc []string, weight int) error
}

// errNotJoined is why a node is not ready that owns no keys.
var errNotJoined = errors.New("this node owns no keys: it has not joined the cluster, or another process serves under its name")

func (n *Node) joined() error {
	if !n.cluster.Joined() {
		return errNotJoined
	}
	return nil
}

// joining is the goroutine that has the node own keys.
type joining struct {
	mu     sync.Mutex
	cancel context.CancelFunc // nil: there is none; guarded by mu, as ended is
	ended  chan struct{}
}

// begin runs join until it returns or end is called.
func (j *joining) begin(join func(ctx context.Context)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	j.cancel, j.ended = cancel, ended
	go func() {
		defer close(ended)
		join(ctx)
	}()
}

// end ends it, if it was begun.
func (j *joining) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.cancel != nil {
		j.cancel()
		<-j.ended
		j.cancel = nil
	}
}

// hasOthers tells whether another node can take the subscribers of this one.
func (n *Node) hasOthers() bool {
	return n.cluster != nil && slices.ContainsFunc(n.cluster.Nodes(), func(o cluster.Node) bool { return !o.Self })
}

// join has the node own keys, as soon as the registry can be reached.
func (n *Node) join(ctx context.Context) {
	if err := n.cluster.Join(ctx); err != nil {
		n.notJoined(ctx, "this node owns no keys", err)
		return
	}
	cfg := n.cfg.Load()
	n.log.Info("joined the cluster", "node", nodeName(cfg))
	if n.messages == nil || n.rpc == nil {
		return
	}
	if err := n.messages.RegisterMessage(ctx, n.self(cfg).Admin, cfg.ClusterWeight); err != nil {
		n.notJoined(ctx, "not registered for processes of gopush-cluster to read stored messages", err)
	}
}

// readyWithin is how long a node that starts waits to own keys. After it the registry is away, or another process serves under its name.
const readyWithin = 5 * time.Second

// awaitOwning waits until the node owns keys: before, pushes fail since it is not known who does.
func (n *Node) awaitOwning(ctx context.Context) {
	select {
	case <-n.cluster.Owning():
	case <-time.After(readyWithin):
		n.log.Warn("this node is not ready yet", "err", cmp.Or(n.cluster.Healthy(), n.joined()))
	case <-ctx.Done():
	}
}

// notJoined says what failed, unless the node is stopping.
func (n *Node) notJoined(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		n.log.Error(what, "err", err)
	}
}

// leave has the node own no keys any more: others do from now on, and it relays to its subscribers.
func (n *Node) leave(ctx context.Context, timeout time.Duration) {
	if n.cluster == nil {
		return
	}
	n.joining.end()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := n.cluster.Leave(ctx); err != nil {
		n.log.Warn("not taken out of the registry: others see that this node has gone when its session ends", "err", err)
	}
}
