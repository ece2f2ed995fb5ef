package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gopush/internal/ring"
)

// cluster is several nodes of this repository with one redis-server, in memory, new ones for each run. The first node owns all keys,
// subscribers are spread over all, and what is pushed arrives at the first, or at the second, which is the wrong one.
//
//	publishers ──> n1 (or n2) ──> n1: owner ── links ──> n2, n3, …: relays
//	                               └─> redis-server       └─> their subscribers
type cluster struct {
	binary   string
	protocol Protocol
	nodes    int
	wrong    bool

	registry string        // cluster.registry; "": static
	session  time.Duration // cluster.session_timeout; 0: as it comes
}

// nodes is how many nodes a cluster has.
func (c *Config) nodes() int { return cmp.Or(c.Nodes, 3) }

func (c *cluster) name() string {
	if c.wrong {
		return "cluster-wrong " + string(c.protocol)
	}
	return "cluster " + string(c.protocol)
}

func (c *cluster) dialect(t *Target) dialect { return c.node().dialect(t) }

func (c *cluster) backend(t *Target, expire int) backend { return c.node().backend(t, expire) }

// node is one of them, as a subject.
func (c *cluster) node() *gopush { return &gopush{binary: c.binary, protocol: c.protocol} }

func (c *cluster) start(ctx context.Context, need needs) (*process, error) {
	if c.nodes < 2 {
		return nil, fmt.Errorf("a cluster of %d nodes: want at least 2", c.nodes)
	}
	store, err := redisStreams().start(ctx, needs{store: need.store})
	if err != nil {
		return nil, fmt.Errorf("the store of a cluster: %w", err)
	}
	dir, err := os.MkdirTemp("", "gopush-bench-cluster-")
	if err != nil {
		store.stop()
		return nil, err
	}
	started, err := c.startNodes(ctx, dir, store.Public, need)
	p := &process{ended: make(chan struct{}), stop: func() {
		for _, n := range started {
			n.stop()
		}
		store.stop()
		os.RemoveAll(dir)
	}}
	if err != nil {
		p.stop()
		return nil, err
	}
	for i, n := range started {
		n.Name = nodeName(i)
		p.nodes = append(p.nodes, n.Target)
	}
	p.Target, p.ended = p.nodes[0], started[0].ended
	if c.wrong {
		p.Target = p.nodes[1]
	}
	if err := p.agree(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// startNodes starts all nodes at once, since each waits for the others, and returns those that started, in their order.
func (c *cluster) startNodes(ctx context.Context, dir, store string, need needs) ([]*process, error) {
	admins := make([]string, c.nodes)
	for i := range admins {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		admins[i] = loopback(port)
	}
	all, errs := make([]*process, c.nodes), make([]error, c.nodes)
	var starting sync.WaitGroup
	for i := range c.nodes {
		starting.Go(func() {
			all[i], errs[i] = start(ctx, "ops", c.binary, c.args(i, admins, dir, store, need)...)
		})
	}
	starting.Wait()
	all = slices.DeleteFunc(all, func(p *process) bool { return p == nil })
	return all, errors.Join(errs...)
}

// args are those of gopush for node i.
func (c *cluster) args(i int, admins []string, dir, store string, need needs) []string {
	const free = "127.0.0.1:0"
	args := []string{
		"serve", "--node", nodeName(i), "--public", free, "--admin", admins[i], "--ops", free, "--log-level", "error",
		"--drain-rate", "1000000", // how soon devices are back is what is measured, not the pace
		"--data", filepath.Join(dir, nodeName(i)), "--store", "redis", "--redis.address", store,
		"--cluster.secret", "not secret: nobody else is here", "--cluster.registry", cmp.Or(c.registry, staticRegistry(admins)),
	}
	if c.session > 0 {
		args = append(args, "--cluster.session-timeout", c.session.String())
	}
	if need.stored > 0 {
		args = append(args, "--max-stored-per-key", strconv.Itoa(need.stored))
	}
	return args
}

func nodeName(i int) string { return fmt.Sprintf("n%d", i+1) }

// staticRegistry is cluster.registry for nodes with these admin addresses.
func staticRegistry(admins []string) string {
	nodes := make([]string, len(admins))
	for i, addr := range admins {
		nodes[i] = nodeName(i) + "=" + addr
	}
	return "static:" + strings.Join(nodes, ",")
}

// ringOf is the ring of nodes with weight 1.
func ringOf(names []string) *ring.Ring {
	nodes := make([]ring.Node, len(names))
	for i, name := range names {
		nodes[i] = ring.Node{Name: name, Weight: 1}
	}
	return ring.New(nodes)
}

// agree waits until each node says of a key of each that this one owns it.
func (p *process) agree(ctx context.Context) error {
	names := make([]string, len(p.nodes))
	for i, n := range p.nodes {
		names[i] = n.Name
	}
	r := ringOf(names)
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	for i := 0; i < 50*len(p.nodes); {
		key := "key-" + strconv.Itoa(i)
		owner := p.nodes[slices.Index(names, r.Owner(key))]
		at, err := ownerOf(p.nodes[i%len(p.nodes)].Public, key)
		if err == nil && at == owner.Public {
			i++
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the nodes of a cluster do not agree on who owns what: %s says that %s is owned at %q (%v), want %s",
				p.nodes[i%len(p.nodes)].Name, key, at, err, owner.Public)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// ownerOf asks a node where the owner of key is.
func ownerOf(public, key string) (addr string, err error) {
	resp, err := http.Get("http://" + public + "/1/server/get?p=2&k=" + url.QueryEscape(key))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var got struct{ Data struct{ Server string } }
	err = json.NewDecoder(resp.Body).Decode(&got)
	return got.Data.Server, err
}
