package etcd_test

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gopush/internal/cluster"
	"gopush/internal/cluster/etcd"
	"gopush/internal/cluster/registry"
	"gopush/internal/cluster/registrytest"
)

// joins runs the registry of a node with access, and returns the error of joining within wait.
func joins(t *testing.T, addr string, access registry.Access, wait time.Duration) (*etcd.Registry, error) {
	t.Helper()
	r, err := etcd.New(etcd.Config{
		Servers: []string{addr}, Timeout: timeout, Access: access, Log: registrytest.Logger(t),
		Node: cluster.Node{Name: "n1", Weight: 1, Admin: []string{"127.0.0.1:6970"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, registrytest.Joined(t, r, wait)
}

const long = 30 * time.Second

// An etcd that wants a user gets it, again when it does not know the token any more; one with a wrong password is not there for the node, and why is told.
func TestUserAndPassword(t *testing.T) {
	t.Parallel()
	server := registrytest.StartEtcd(t)
	c, ctx := client(t, server.Addr), t.Context()
	for _, err := range []error{
		second(c.UserAdd(ctx, "root", "root-password")), second(c.RoleAdd(ctx, "root")), second(c.UserGrantRole(ctx, "root", "root")),
		second(c.UserAdd(ctx, "gopush", "its-password")), second(c.RoleAdd(ctx, "nodes")), second(c.UserGrantRole(ctx, "gopush", "nodes")),
		second(c.RoleGrantPermission(ctx, "nodes", "/gopush/", clientv3.GetPrefixRangeEnd("/gopush/"), clientv3.PermissionType(clientv3.PermReadWrite))),
		second(c.AuthEnable(ctx)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, access := range []registry.Access{{}, {Username: "gopush", Password: "wrong"}} {
		r, err := joins(t, server.Addr, access, timeout)
		if err == nil || r.Healthy() == nil || strings.Contains(r.Healthy().Error(), "wrong") {
			t.Errorf("as %q: joined with %v, healthy %v, want errors without the password", access.Username, err, r.Healthy())
		}
	}
	r, err := joins(t, server.Addr, registry.Access{Username: "gopush", Password: "its-password"}, long)
	if err != nil {
		t.Fatal(err)
	}
	server.Stop() // it knows no tokens when it comes again
	server.Start()
	if err := r.Leave(within(t)); err != nil {
		t.Errorf("leaving after etcd was restarted: %v", err)
	}
}

// An etcd that wants certificates gets that of the node, and has one that the node believes.
func TestCertificates(t *testing.T) {
	t.Parallel()
	ours, other := registrytest.NewCertificate(t), registrytest.NewCertificate(t)
	server := registrytest.StartSecuredEtcd(t, ours)
	for name, config := range map[string]*tls.Config{
		"no TLS": nil, "no certificate": {RootCAs: ours.Pool}, "another authority": {RootCAs: other.Pool, Certificates: []tls.Certificate{ours.Pair}},
	} {
		if r, err := joins(t, server.Addr, registry.Access{TLS: config}, timeout); err == nil || r.Healthy() == nil {
			t.Errorf("with %s: joined with %v, healthy %v, want errors", name, err, r.Healthy())
		}
	}
	if _, err := joins(t, server.Addr, registry.Access{TLS: &tls.Config{RootCAs: ours.Pool, Certificates: []tls.Certificate{ours.Pair}}}, long); err != nil {
		t.Error(err)
	}
}

// second is the error of a call.
func second[T any](_ T, err error) error { return err }

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	t.Cleanup(cancel)
	return ctx
}
