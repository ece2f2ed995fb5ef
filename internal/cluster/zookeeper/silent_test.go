package zookeeper_test

import (
	"testing"
	"time"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registrytest"
)

// TestSilentServersDoNotCostTheSession: of four servers two accept and say nothing, then also the one in use. The fourth
// is found before the session ends.
func TestSilentServersDoNotCostTheSession(t *testing.T) {
	t.Parallel()
	const timeout = 6 * time.Second
	server := registrytest.StartZooKeeper(t)
	var ways []*registrytest.Proxy
	var addrs []string
	for range 4 {
		ways = append(ways, registrytest.NewProxy(t, server.Addr))
		addrs = append(addrs, ways[len(ways)-1].Addr)
	}
	ways[2].Freeze()
	ways[3].Freeze()
	p := startWith(t, openWith(t, addrs, "", timeout, cluster.Node{Name: "n1", Weight: 1, Admin: []string{"10.0.0.1:6970"}}))
	if err := p.Join(p.ctx); err != nil {
		t.Fatal(err)
	}
	watcher := start(t, server.Addr, "", cluster.Node{Name: "n2"})
	watcher.wantTold(t, cluster.Node{Name: "n1", Weight: 1, Admin: []string{"10.0.0.1:6970"}})
	conn := client(t, server.Addr)
	before, _, err := conn.Children("/gopush-cluster-comet/n1")
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range ways[:2] {
		way.Freeze()
		<-time.After(timeout * 3 / 2)
		way.Thaw()
	}
	if after, _, err := conn.Children("/gopush-cluster-comet/n1"); err != nil || len(after) != 1 || after[0] != before[0] {
		t.Errorf("registered before as %q, after as %q, %v; want the session to have gone on", before, after, err)
	}
	select {
	case nodes := <-watcher.told:
		t.Errorf("told of %v, want nothing", nodes)
	default:
	}
}
