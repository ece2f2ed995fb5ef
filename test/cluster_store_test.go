package test

import (
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// storeServer is the redis-server that the nodes of a cluster share. What it acknowledged is there again when it is
// started again.
type storeServer struct {
	t      *testing.T
	addr   string
	dir    string
	output *lockedBuffer
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has
}

// startStore starts one for the time of a test.
func startStore(t *testing.T) *storeServer {
	t.Helper()
	s := &storeServer{t: t, addr: loopbackHost() + ":6379", dir: t.TempDir(), output: new(lockedBuffer)}
	if strings.HasPrefix(s.addr, "127.0.0.1:") {
		s.addr = freeAddress(t)
	}
	s.start()
	t.Cleanup(func() { s.kill() })
	return s
}

// start starts the server, or starts it again, and waits until it answers.
func (s *storeServer) start() {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command(needProgram(s.t, "redis-server"), "--bind", host, "--port", port, "--dir", s.dir,
		"--appendonly", "yes", "--appendfsync", "no", "--save", "")
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() {
		cmd.Wait()
		close(ended)
	}()
	eventually(s.t, "redis-server answers at "+s.addr, s.answers)
}

func (s *storeServer) answers() bool {
	c, err := net.DialTimeout("tcp", s.addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, len("+PONG"))
	n, _ := c.Read(answer)
	return string(answer[:n]) == "+PONG"
}

// kill ends the server at once.
func (s *storeServer) kill() {
	s.cmd.Process.Kill()
	<-s.ended
}

// hang stops the server as a machine that hangs does; the returned function lets it go on.
func (s *storeServer) hang() (goOn func()) {
	s.t.Helper()
	if err := halt(s.cmd.Process); err != nil {
		s.t.Skip(err)
	}
	return func() { proceed(s.cmd.Process) }
}
