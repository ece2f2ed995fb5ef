package test

import (
	"testing"

	"gopush/internal/cluster/registrytest"
)

// registryServer is a ZooKeeper or an etcd.
type registryServer struct {
	*registrytest.Server
	scheme string
}

// setting is cluster.registry for nodes that use it.
func (s *registryServer) setting() string { return s.scheme + "://" + s.Addr + "/test" }

// through is the setting for a node that reaches it through a gate.
func (s *registryServer) through(g *gate) string { return s.scheme + "://" + g.addr() + "/test" }

func startZooKeeper(t *testing.T) *registryServer {
	t.Helper()
	return &registryServer{registrytest.StartZooKeeper(t), "zookeeper"}
}

func startEtcd(t *testing.T) *registryServer {
	t.Helper()
	return &registryServer{registrytest.StartEtcd(t), "etcd"}
}
