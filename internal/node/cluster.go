package node

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"time"

	"gopush/internal/cluster"
	"gopush/internal/cluster/link"
	"gopush/internal/config"
	"gopush/internal/web"
)

// maxPeerMessage is the largest message that any node may be set to take: that of a peer may be larger than those of this node.
const maxPeerMessage = 64 << 20

// newCluster returns the cluster that cfg says the node is in.
func (n *Node) newCluster(cfg *config.Config) (*cluster.Cluster, error) {
	self := n.self(cfg)
	reg, err := n.newRegistry(cfg, self)
	if err != nil {
		return nil, fmt.Errorf("cluster.registry: %w", err)
	}
	secured, err := n.linkTLS(cfg)
	if err != nil {
		return nil, err
	}
	hello := link.Hello{Name: self.Name, Instance: rand.Text(), Weight: self.Weight, Admin: self.Admin, TCP: self.TCP, WS: self.WS}
	return cluster.New(cluster.Config{
		Registry: reg, Self: func() link.Hello { return hello },
		Links:  link.Config{Secret: []byte(cfg.ClusterSecret), TLS: secured, MaxMessageBytes: maxPeerMessage},
		Refuse: cfg.Relay == "off", StoreTimeout: time.Duration(cfg.StoreTimeout),
		Revoked: n.revokedElsewhere, Stats: n.nodeStats, Now: n.faults.now(), Log: log(n.log, "cluster"),
	}), nil
}

// self is this node as others see it.
func (n *Node) self(cfg *config.Config) cluster.Node {
	self := cluster.Node{Name: nodeName(cfg), Weight: cfg.ClusterWeight, Admin: cfg.AdvertiseAdmin, Self: true}
	if len(self.Admin) == 0 {
		self.Admin = texts(n.addrs.Admin)
	}
	host, _, _ := net.SplitHostPort(self.Admin[0])
	self.TCP = reachable(n.clientAddresses(cfg.AdvertiseTCP), host)
	self.WS = reachable(n.clientAddresses(cfg.AdvertiseWS), host)
	return self
}

// reachable returns addrs with host in place of every address of the machine.
func reachable(addrs []string, host string) []string {
	all := make([]string, len(addrs))
	for i, addr := range addrs {
		all[i] = addr
		if at, err := netip.ParseAddrPort(addr); err == nil && at.Addr().Unmap().IsUnspecified() {
			_, port, _ := net.SplitHostPort(addr)
			all[i] = net.JoinHostPort(host, port)
		}
	}
	return all
}

// linkTLS returns how other nodes are dialled; nil: without TLS.
func (n *Node) linkTLS(cfg *config.Config) (*tls.Config, error) {
	if !cfg.ClusterTLS {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	shown, err := loadCertificate("cluster.tls_cert", config.Address{TLSCert: cfg.ClusterTLSCert, TLSKey: cfg.ClusterTLSKey}, "1.2")
	if err != nil {
		return nil, err
	}
	if n.addCertificate(shown); shown != nil {
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown.current.Load().pair, nil }
	}
	if cfg.ClusterTLSCA != "" {
		if t.RootCAs, err = certificatesIn(cfg.ClusterTLSCA); err != nil {
			return nil, fmt.Errorf("cluster.tls_ca: %w", err)
		}
	}
	return t, nil
}

// revokedElsewhere is told of tokens that another node revoked.
func (n *Node) revokedElsewhere(key string, tags []uint64) {
	if n.tokens != nil {
		n.tokens.Forget(key, tags...)
	}
}

// nodeStats is what other nodes are told of this one.
func (n *Node) nodeStats() link.NodeStats {
	h := &n.hub.Stats
	return link.NodeStats{
		Connections: int64(n.gateway.Connections()), Subscriptions: h.Subscribed.Load() - h.Unsubscribed.Load(),
		Keys: h.Created.Load() - h.Deleted.Load(),
	}
}

// ownersAddresses returns where clients of a protocol connect to the owner of key; none: nobody owns it.
func (n *Node) ownersAddresses(key string, p web.Protocol) []string {
	owner, _ := n.cluster.Owner(key)
	if p == web.WebSocket {
		return owner.WS
	}
	return owner.TCP
}
