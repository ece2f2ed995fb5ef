package proof_test

import (
	"gopush/test/proof"
	"gopush/test/proof/lab"
	"gopush/test/proof/network"
)

// networks are runs on hosts of a lab, whose network is broken.
func networks() (all []trial) {
	for _, n := range []struct {
		name   string
		long   bool
		setup  network.Setup
		faults func(n *network.Network) []proof.Kind
	}{
		{"network, etcd", false, network.Setup{Registry: network.Etcd}, anything},
		{"network, ZooKeeper", true, network.Setup{Registry: network.ZooKeeper}, anything},
		{"network, static", true, network.Setup{}, anything},
		{"network, Redis Cluster that waits", false, network.Setup{Registry: network.Etcd, Shards: 3, Replicas: 1, Wait: 1}, (*network.Network).Failovers},
		{"network, Redis Cluster that does not wait", true, network.Setup{Registry: network.Etcd, Shards: 3, Replicas: 1}, (*network.Network).Failovers},
	} {
		all = append(all, trial{name: n.name, long: n.long, needs: lab.Missing(), start: func(binary, dir string) (proof.Config, error) {
			n.setup.Binary, n.setup.Dir = binary, dir
			made, err := network.New(n.setup)
			if err != nil {
				return proof.Config{}, err
			}
			return proof.Config{Topology: made.Topology, Faults: n.faults(made)}, nil
		}})
	}
	return all
}

// anything is what may happen to the network, and to the processes in it.
func anything(n *network.Network) []proof.Kind {
	kinds := append(n.Kinds(), proof.KillNode(), proof.HaltNode(), proof.KillStore())
	if len(n.Registry) > 0 {
		kinds = append(kinds, proof.KillRegistry())
	}
	return kinds
}
