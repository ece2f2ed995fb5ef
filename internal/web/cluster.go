package web

import (
	"context"
	"net/http"
	"time"
)

// clusterTimeout bounds what the other nodes are asked for GET /v1/cluster.
const clusterTimeout = 2 * time.Second

var (
	errNoCluster = &problem{Status: http.StatusNotFound, Code: "no_cluster", Message: "this node is in no cluster; set cluster.registry to be in one"}
	errNoOwner   = &problem{Status: http.StatusServiceUnavailable, Code: "no_node", Message: "no node owns the key: none has joined the cluster"}
)

// Cluster is what can be asked about the nodes. Its methods may be called by anyone at any time.
type Cluster interface {
	// View returns what this node sees of the cluster. It asks the other nodes for their counts until ctx ends; who has not
	// answered by then has none.
	View(ctx context.Context) ClusterView
	// Owner returns the name of the node that owns key now, and where it is reached; false: there is none. It waits for nothing.
	Owner(key string) (name string, at ClusterMember, ok bool)
}

// ClusterView is the cluster as one node sees it. docs/protocol.md, "The cluster", says what each member means.
type ClusterView struct {
	Self        string          `json:"self"`
	Relay       bool            `json:"relay"`
	RingChanges uint64          `json:"ring_changes"`
	Registry    ClusterRegistry `json:"registry"`
	Nodes       []ClusterNode   `json:"nodes"` // of the ring, by name
}

// ClusterRegistry is how nodes find each other.
type ClusterRegistry struct {
	Kind    string `json:"kind"` // zookeeper, etcd, static
	Healthy bool   `json:"healthy"`
	Error   string `json:"error,omitempty"` // since when and why it cannot be reached
}

// ClusterNode is a node of the ring.
type ClusterNode struct {
	Name   string  `json:"name"`
	Weight int     `json:"weight"`
	Share  float64 `json:"share"` // of all keys
	ClusterMember
	*ClusterCounts              // nil: it did not say
	Link           *ClusterLink `json:"link,omitempty"` // nil: it is the node that answers
}

// ClusterMember is where a node is reached: HOST:PORT each.
type ClusterMember struct {
	Self  bool     `json:"self"` // it is the node that answers
	Admin []string `json:"admin"`
	TCP   []string `json:"tcp"`
	WS    []string `json:"ws"`
}

// ClusterCounts is what a node says of itself.
type ClusterCounts struct {
	Connections   int64 `json:"connections"`   // of clients
	Subscriptions int64 `json:"subscriptions"` // of them
	Keys          int64 `json:"keys"`          // that they subscribe to
	Relays        int64 `json:"relays"`        // of these, owned by other nodes
}

// ClusterLink is the link from the node that answers to another one.
type ClusterLink struct {
	Up         bool    `json:"up"`
	Error      string  `json:"error,omitempty"` // why it is down
	Follows    int64   `json:"follows"`         // keys that are relayed from there
	LagSeconds float64 `json:"lag_seconds"`     // how late a message came at worst in the last ten seconds
}

// lists has lists that JSON shows as such where there is nothing in them.
func (m *ClusterMember) lists() {
	for _, l := range []*[]string{&m.Admin, &m.TCP, &m.WS} {
		if *l == nil {
			*l = []string{}
		}
	}
}

// cluster answers what this node sees of the cluster.
func (l *listener) cluster(_ http.ResponseWriter, r *http.Request) (any, error) {
	if l.cfg.Cluster == nil {
		return nil, errNoCluster
	}
	if _, err := query(r); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), clusterTimeout)
	defer cancel()
	view := l.cfg.Cluster.View(ctx)
	view.Nodes = append([]ClusterNode{}, view.Nodes...)
	for i := range view.Nodes {
		view.Nodes[i].lists()
	}
	return view, nil
}

// ownership answers which node owns a key.
type ownership struct {
	Key  string `json:"key"`
	Node string `json:"node"`
	ClusterMember
}

func (l *listener) owner(_ http.ResponseWriter, r *http.Request) (any, error) {
	if l.cfg.Cluster == nil {
		return nil, errNoCluster
	}
	q, err := query(r, "key")
	if err != nil {
		return nil, err
	}
	key, err := l.keyOf(q.Get("key"))
	if err != nil {
		return nil, err
	}
	name, member, ok := l.cfg.Cluster.Owner(key)
	if !ok {
		return nil, errNoOwner
	}
	member.lists()
	return ownership{key, name, member}, nil
}
