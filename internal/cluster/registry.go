package cluster

import "context"

// Node is a node of the cluster as others see it.
type Node struct {
	Name   string
	Weight int      // of its share of the keys; 0: it owns none
	Admin  []string // HOST:PORT where other nodes and backends reach it
	TCP    []string // HOST:PORT where TCP clients connect
	WS     []string // HOST:PORT where WebSocket clients connect
	Self   bool     // it is this process. Several may have one name: the first that came serves under it, the others stand by
}

// Registry knows which nodes there are, and lets this one be one of them.
//
// It promises to converge: however often sessions are lost, watches fire late, twice or not at all, and servers come and
// go, what it last told is, within bounded time of the registry being reachable, what is registered. While the
// registry cannot be reached nothing changes: what was told last holds. A node whose process has ended leaves when its session
// has; one that called Leave at once.
type Registry interface {
	// Run watches until ctx ends. It tells see of the nodes that serve, by name, none twice, as soon as they are known and
	// whenever they have changed; never of the same nodes twice in a row. see does not block for long; it is called by one goroutine at a
	// time. The slice is see's.
	Run(ctx context.Context, see func([]Node))
	// Join has this node registered from now on, also after lost sessions, until Leave. It returns when it is. Run must run.
	Join(ctx context.Context) error
	// Leave takes this node out, and returns when others can see that.
	Leave(ctx context.Context) error
	// Healthy returns nil, or since when and why the registry cannot be reached: what is known may be old.
	Healthy() error
}
