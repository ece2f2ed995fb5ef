package proof

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
)

// clusterSecret is what the nodes of a run show each other.
const clusterSecret = "secret of the nodes of a proof"

// sessionTimeout of registries: who is silent for so long is out.
const sessionTimeout = "2s"

// Cluster returns a topology of three nodes that share a redis-server, which syncs each append before it answers, and know each other from a
// registry: "static", or "etcd", which is started. Flags are those of all nodes.
func Cluster(binary, dir, registry string, flags ...string) (*Topology, error) {
	t := &Topology{Name: "three nodes, Redis, " + registry}
	var hosts [5]string
	for i := range hosts {
		var err error
		if hosts[i], err = freeHost(); err != nil {
			return nil, err
		}
	}
	store := NewRedis("store", hosts[3], dir)
	t.Store = []*Process{store}
	setting := "etcd://" + hosts[4] + ":2379/proof"
	if registry == "static" {
		setting = staticRegistry(hosts[:3])
	} else {
		t.Registry = []*Process{NewEtcd("registry", hosts[4], dir)}
	}
	for i, host := range hosts[:3] {
		t.Nodes = append(t.Nodes, NewMember(binary, nodeName(i), host, dir, setting, hosts[3]+":6379", flags...))
	}
	return t, nil
}

func nodeName(i int) string { return fmt.Sprintf("n%d", i+1) }

func staticRegistry(hosts []string) string {
	var nodes []string
	for i, host := range hosts {
		nodes = append(nodes, nodeName(i)+"="+host+":6970")
	}
	return "static:" + strings.Join(nodes, ",")
}

// NewMember returns a node of a cluster at host, which keeps its log in dir. Registry is the setting cluster.registry, store the setting redis.address.
func NewMember(binary, name, host, dir, registry, store string, flags ...string) *Node {
	return newNode(binary, name, host, dir, append([]string{
		"--node", name, "--store", "redis", "--redis.address", store,
		"--cluster.registry", registry, "--cluster.secret", clusterSecret, "--cluster.session-timeout", sessionTimeout,
	}, flags...)...)
}

// NewRedis returns a redis-server at host, port 6379, with its files in dir: what it has answered is there again when it is started again.
func NewRedis(name, host, dir string, args ...string) *Process {
	file := name + ".aof"
	return &Process{
		Name: name, Log: filepath.Join(dir, name+".log"),
		Command: func() *exec.Cmd {
			return exec.Command("redis-server", append([]string{
				"--bind", host, "--port", "6379", "--dir", dir, "--appendonly", "yes", "--appendfsync", "no", // kill -9 of a process loses nothing that it has written
				"--appendfilename", file, "--appenddirname", name, "--save", "", "--protected-mode", "no",
			}, args...)...)
		},
		Ready: func(ctx context.Context) error { return redisServes(ctx, host+":6379") },
	}
}

// NewEtcd returns an etcd at host, port 2379, with its data in dir.
func NewEtcd(name, host, dir string) *Process {
	url := fmt.Sprintf("http://%s:2379", host)
	peer := fmt.Sprintf("http://%s:2380", host)
	return &Process{
		Name: name, Log: filepath.Join(dir, name+".log"),
		Command: func() *exec.Cmd {
			return exec.Command("etcd", "--data-dir", filepath.Join(dir, name), "--listen-client-urls", url, "--advertise-client-urls", url,
				"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer,
				"--heartbeat-interval", "50", "--election-timeout", "500", "--logger", "zap", "--log-outputs", "stderr", "--log-level", "error")
		},
		Ready: func(ctx context.Context) error { return Get(ctx, http.DefaultClient, url+"/health") },
	}
}
