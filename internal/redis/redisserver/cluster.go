package redisserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

const slots = 16384 // of every Redis Cluster

// Cluster is a Redis Cluster of three masters.
type Cluster struct {
	Masters  []*Server
	Replicas []*Server // the nth is the nth master's; nil: there are none
}

// StartCluster starts a Redis Cluster, with a replica for each master or without, that takes another master for one that is gone
// after a second, and waits until it is complete. Args are as for Start.
func StartCluster(t testing.TB, replicas bool, args ...string) *Cluster {
	t.Helper()
	args = append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "1000"}, args...)
	c := &Cluster{}
	for range 3 {
		c.Masters = append(c.Masters, startMember(t, args))
	}
	for i, s := range c.Masters {
		s.must("CLUSTER ADDSLOTSRANGE %d %d", i*slots/3, (i+1)*slots/3-1)
		s.must("CLUSTER SET-CONFIG-EPOCH %d", i+1)
	}
	for i := 0; replicas && i < 3; i++ {
		c.Replicas = append(c.Replicas, startMember(t, args))
	}
	for _, s := range c.all()[1:] {
		host, port, _ := net.SplitHostPort(c.Masters[0].Addr)
		s.must("CLUSTER MEET %s %s %s", host, port, busPort(c.Masters[0]))
	}
	for i, s := range c.Replicas {
		id := strings.TrimSpace(c.Masters[i].bulk("CLUSTER MYID"))
		s.eventually("knows its master", func() bool { return s.says("+OK", "CLUSTER REPLICATE "+id) })
		s.eventually("is up to date", func() bool { return strings.Contains(s.bulk("INFO replication"), "master_link_status:up") })
	}
	for _, s := range c.all() {
		s.eventually("sees a complete cluster", func() bool {
			info := s.bulk("CLUSTER INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", len(c.all())))
		})
	}
	return c
}

// startMember starts a server that others of a cluster reach at a port of its own, which is free too.
func startMember(t testing.TB, args []string) *Server {
	t.Helper()
	_, port, _ := net.SplitHostPort(freeAddress(t))
	return Start(t, append([]string{"--cluster-port", port}, args...)...)
}

func busPort(s *Server) string { return s.args[1] }

func (c *Cluster) all() []*Server { return append(c.Masters[:3:3], c.Replicas...) }

// Addrs returns the addresses of all servers.
func (c *Cluster) Addrs() (addrs []string) {
	for _, s := range c.all() {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}

// WaitFailover waits until the nth replica has taken the place of its master, and all others know.
func (c *Cluster) WaitFailover(n int) {
	c.Replicas[n].t.Helper()
	c.Replicas[n].eventually("is a master", func() bool { return strings.Contains(c.Replicas[n].bulk("INFO replication"), "role:master") })
	for i, s := range c.Masters {
		if i != n {
			s.eventually("sees a complete cluster", func() bool { return strings.Contains(s.bulk("CLUSTER INFO"), "cluster_state:ok") })
		}
	}
}

// StartReplica starts a replica of a server, and waits until it is up to date.
func StartReplica(t testing.TB, of *Server, args ...string) *Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(of.Addr)
	s := Start(t, append([]string{"--replicaof", host + " " + port}, args...)...)
	s.eventually("is up to date", func() bool { return strings.Contains(s.bulk("INFO replication"), "master_link_status:up") })
	return s
}

// must sends a command to which the answer is OK.
func (s *Server) must(format string, args ...any) {
	s.t.Helper()
	command := fmt.Sprintf(format, args...)
	if line, err := ask(s.Addr, command); err != nil || !strings.HasPrefix(line, "+OK") {
		s.t.Fatalf("%s: %q, %v", command, line, err)
	}
}

func (s *Server) says(prefix, command string) bool {
	line, err := ask(s.Addr, command)
	return err == nil && strings.HasPrefix(line, prefix)
}

// bulk returns what a command replies as one text; "" where it does not.
func (s *Server) bulk(command string) string {
	c, err := net.DialTimeout("tcp", s.Addr, patience)
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "%s\r\n", command)
	var n int
	r := bufio.NewReader(c)
	if _, err := fmt.Fscanf(r, "$%d\r\n", &n); err != nil {
		return ""
	}
	text := make([]byte, n)
	_, _ = io.ReadFull(r, text)
	return string(text)
}

// eventually waits until something is true of s.
func (s *Server) eventually(what string, is func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s never %s; its log:\n%s", s.Addr, what, s.Log())
		}
	}
}
