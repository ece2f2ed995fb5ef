package test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// What the clients show: a backend on the admin address, a device on the public one.
const (
	backendName   = "backend"
	backendSecret = "secret-of-backend"
	deviceKey     = "phone"
	deviceToken   = "token-of-phone"
)

// redisTarget is a server that Redis clients are tried on. Its addresses outlive it.
type redisTarget struct {
	name          string // gopush or redis-server
	admin, public string // HOST:PORT; both ask for credentials
	restart       func() // kill -9, and a start on the same store
	said          func() string
}

// onRedisTargets runs test on a node and, so that the test itself is tested, on Redis.
func onRedisTargets(t *testing.T, test func(t *testing.T, target *redisTarget)) {
	t.Parallel()
	for _, target := range []struct {
		name string
		open func(t *testing.T) *redisTarget
	}{{"gopush", nodeTarget}, {"redis-server", redisServerTarget}} {
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			test(t, target.open(t))
		})
	}
}

// nodeTarget is a node with the embedded store, beyond loopback as far as it knows.
func nodeTarget(t *testing.T) *redisTarget {
	t.Helper()
	flags := []string{
		"--admin", "0.0.0.0:0", "--api-keys", backendName + ":" + backendSecret, "--auth", "token",
		"--max-stored-per-key", "100000",
	}
	n := serve(t, flags...)
	n.register(deviceKey, fmt.Sprintf(`{"token":%q}`, deviceToken))
	admin, public := newDoor(t, onLoopback(t, n.admin[1])), newDoor(t, n.public[0])
	return &redisTarget{
		name: "gopush", admin: admin.Addr().String(), public: public.Addr().String(),
		restart: func() {
			n = n.restart(flags...)
			admin.to.Store(onLoopback(t, n.admin[1]))
			public.to.Store(n.public[0])
		},
		said: func() string { return n.stderr.String() },
	}
}

// door is an address that leads to another, which may change.
type door struct {
	net.Listener
	to atomic.Value // string: HOST:PORT, or the path of a socket
}

func newDoor(t *testing.T, to string) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{Listener: l}
	d.to.Store(to)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.run()
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return d
}

// run carries connections until the door is closed, then to their end: the server is gone by then, or the client.
func (d *door) run() {
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		c, err := d.Accept()
		if err != nil {
			return
		}
		conns.Go(func() { d.carry(c) })
	}
}

// carry passes on what both sides of c say until one of them ends.
func (d *door) carry(c net.Conn) {
	defer c.Close()
	to, network := d.to.Load().(string), "tcp"
	if filepath.IsAbs(to) {
		network = "unix"
	}
	server, err := net.Dial(network, to)
	if err != nil {
		return
	}
	defer server.Close()
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, server}, {server, c}} {
		ways.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			c.Close()
			server.Close()
		})
	}
	ways.Wait()
}

// redisServerTarget is a redis-server that lets in whom a node lets in.
func redisServerTarget(t *testing.T) *redisTarget {
	t.Helper()
	// A path of t.TempDir may be too long for a socket.
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &redisServer{t: t, program: needProgram(t, "redis-server"), dir: dir}
	s.start()
	t.Cleanup(func() { s.kill() })
	d := newDoor(t, s.socket())
	return &redisTarget{
		name: "redis-server", admin: d.Addr().String(), public: d.Addr().String(),
		restart: func() {
			s.kill()
			s.start()
		},
		said: func() string { return s.output.String() },
	}
}

// redisServer is a running redis-server.
type redisServer struct {
	t            *testing.T
	program, dir string
	cmd          *exec.Cmd
	output       *lockedBuffer
}

func (s *redisServer) socket() string { return filepath.Join(s.dir, "socket") }

// start starts the server and waits until it answers.
func (s *redisServer) start() {
	s.t.Helper()
	s.output = new(lockedBuffer)
	s.cmd = exec.Command(s.program, strings.Fields("--port 0 --unixsocket "+s.socket()+" --dir "+s.dir+
		" --appendonly yes --appendfsync always --save \"\" --requirepass "+backendSecret+
		" --user "+backendName+" on >"+backendSecret+" ~* &* +@all"+
		" --user "+deviceKey+" on >"+deviceToken+" ~"+deviceKey+" &"+deviceKey+" -@all +@connection +command +info"+
		" +subscribe +unsubscribe +xread +xrange +xrevrange +xlen +xgroup|create +xreadgroup +xack +xpending")...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "redis-server answers", func() bool { return pings(s.socket()) })
}

// pings tells whether a redis-server answers at socket: it loads what it had stored before it does.
func pings(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	defer c.Close()
	if _, err := io.WriteString(c, command("AUTH", backendSecret)+command("PING")); err != nil {
		return false
	}
	answer := make([]byte, len("+OK\r\n+PONG\r\n"))
	_, err = io.ReadFull(c, answer)
	return err == nil && string(answer) == "+OK\r\n+PONG\r\n"
}

// kill ends the server at once, as kill -9 does.
func (s *redisServer) kill() {
	s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}
