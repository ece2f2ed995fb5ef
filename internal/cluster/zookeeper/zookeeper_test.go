package zookeeper_test

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registrytest"
	"gopush/internal/cluster/zookeeper"
)

const timeout = 2 * time.Second

func TestRegistry(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, registrytest.Kind{Start: registrytest.StartZooKeeper, Open: open, Litter: litter, Timeout: timeout})
}

func open(t testing.TB, addrs []string, prefix string, n cluster.Node) cluster.Registry {
	t.Helper()
	return openRegistry(t, addrs, prefix, n)
}

func openRegistry(t testing.TB, addrs []string, prefix string, n cluster.Node) *zookeeper.Registry {
	t.Helper()
	return openWith(t, addrs, prefix, timeout, n)
}

func openWith(t testing.TB, addrs []string, prefix string, timeout time.Duration, n cluster.Node) *zookeeper.Registry {
	t.Helper()
	r, err := zookeeper.New(zookeeper.Config{
		Servers: addrs, Prefix: prefix, Timeout: timeout, Reread: time.Second, Node: n, Log: registrytest.Logger(t).With("node", n.Name, "admin", n.Admin),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// litter leaves children that are no processes, and nodes that have none.
func litter(t testing.TB, addr, prefix, node string) {
	t.Helper()
	conn := client(t, addr)
	root := prefix + "/gopush-cluster-comet"
	create(t, conn, root+"/"+node+"/0", "{", zk.FlagEphemeral)
	create(t, conn, root+"/"+node+"/00", `{"rpc":[],"weight":1}`, zk.FlagEphemeral)
	create(t, conn, root+"/"+node+"/000", `{"rpc":["10.9.9.9:6970"],"weight":1000000}`, zk.FlagEphemeral)
	create(t, conn, root+"/"+node+"/0000", `{"rpc":["10.9.9.9:6970"],"weight":1}`, 0)
	create(t, conn, root+"/"+node+"/0000/below", "", 0)
	create(t, conn, root+"/gone", `{"rpc":["10.9.9.9:6970"],"weight":1}`, 0)
	create(t, conn, root+"/with blank/0000000001", `{"rpc":["10.9.9.9:6970"],"weight":1}`, 0)
}

// client returns a connection of a test.
func client(t testing.TB, addr string) *zk.Conn {
	t.Helper()
	conn, _, err := zk.Connect([]string{addr}, 30*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// create creates a znode and all that it is below.
func create(t testing.TB, conn *zk.Conn, path, data string, flags int32) string {
	t.Helper()
	for i := range path {
		if i > 0 && path[i] == '/' {
			if _, err := conn.Create(path[:i], nil, 0, zk.WorldACL(zk.PermAll)); err != nil && err != zk.ErrNodeExists {
				t.Fatal(err)
			}
		}
	}
	created, err := conn.Create(path, []byte(data), flags, zk.WorldACL(zk.PermAll))
	if err != nil && err != zk.ErrNodeExists {
		t.Fatalf("create %s: %v", path, err)
	}
	return created
}
