package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"gopush/test/proof"
	"gopush/test/proof/lab"
)

const (
	nodes  = 3
	apiKey = "secret of those who push"

	publicPort    = "6969" // of every node
	redisPort     = 6379
	adminPort     = 6970
	etcdPort      = 2379
	zooKeeperPort = 2181
)

// Setup says what a cluster is made of. Its zero value, with a Binary and a Dir, has a static registry and one Redis.
type Setup struct {
	Binary   string   // gopush
	Dir      string   // of logs and of what servers keep
	Registry Registry // "": Static
	Shards   int      // of a Redis Cluster, three at least; 0: one Redis
	Replicas int      // of each shard
	Wait     int      // redis.wait_replicas
	Flags    []string // of all nodes
}

// Registry is a kind of registry.
type Registry string

// The kinds of registries.
const (
	Static    Registry = "static"
	Etcd      Registry = "etcd"
	ZooKeeper Registry = "ZooKeeper"
)

// Network is a cluster in a lab.
type Network struct {
	*proof.Topology

	setup            Setup
	lab              *lab.Lab
	devices, pushers *lab.Host
	operator         *lab.Host // asks whether processes are ready, and is never cut off
	nodes            []*lab.Host
	store            []*lab.Host // of a Redis Cluster: the first of each shard, then the second of each …
	registry         []*lab.Host // none: static
	shards           *shards     // nil: one Redis
}

// New returns a cluster that is not started. Its Topology.Close lets go of the lab.
func New(setup Setup) (*Network, error) {
	l, err := lab.New()
	if err != nil {
		return nil, err
	}
	n := &Network{setup: setup, lab: l}
	if err := n.build(); err != nil {
		l.Close()
		return nil, err
	}
	return n, nil
}

func (n *Network) build() error {
	if n.setup.Registry == "" {
		n.setup.Registry = Static
	}
	if err := n.addHosts(); err != nil {
		return err
	}
	n.Topology = &proof.Topology{
		Name: n.name(), Dial: n.dial, APIKey: apiKey, MayLose: n.mayLose(),
		MayVanish: n.mayVanish(),
		Close:     func() error { n.lab.Close(); return nil },
	}
	n.addStore()
	registry := n.addRegistry()
	for _, h := range n.nodes {
		node := proof.NewMember(n.setup.Binary, h.Name, h.IP, n.setup.Dir, registry, strings.Join(n.addrs(n.store, redisPort), ","), n.flags()...)
		n.place(node.Process, h, n.readyz(node.Ops))
		n.Nodes = append(n.Nodes, node)
	}
	return nil
}

func (n *Network) addHosts() (err error) {
	add := func(name string, to *[]*lab.Host) {
		h, failed := n.lab.Host(name)
		err = errors.Join(err, failed)
		*to = append(*to, h)
	}
	for i := range nodes {
		add(fmt.Sprintf("n%d", i+1), &n.nodes)
	}
	if n.setup.Registry != Static {
		add("registry", &n.registry)
	}
	for i := range max(1, n.setup.Shards*(1+n.setup.Replicas)) {
		add(fmt.Sprintf("store%d", i+1), &n.store)
	}
	var people []*lab.Host
	for _, name := range []string{"devices", "pushers", "operator"} {
		add(name, &people)
	}
	n.devices, n.pushers, n.operator = people[0], people[1], people[2]
	return err
}

func (n *Network) name() string {
	store := "Redis"
	if n.setup.Shards > 0 {
		store = fmt.Sprintf("Redis Cluster with %d replicas, wait_replicas = %d", n.setup.Replicas, n.setup.Wait)
	}
	return fmt.Sprintf("network of three nodes, %s, %s", n.setup.Registry, store)
}

// mayLose is why acknowledged messages may be lost.
func (n *Network) mayLose() string {
	if n.setup.Shards > 0 && n.setup.Wait < n.setup.Replicas {
		return "Redis answers before its replicas have what it answers, and one of them takes its place"
	}
	return ""
}

// mayVanish is why what was not acknowledged may be read and be gone later.
func (n *Network) mayVanish() string {
	if n.setup.Replicas > 0 {
		return "who reads what is stored reads what a Redis has, which its replicas may not have"
	}
	return ""
}

func (n *Network) flags() []string {
	return append([]string{
		"--api-keys", "pushers:" + apiKey, "--public-without-auth", "--redis.wait-replicas", fmt.Sprint(n.setup.Wait),
	}, n.setup.Flags...)
}

// dial connects a device or a pusher to a node.
func (n *Network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if strings.HasSuffix(addr, ":"+publicPort) {
		return n.devices.DialContext(ctx, network, addr)
	}
	return n.pushers.DialContext(ctx, network, addr)
}

func (n *Network) addrs(hosts []*lab.Host, port int) (addrs []string) {
	for _, h := range hosts {
		addrs = append(addrs, h.Addr(port))
	}
	return addrs
}
