// Package network is clusters for a proof whose nodes, registry, stores, devices and pushers are hosts of a lab.Lab each, and what may happen to
// the network between them: cuts, one-way cuts, loss and delay between any two, and what follows from that: a node that others take for dead,
// two owners of a key, a Redis Cluster that fails over.
//
//	devices ──┐      ┌── n1 ──┬── n2 ──┬── n3 ──┐        ┌── registry: etcd or ZooKeeper
//	pushers ──┴──────┴────────┴────────┴────────┴────────┴── store: a Redis, or the servers of a Redis Cluster
package network
