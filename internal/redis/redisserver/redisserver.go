// Package redisserver starts real servers of Redis for tests: alone, as a Redis Cluster, and with Sentinels. They listen on free
// ports of loopback, have directories of their own, and end with the test.
package redisserver

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const patience = 20 * time.Second

// Server is a redis-server.
type Server struct {
	Addr string // host:port
	Dir  string // where it keeps its files, and its log

	t      testing.TB
	path   string
	args   []string
	cmd    *exec.Cmd
	exited chan struct{}
}

// Start starts a redis-server with arguments, "--appendonly", "yes" for example, and waits until it answers. Where there is none
// of version 7.0, which is what gopush replies like, the test is skipped, or fails on CI.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	path, err := find()
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, path: path, Dir: t.TempDir(), args: args}
	t.Cleanup(s.Kill)
	for range 5 { // somebody else may be given the free port meanwhile
		s.Addr = freeAddress(t)
		if s.run() {
			return s
		}
	}
	t.Fatalf("redis-server does not answer:\n%s", s.Log())
	return nil
}

// find returns where a redis-server is whose words are those of gopush.
func find() (path string, err error) {
	path, err = exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("no redis-server here, make deps installs it: %w", err)
	}
	version, err := exec.Command(path, "--version").Output()
	if err == nil && !strings.Contains(string(version), " v=7.0.") {
		err = fmt.Errorf("gopush replies as Redis 7.0 does, this is %s", version)
	}
	return path, err
}

// run starts the process, and tells whether it answers.
func (s *Server) run() bool {
	_, port, _ := net.SplitHostPort(s.Addr)
	file, rest := s.file()
	s.cmd = exec.Command(s.path, slices.Concat(file,
		[]string{"--bind", "127.0.0.1", "--port", port, "--dir", s.Dir, "--logfile", "log", "--save", "", "--repl-diskless-sync-delay", "0"}, rest)...)
	s.exited = make(chan struct{})
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, exited chan struct{}) {
		cmd.Wait()
		close(exited)
	}(s.cmd, s.exited)
	if answers(s.Addr, s.exited) {
		return true
	}
	s.Kill()
	return false
}

// file returns the configuration file that the arguments begin with, if they do, and the rest of them.
func (s *Server) file() (file, rest []string) {
	if len(s.args) > 0 && !strings.HasPrefix(s.args[0], "--") {
		return s.args[:1], s.args[1:]
	}
	return nil, s.args
}

// Log returns what the server wrote into its log.
func (s *Server) Log() string {
	log, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
	return string(log)
}

// Kill ends the server as a power failure would, and waits until it is gone.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	<-s.exited
}

// Restart starts the server again after Kill, at the same address and with its files. It may be called by any goroutine.
func (s *Server) Restart() error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if s.run() {
			return nil
		}
	}
	return fmt.Errorf("redis-server does not answer:\n%s", s.Log())
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// answers waits until a server of Redis's protocol answers at addr, or has exited.
func answers(addr string, exited chan struct{}) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-exited:
			return false
		case <-time.After(5 * time.Millisecond):
		}
		if pings(addr) {
			return true
		}
	}
	return false
}

// pings tells whether a server is ready: one that wants a password is.
func pings(addr string) bool {
	line, err := ask(addr, "PING")
	return err == nil && (strings.HasPrefix(line, "+PONG") || strings.HasPrefix(line, "-NOAUTH"))
}

// ask sends a command, in one line, and returns the first line of the reply.
func ask(addr, command string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte(command + "\r\n")); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}
