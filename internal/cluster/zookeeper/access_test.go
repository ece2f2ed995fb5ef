package zookeeper_test

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"gopush/internal/cluster"
	"gopush/internal/cluster/registry"
	"gopush/internal/cluster/registrytest"
	"gopush/internal/cluster/zookeeper"
)

// joins runs the registry of a node with access, and returns the error of joining within wait.
func joins(t *testing.T, addr, name string, access registry.Access, wait time.Duration) (*zookeeper.Registry, error) {
	t.Helper()
	r, err := zookeeper.New(zookeeper.Config{
		Servers: []string{addr}, Timeout: 2 * time.Second, Access: access, Log: registrytest.Logger(t),
		Node: cluster.Node{Name: name, Weight: 1, Admin: []string{"127.0.0.1:6970"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, registrytest.Joined(t, r, wait)
}

const long = 30 * time.Second

// What a node with a user registers is that user's: strangers read it, as web processes of gopush-cluster do, and change nothing. A node
// with another password cannot register, and says why.
func TestWhatAUserRegistersIsItsOwn(t *testing.T) {
	t.Parallel()
	server := registrytest.StartZooKeeper(t)
	access := registry.Access{Username: "gopush", Password: "its-password"}
	if _, err := joins(t, server.Addr, "n1", access, long); err != nil {
		t.Fatal(err)
	}
	stranger, _, err := zk.Connect([]string{server.Addr}, 5*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	const dir = "/gopush-cluster-comet/n1"
	children, _, err := stranger.Children(dir)
	if err != nil || len(children) != 1 {
		t.Fatalf("a stranger reads the children %v, %v, want one", children, err)
	}
	if _, _, err := stranger.Get(dir + "/" + children[0]); err != nil {
		t.Errorf("a stranger reads a process: %v", err)
	}
	for what, err := range map[string]error{
		"create": second(stranger.Create(dir+"/9999999999", []byte("{}"), zk.FlagEphemeral, zk.WorldACL(zk.PermAll))), "delete": stranger.Delete(dir+"/"+children[0], -1),
		"set": second(stranger.Set(dir+"/"+children[0], []byte("{}"), -1)), "open": second(stranger.SetACL(dir, zk.WorldACL(zk.PermAll), -1)),
		"create a node": second(stranger.Create("/gopush-cluster-comet/n9", nil, 0, zk.WorldACL(zk.PermAll))),
	} {
		if err != zk.ErrNoAuth {
			t.Errorf("a stranger may %s: %v, want %v", what, err, zk.ErrNoAuth)
		}
	}
	r, err := joins(t, server.Addr, "n2", registry.Access{Username: "gopush", Password: "another-password"}, 2*time.Second)
	if healthy := r.Healthy(); err == nil || healthy == nil || !strings.Contains(healthy.Error(), "cluster.registry_username") || strings.Contains(healthy.Error(), "password") {
		t.Errorf("with another password: joined with %v, healthy %v, want errors that say where to look", err, healthy)
	}
	if _, err := joins(t, server.Addr, "n3", access, long); err != nil {
		t.Errorf("another node of the user: %v", err)
	}
}

// ZooKeeper behind TLS is reached where its certificate is believed, with the node's where that is asked for.
func TestTLS(t *testing.T) {
	t.Parallel()
	server, ours, other := registrytest.StartZooKeeper(t), registrytest.NewCertificate(t), registrytest.NewCertificate(t)
	addr := secure(t, server.Addr, &tls.Config{Certificates: []tls.Certificate{ours.Pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.Pool})
	for name, config := range map[string]*tls.Config{"no TLS": nil, "no certificate": {RootCAs: ours.Pool}, "another authority": {RootCAs: other.Pool, Certificates: []tls.Certificate{ours.Pair}}} {
		if r, err := joins(t, addr, "n1", registry.Access{TLS: config}, 2*time.Second); err == nil || r.Healthy() == nil {
			t.Errorf("with %s: joined with %v, healthy %v, want errors", name, err, r.Healthy())
		}
	}
	if _, err := joins(t, addr, "n1", registry.Access{TLS: &tls.Config{RootCAs: ours.Pool, Certificates: []tls.Certificate{ours.Pair}}}, long); err != nil {
		t.Error(err)
	}
}

// secure is an address that speaks TLS for the one at to.
func secure(t *testing.T, to string, config *tls.Config) string {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go join(c, to)
		}
	}()
	return ln.Addr().String()
}

// join carries what c and the server at to say, until one of them ends.
func join(c net.Conn, to string) {
	defer c.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		io.Copy(server, c)
		server.Close()
	}()
	io.Copy(c, server)
}

// second is the error of a call.
func second[T any](_ T, err error) error { return err }
