package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"gopush/internal/ring"
)

// cluster is several nodes that are one push service, with a store and a registry of their own.
//
//	pushers, devices ──> member ── link ──> gate ──> member
//	                       └──> store: a redis-server;  registry: static, ZooKeeper or etcd
type cluster struct {
	t        *testing.T
	store    *storeServer
	registry string   // setting; may be another for each member
	flags    []string // of all members
	members  []*member
}

// member is a node of a cluster: a process that may end, and be started again at the same addresses.
type member struct {
	*node
	c     *cluster
	name  string
	gate  *gate // other nodes reach this one through it
	flags []string

	at [3]string // public, admin and ops
}

// clusterSecret is what the nodes of a test show each other.
const clusterSecret = "secret of the nodes of a test"

// clusterConfig says what a cluster is made of. Its zero value is three nodes with a static registry.
type clusterConfig struct {
	nodes    int // 0: three
	registry func(c *cluster) string
	flags    []string // of all nodes, before those of newCluster
	idle     bool     // start no node yet
}

// newCluster starts a cluster and returns when all of its nodes know each other.
func newCluster(t *testing.T, cfg clusterConfig) *cluster {
	t.Helper()
	c := &cluster{t: t, store: startStore(t), flags: cfg.flags}
	if cfg.nodes == 0 {
		cfg.nodes = 3
	}
	for i := range cfg.nodes {
		c.add(fmt.Sprintf("n%d", i+1))
	}
	if c.registry = c.static(); cfg.registry != nil {
		c.registry = cfg.registry(c)
	}
	if cfg.idle {
		return c
	}
	c.startAll()
	return c
}

// startAll starts all members at once, and waits until they know each other.
func (c *cluster) startAll() {
	c.t.Helper()
	launched := make(chan func() error, len(c.members))
	for _, m := range c.members {
		launched <- m.launch()
	}
	for range c.members {
		if err := (<-launched)(); err != nil {
			c.t.Fatal(err)
		}
	}
	c.agree(c.members...)
}

// add makes another member, which is not started yet.
func (c *cluster) add(name string, flags ...string) *member {
	c.t.Helper()
	m := &member{c: c, name: name, flags: flags, at: freeAddresses(c.t)}
	m.gate = newGate(c.t, m.at[1])
	c.members = append(c.members, m)
	return m
}

// static is the registry that names all members by the addresses of their gates.
func (c *cluster) static() string {
	var nodes []string
	for _, m := range c.members {
		nodes = append(nodes, m.name+"="+m.gate.addr())
	}
	return "static:" + strings.Join(nodes, ",")
}

// launch starts the process of a member. ready waits until it says that it is.
func (m *member) launch() (ready func() error) {
	m.c.t.Helper()
	flags := slices.Concat([]string{
		"--node", m.name, "--public", m.at[0], "--admin", m.at[1], "--ops", m.at[2], "--advertise-admin", m.gate.addr(),
		"--store", "redis", "--redis.address", m.c.store.addr,
		"--cluster.registry", m.c.registry, "--cluster.secret", clusterSecret, "--cluster.session-timeout", sessionTimeout.String(),
		"--max-stored-per-key", "100000",
	}, m.c.flags, m.flags)
	m.node, ready = launch(m.c.t, m.c.t.TempDir(), []string{gopush}, flags...)
	return ready
}

// start starts a member, or starts it again, and waits until it is ready.
func (m *member) start() {
	m.c.t.Helper()
	if err := m.launch()(); err != nil {
		m.c.t.Fatal(err)
	}
}

// pauseProcess stops the process as a machine that hangs does; the returned function lets it go on.
func (m *member) pauseProcess() (goOn func()) {
	m.c.t.Helper()
	p := m.cmd.Process
	if err := halt(p); err != nil {
		m.c.t.Skip(err)
	}
	m.c.t.Cleanup(func() { proceed(p) })
	return func() { proceed(p) }
}

// agree waits until each of members, and no other node, owns keys for all of them.
func (c *cluster) agree(members ...*member) {
	c.t.Helper()
	for _, m := range members {
		c.agreeOn(m, members...)
	}
}

// agreeOn waits until m knows that members are all the nodes that there are.
func (c *cluster) agreeOn(m *member, members ...*member) {
	c.t.Helper()
	if !poll(func() bool { return c.sees(m, members) }) {
		c.t.Fatalf("%s does not know within %v what nodes there are; it said:\n%s", m.name, patience, m.stderr)
	}
}

// ringOf returns the ring of the given members.
func ringOf(members []*member) *ring.Ring {
	var nodes []ring.Node
	for _, m := range members {
		nodes = append(nodes, ring.Node{Name: m.name, Weight: 1})
	}
	return ring.New(nodes)
}

// sees tells whether m says of keys of all members that these own them.
func (c *cluster) sees(m *member, members []*member) bool {
	for _, owner := range members {
		for _, key := range c.keysOf(owner, 3, members...) {
			at, err := m.ownerOf(key)
			if err != nil || at != owner.at[0] {
				return false
			}
		}
	}
	return true
}

// ownerOf asks a node for the address of the owner of key, as clients of gopush-cluster do.
func (m *member) ownerOf(key string) (addr string, err error) {
	resp, err := httpClient().Get(m.publicURL("/2/server/get?p=2&k=" + url.QueryEscape(key)))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var got struct {
		Data struct{ Server []string }
		Ret  int
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Ret != 0 || len(got.Data.Server) == 0 {
		return "", fmt.Errorf("who owns %s: ret %d, %v", key, got.Ret, err)
	}
	return got.Data.Server[0], nil
}

// keysOf returns keys that a member owns, where there are the given members; none: all that the cluster has.
func (c *cluster) keysOf(m *member, count int, members ...*member) (keys []string) {
	c.t.Helper()
	if len(members) == 0 {
		members = c.members
	}
	r := ringOf(members)
	for i := 0; len(keys) < count; i++ {
		if key := fmt.Sprintf("key-%d", i); r.Owner(key) == m.name {
			keys = append(keys, key)
		}
	}
	return keys
}

// keyOf returns one key that a member owns.
func (c *cluster) keyOf(m *member) string {
	c.t.Helper()
	return c.keysOf(m, 1)[0]
}

// httpClient returns a client that waits for as long as tests do, with connections of its own.
func httpClient() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
}

// freeAddresses returns three addresses that nobody else of this machine listens on, now or later: on
// Linux those of a loopback address of the node's own.
func freeAddresses(t *testing.T) (at [3]string) {
	t.Helper()
	host, port := loopbackHost(), 0
	if host != "127.0.0.1" {
		port = 6969
	}
	for i := range at {
		at[i] = fmt.Sprintf("%s:%d", host, port+min(port, i))
		if port == 0 {
			at[i] = freeAddress(t)
		}
	}
	return at
}

// hosts counts the loopback addresses that were given out.
var hosts atomic.Int64

// loopbackHost returns an address of this machine that no other process uses, where it has so many.
func loopbackHost() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	n, pid := hosts.Add(1), os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 64+pid/64%128, pid%64*4+int(n/250), 1+n%250)
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// within is a context that ends with the test's patience.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
