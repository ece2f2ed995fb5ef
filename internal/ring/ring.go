// Package ring assigns each key to a node: a ketama consistent hash, the one of gopush-cluster, so that its processes and
// ours assign every key to the same node.
//
//	0 ──•n2───•n1─────•n1──•n3───────•n2── 2^32, which is 0 again     255 points for each node and weight
//	              ^ SHA-1 of the key: its owner is the node of the next point, n1
//
// A ring never changes: whoever knows of other nodes makes a new one and swaps it whole. When a node comes it takes
// its share from all others, when it goes they share what it had, and no key moves between two that stay.
// Package ring knows neither who is alive nor how to reach a node.
package ring

import (
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"slices"
	"strconv"
)

const (
	// PointsPerWeight is how many points a node of weight 1 has.
	PointsPerWeight = 255
	// MaxWeight is the weight that no node exceeds: a ring of one such node is 255,000 points.
	MaxWeight = 1000
)

// stackKeyBytes is the length of the longest key that is hashed without an allocation; longer ones are hashed all the same.
const stackKeyBytes = 255

// Node is a node on the ring.
type Node struct {
	Name   string
	Weight int // of its share of the keys; 0 or less: none
}

// Ring is the owner of every key. It is immutable, so any number of goroutines may ask it; the zero Ring has no nodes.
type Ring struct {
	nodes  []Node   // by name
	points []uint32 // ascending
	owners []uint32 // owners[i] is the index in nodes of the owner of points[i]
}

// New returns the ring of nodes; their order does not matter. A weight above MaxWeight counts as MaxWeight; of nodes of one
// name the one of the greatest weight counts.
//
// A point that several nodes have (with 1,000 nodes of weight 1: about eight of 255,000) is that of the name that is first
// in byte order. gopush-cluster leaves it to an unstable sort of nodes in the order of a map, so that two of
// its own processes may differ there.
func New(nodes []Node) *Ring {
	r := &Ring{nodes: distinct(nodes)}
	all := r.hashPoints()
	slices.SortFunc(all, func(a, b point) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.owner, b.owner)) })
	r.points = make([]uint32, len(all))
	r.owners = make([]uint32, len(all))
	for i, p := range all {
		r.points[i], r.owners[i] = p.at, p.owner
	}
	return r
}

// distinct returns nodes by name, each name once, with the weights that count.
func distinct(nodes []Node) []Node {
	nodes = slices.Clone(nodes)
	for i, n := range nodes {
		nodes[i].Weight = min(max(n.Weight, 0), MaxWeight)
	}
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(b.Weight, a.Weight)) })
	return slices.CompactFunc(nodes, func(a, b Node) bool { return a.Name == b.Name })
}

// point is a point of the node with the index owner.
type point struct{ at, owner uint32 }

// hashPoints returns the points of all nodes: the hashes of "name:1", "name:2" and so on.
func (r *Ring) hashPoints() (all []point) {
	for owner, n := range r.nodes {
		label := []byte(n.Name + ":")
		for i := 1; i <= PointsPerWeight*n.Weight; i++ {
			all = append(all, point{hash(strconv.AppendInt(label, int64(i), 10)), uint32(owner)})
		}
	}
	return all
}

// hash returns the last four bytes of the SHA-1 of b.
func hash(b []byte) uint32 {
	sum := sha1.Sum(b)
	return binary.BigEndian.Uint32(sum[sha1.Size-4:])
}

// hashKey is hash of a key. It copies it, since the compiler allocates where it has to turn a long string into bytes.
func hashKey(key string) uint32 {
	if len(key) > stackKeyBytes {
		return hash([]byte(key))
	}
	var b [stackKeyBytes]byte
	return hash(b[:copy(b[:], key)])
}

// Owner returns the name of the node that owns key: that of the first point at or after the key's, of the first of all
// where there is none. It is "" where no node has a weight.
func (r *Ring) Owner(key string) string {
	if len(r.points) == 0 {
		return ""
	}
	i, _ := slices.BinarySearch(r.points, hashKey(key))
	if i == len(r.points) {
		i = 0
	}
	return r.nodes[r.owners[i]].Name
}

// Nodes returns the nodes by name, with the weights that count. The slice is the caller's.
func (r *Ring) Nodes() []Node { return slices.Clone(r.nodes) }

// Shares returns what part of all keys each node owns; together they are 1 unless no node has a weight. The map is the caller's.
func (r *Ring) Shares() map[string]float64 {
	shares := make(map[string]float64, len(r.nodes))
	for _, n := range r.nodes {
		shares[n.Name] = 0
	}
	for i, owner := range r.owners {
		shares[r.nodes[owner].Name] += float64(r.arc(i)) / (1 << 32)
	}
	return shares
}

// arc is how many hashes belong to the point with the index i: those above the point before it, up to its own.
func (r *Ring) arc(i int) uint64 {
	if i > 0 {
		return uint64(r.points[i] - r.points[i-1])
	}
	last := r.points[len(r.points)-1]
	return uint64(r.points[0]) + 1<<32 - uint64(last)
}
