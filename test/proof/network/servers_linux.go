package network

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"gopush/test/proof"
	"gopush/test/proof/lab"
)

// askTime is how long a server may take to say whether it is ready.
const askTime = 2 * time.Second

// place has a process run on a host. ready is asked whether it is, from the operator's.
func (n *Network) place(p *proof.Process, h *lab.Host, ready func(context.Context) error) {
	inner := p.Command
	p.Command = func() *exec.Cmd {
		cmd := inner()
		return h.Command(cmd.Args[0], cmd.Args[1:]...)
	}
	p.Ready = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		return ready(ctx)
	}
}

// readyz asks a node at its ops address.
func (n *Network) readyz(ops string) func(context.Context) error {
	return func(ctx context.Context) error { return n.get(ctx, "http://"+ops+"/readyz") }
}

// get is proof.Get from where an operator is.
func (n *Network) get(ctx context.Context, url string) error {
	return proof.Get(ctx, &http.Client{Transport: &http.Transport{DialContext: n.operator.DialContext}}, url)
}

// addRegistry adds what nodes know each other from, and returns the setting for it.
func (n *Network) addRegistry() (setting string) {
	switch n.setup.Registry {
	case Etcd:
		h := n.registry[0]
		p := proof.NewEtcd(h.Name, h.IP, n.setup.Dir)
		n.place(p, h, func(ctx context.Context) error { return n.get(ctx, "http://"+h.Addr(etcdPort)+"/health") })
		n.Registry = append(n.Registry, p)
		return "etcd://" + h.Addr(etcdPort) + "/proof"
	case ZooKeeper:
		h := n.registry[0]
		p := newZooKeeper(h, n.setup.Dir)
		n.place(p, h, n.zooKeeperServes(h.Addr(zooKeeperPort)))
		n.Registry = append(n.Registry, p)
		return "zookeeper://" + h.Addr(zooKeeperPort) + "/proof"
	}
	var members []string
	for _, h := range n.nodes {
		members = append(members, h.Name+"="+h.Addr(adminPort))
	}
	return "static:" + strings.Join(members, ",")
}

// newZooKeeper returns a ZooKeeper of Debian's at a host, with its data in dir.
func newZooKeeper(h *lab.Host, dir string) *proof.Process {
	const classes = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
	file := filepath.Join(dir, h.Name+".cfg")
	return &proof.Process{
		Name: h.Name, Log: filepath.Join(dir, h.Name+".log"),
		Command: func() *exec.Cmd {
			settings := fmt.Sprintf("dataDir=%s\nclientPort=%d\nclientPortAddress=%s\ntickTime=100\nmaxSessionTimeout=60000\n"+
				"maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n", filepath.Join(dir, h.Name), zooKeeperPort, h.IP)
			_ = os.WriteFile(file, []byte(settings), 0o600) // without it the server says so
			return exec.Command("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx96m", "-XX:-UsePerfData",
				"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classes, "org.apache.zookeeper.server.ZooKeeperServerMain", file)
		},
	}
}

// zooKeeperServes asks a ZooKeeper whether it accepts sessions.
func (n *Network) zooKeeperServes(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		answer, err := n.ask(ctx, addr, "srvr")
		if err == nil && !strings.Contains(answer, "Mode: standalone") {
			err = fmt.Errorf("ZooKeeper says %q", answer)
		}
		return err
	}
}

// ask sends a text to a server that closes after its answer.
func (n *Network) ask(ctx context.Context, addr, text string) (answer string, err error) {
	var c net.Conn
	if c, err = n.operator.DialContext(ctx, "tcp", addr); err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(askTime)) // what fails for it tells
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	all, err := io.ReadAll(c)
	return string(all), err
}
