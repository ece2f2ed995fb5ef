package etcd_test

import (
	"context"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"gopush/internal/cluster"
	"gopush/internal/cluster/etcd"
	"gopush/internal/cluster/registrytest"
)

const timeout = 2 * time.Second

func TestRegistry(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, registrytest.Kind{Start: registrytest.StartEtcd, Open: open, Litter: litter, Timeout: timeout})
}

func open(t testing.TB, addrs []string, prefix string, n cluster.Node) cluster.Registry {
	t.Helper()
	r, err := etcd.New(etcd.Config{
		Servers: addrs, Prefix: prefix, Timeout: timeout, Node: n, Log: registrytest.Logger(t).With("node", n.Name, "admin", n.Admin),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// client returns a client of a test.
func client(t testing.TB, addr string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{addr}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// litter leaves keys that are no processes.
func litter(t testing.TB, addr, prefix, node string) {
	t.Helper()
	c, ctx := client(t, addr), context.Background()
	lease, err := c.Grant(ctx, 3600)
	if err != nil {
		t.Fatal(err)
	}
	leased := clientv3.WithLease(lease.ID)
	root := prefix + "/nodes/"
	put(t, c, root+node+"/0", "{", leased)
	put(t, c, root+node+"/1", `{"rpc":[],"weight":1}`, leased)
	put(t, c, root+node+"/2", `{"rpc":["10.9.9.9:6970"],"weight":1000000}`, leased)
	put(t, c, root+node+"/3", `{"rpc":["10.9.9.9:6970"],"weight":1}`)
	put(t, c, root+"no-process", `{"rpc":["10.9.9.9:6970"],"weight":1}`, leased)
	put(t, c, root+"with blank/0", `{"rpc":["10.9.9.9:6970"],"weight":1}`, leased)
	put(t, c, prefix+"/other/"+node+"/0", `{"rpc":["10.9.9.9:6970"],"weight":1}`, leased)
}

func put(t testing.TB, c *clientv3.Client, key, value string, opts ...clientv3.OpOption) {
	t.Helper()
	if _, err := c.Put(context.Background(), key, value, opts...); err != nil {
		t.Fatal(err)
	}
}

// TestWhatWasCompactedIsSeen: what a watch would have to tell is gone when its connection is there again.
func TestWhatWasCompactedIsSeen(t *testing.T) {
	t.Parallel()
	server := registrytest.StartEtcd(t)
	proxy := registrytest.NewProxy(t, server.Addr)
	c, ctx := client(t, server.Addr), t.Context()
	told := make(chan []cluster.Node, 100)
	r := open(t, []string{proxy.Addr}, "", cluster.Node{Name: "n0"})
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(running, func(nodes []cluster.Node) { told <- nodes })
	}()
	t.Cleanup(func() { stop(); <-ended })
	if first := <-told; len(first) > 0 {
		t.Fatalf("told of %v, want nobody", first)
	}
	lease, err := c.Grant(ctx, 3600)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		proxy.Cut()
		put(t, c, "/gopush/nodes/"+name+"/1", `{"rpc":["10.0.0.1:6970"],"weight":1}`, clientv3.WithLease(lease.ID))
		last, err := c.Put(ctx, "/gopush/other", name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Compact(ctx, last.Header.Revision); err != nil {
			t.Fatal(err)
		}
		proxy.Mend()
		if nodes := <-told; nodes[len(nodes)-1].Name != name {
			t.Errorf("told of %v, want %s last", nodes, name)
		}
	}
}
