package bench

import (
	"context"
	"fmt"
)

// startRegistry starts a registry for a cluster and returns what cluster.registry is then; "" for static, which is no process.
func startRegistry(ctx context.Context, kind string) (setting string, stop func(), err error) {
	var p *peer
	switch kind {
	case "static":
		return "", func() {}, nil
	case "zookeeper":
		p = zooKeeper()
	case "etcd":
		p = etcd()
	default:
		return "", nil, fmt.Errorf("registry %q: want static, zookeeper or etcd", kind)
	}
	server, err := p.start(ctx, needs{})
	if err != nil {
		return "", nil, err
	}
	return kind + "://" + server.Public + "/bench", server.stop, nil
}

// zooKeeper is Debian's package; its jar names the others that it needs. Its shortest session is two ticks.
func zooKeeper() *peer {
	return &peer{
		label: "zookeeper", program: "java",
		args: []string{"-Xmx256m", "-cp", "/usr/share/java/zookeeper.jar", "org.apache.zookeeper.server.ZooKeeperServerMain"},
		config: `
clientPort=PORT
clientPortAddress=127.0.0.1
dataDir=DIR/data
tickTime=500
admin.enableServer=false
`,
	}
}

// etcd is Debian's etcd-server.
func etcd() *peer {
	return &peer{
		label: "etcd", program: "etcd", args: []string{"--config-file"},
		config: `
data-dir: DIR/data
listen-client-urls: http://127.0.0.1:PORT
advertise-client-urls: http://127.0.0.1:PORT
listen-peer-urls: unix://peer:1
initial-advertise-peer-urls: unix://peer:1
initial-cluster: default=unix://peer:1
unsafe-no-fsync: true
`,
	}
}
