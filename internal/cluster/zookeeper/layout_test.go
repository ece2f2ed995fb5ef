package zookeeper_test

import (
	"context"
	"encoding/json"
	"path"
	"regexp"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/google/go-cmp/cmp"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registrytest"
	"gopush/internal/cluster/zookeeper"
)

// process is a registry that runs, and what it was told last.
type process struct {
	*zookeeper.Registry
	told chan []cluster.Node
	ctx  context.Context
}

func start(t *testing.T, addr, prefix string, n cluster.Node) *process {
	t.Helper()
	return startWith(t, openRegistry(t, []string{addr}, prefix, n))
}

func startWith(t *testing.T, r *zookeeper.Registry) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	p := &process{Registry: r, told: make(chan []cluster.Node, 100), ctx: ctx}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Run(ctx, func(nodes []cluster.Node) { p.told <- nodes })
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return p
}

// wantTold waits until these nodes are told of.
func (p *process) wantTold(t *testing.T, want ...cluster.Node) {
	t.Helper()
	var got []cluster.Node
	for {
		select {
		case got = <-p.told:
			if cmp.Equal(want, got) {
				return
			}
		case <-p.ctx.Done():
			t.Fatalf("told last of (-want +got):\n%s", cmp.Diff(want, got))
		}
	}
}

// webNode and webMessage are what a web process of gopush-cluster reads, with its own names.
type webNode struct {
	RpcAddr []string `json:"rpc"` //nolint:revive,staticcheck // as there
	TcpAddr []string `json:"tcp"` //nolint:revive,staticcheck // as there
	WsAddr  []string `json:"ws"`
	Weight  int      `json:"weight"`
}

type webMessage struct {
	Rpc    []string `json:"rpc"` //nolint:revive,staticcheck // as there
	Weight int      `json:"weight"`
}

// TestLayoutIsThatOfGopushCluster reads as its web processes do, and writes as its comets.
func TestLayoutIsThatOfGopushCluster(t *testing.T) {
	t.Parallel()
	server := registrytest.StartZooKeeper(t)
	conn := client(t, server.Addr)
	for _, prefix := range []string{"", "/push/live"} {
		ours := cluster.Node{Name: "node1", Weight: 2, Admin: []string{"10.0.0.1:6970"}, TCP: []string{"10.0.0.1:6969"}, WS: []string{"10.0.0.1:6968"}}
		p := start(t, server.Addr, prefix, ours)
		if err := p.Join(p.ctx); err != nil {
			t.Fatal(err)
		}
		if err := p.RegisterMessage(p.ctx, []string{"10.0.0.1:6970"}, 3); err != nil {
			t.Fatal(err)
		}
		node := prefix + "/gopush-cluster-comet/node1"
		wantChild(t, conn, node, webNode{RpcAddr: ours.Admin, TcpAddr: ours.TCP, WsAddr: ours.WS, Weight: 2})
		wantChild(t, conn, prefix+"/gopush-cluster-message", webMessage{Rpc: []string{"10.0.0.1:6970"}, Weight: 3})
		if _, stat, err := conn.Get(node); err != nil || stat.EphemeralOwner != 0 {
			t.Errorf("%s: %v, %+v, want it persistent", node, err, stat)
		}

		create(t, conn, prefix+"/gopush-cluster-comet/comet/", `{"rpc":["10.0.0.2:6970"],"tcp":["tcp@10.0.0.2:6969","10.0.0.2:7969"],"ws":null,"weight":0}`, zk.FlagEphemeral|zk.FlagSequence)
		create(t, conn, prefix+"/gopush-cluster-comet/comet/", `{"rpc":["10.0.0.3:6970"],"weight":5}`, zk.FlagEphemeral|zk.FlagSequence)
		ours.Self = true
		p.wantTold(t, cluster.Node{Name: "comet", Admin: []string{"10.0.0.2:6970"}, TCP: []string{"10.0.0.2:6969", "10.0.0.2:7969"}}, ours)

		if _, err := conn.Set(node, []byte(`{"rpc":["10.0.0.1:6970"],"weight":9}`), -1); err != nil { // as its web processes do
			t.Fatal(err)
		}
		if err := p.Leave(p.ctx); err != nil {
			t.Fatal(err)
		}
		wantNone(t, conn, node)
		if left, _, err := conn.Children(prefix + "/gopush-cluster-message"); err != nil || len(left) > 0 {
			t.Errorf("after Leave message processes are %q, %v; want none", left, err)
		}
	}
}

// wantChild wants one child, ephemeral, named as a sequence is, that says want beside what only we read.
func wantChild[T any](t *testing.T, conn *zk.Conn, parent string, want T) {
	t.Helper()
	children, _, err := conn.Children(parent)
	if err != nil || len(children) != 1 || !regexp.MustCompile(`^\d{10}$`).MatchString(children[0]) {
		t.Fatalf("children of %s are %q, %v; want one with a number of ten digits", parent, children, err)
	}
	data, stat, err := conn.Get(path.Join(parent, children[0]))
	if err != nil || stat.EphemeralOwner == 0 {
		t.Fatalf("%s: %v, %+v, want it ephemeral", parent, err, stat)
	}
	var got T
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s says %s (-want +got):\n%s", parent, data, diff)
	}
}

// wantNone waits until a path is gone.
func wantNone(t *testing.T, conn *zk.Conn, path string) {
	t.Helper()
	for {
		there, _, gone, err := conn.ExistsW(path)
		if err != nil {
			t.Fatal(err)
		}
		if !there {
			return
		}
		select {
		case <-gone:
		case <-time.After(time.Minute):
			t.Fatalf("%s is there still", path)
		}
	}
}

// TestNodesWithoutProcessesAreRemoved, since gopush-cluster's web processes count them for ever.
func TestNodesWithoutProcessesAreRemoved(t *testing.T) {
	t.Parallel()
	server := registrytest.StartZooKeeper(t)
	conn := client(t, server.Addr)
	create(t, conn, "/gopush-cluster-comet/dead", "", 0)
	create(t, conn, "/gopush-cluster-comet/alive/", `{"rpc":["10.0.0.2:6970"],"weight":1}`, zk.FlagEphemeral|zk.FlagSequence)
	p := start(t, server.Addr, "", cluster.Node{Name: "node1", Weight: 1, Admin: []string{"10.0.0.1:6970"}})
	p.wantTold(t, cluster.Node{Name: "alive", Weight: 1, Admin: []string{"10.0.0.2:6970"}})
	wantNone(t, conn, "/gopush-cluster-comet/dead")
	if there, _, err := conn.Exists("/gopush-cluster-comet/alive"); err != nil || !there {
		t.Errorf("a node with a process: there %t, %v", there, err)
	}
}

// TestRegisteredMeansRegistered: what somebody else removes is put there again.
func TestRegisteredMeansRegistered(t *testing.T) {
	t.Parallel()
	server := registrytest.StartZooKeeper(t)
	conn := client(t, server.Addr)
	p := start(t, server.Addr, "", cluster.Node{Name: "node1", Weight: 1, Admin: []string{"10.0.0.1:6970"}})
	if err := p.Join(p.ctx); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		children, _, err := conn.Children("/gopush-cluster-comet/node1")
		if err != nil || len(children) != 1 {
			t.Fatalf("children are %q, %v; want one", children, err)
		}
		if err := conn.Delete("/gopush-cluster-comet/node1/"+children[0], -1); err != nil {
			t.Fatal(err)
		}
		for {
			now, _, changed, err := conn.ChildrenW("/gopush-cluster-comet/node1")
			if err != nil {
				t.Fatal(err)
			}
			if len(now) == 1 && now[0] != children[0] {
				break
			}
			select {
			case <-changed:
			case <-p.ctx.Done():
				t.Fatal("what was removed is not there again")
			}
		}
	}
}

// TestNamesThatMakeNoPathAreRefused before anything is connected to.
func TestNamesThatMakeNoPathAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a/b", "..", "a b", "a\x00"} {
		if _, err := zookeeper.New(zookeeper.Config{Node: cluster.Node{Name: name}, Log: registrytest.Logger(t)}); err == nil {
			t.Errorf("New for the node %q = nil, want an error", name)
		}
	}
}
