// Package registrytest is what a registry of nodes promises, as tests that every registry runs against its real servers,
// and these servers for other tests: on loopback, on free ports, in directories of the test, ended with it.
package registrytest

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// startLimit is how long a server may take to begin to answer.
const startLimit = 60 * time.Second

// Server is a process that keeps a registry.
type Server struct {
	Addr string // HOST:PORT, the same for as long as the test lasts

	t       testing.TB
	command func(dir string) *exec.Cmd
	ready   func(addr string) bool
	dir     string
	process *process // nil: it is stopped
}

// process is a run of a server.
type process struct {
	cmd    *exec.Cmd
	log    *bytes.Buffer // to be read when exited is closed
	exited chan struct{}
}

// launch starts a server on a free port. make returns its command for an address and its directory.
func launch(t testing.TB, ready func(addr string) bool, command func(addr, dir string) *exec.Cmd) *Server {
	t.Helper()
	s := &Server{t: t, ready: ready}
	t.Cleanup(s.kill)
	for range 5 { // somebody else may be given the free port meanwhile
		s.Addr, s.dir = freeAddress(t), t.TempDir()
		s.command = func(dir string) *exec.Cmd { return command(s.Addr, dir) }
		if s.start() == nil {
			return s
		}
	}
	t.Fatal(s.start())
	return nil
}

// Start starts a stopped server with what it kept.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

// Stop kills the server (SIGKILL).
func (s *Server) Stop() { s.kill() }

// Wipe removes what a stopped server kept.
func (s *Server) Wipe() {
	s.t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
			s.t.Fatal(err)
		}
	}
}

// Pause halts the server: it neither answers nor closes what is open.
func (s *Server) Pause() {
	s.t.Helper()
	if err := halt(s.process.cmd.Process); err != nil {
		s.t.Fatal(err)
	}
}

// Resume has a paused server go on.
func (s *Server) Resume() {
	s.t.Helper()
	if err := resume(s.process.cmd.Process); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) start() error {
	p := &process{cmd: s.command(s.dir), log: &bytes.Buffer{}, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	endWithTest(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // it is killed
	}()
	s.process = p
	deadline := time.After(startLimit)
	for !s.ready(s.Addr) {
		select {
		case <-p.exited:
			return errors.New(filepath.Base(p.cmd.Path) + " ended:\n" + p.log.String())
		case <-deadline:
			s.kill()
			return errors.New(filepath.Base(p.cmd.Path) + " does not answer:\n" + p.log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func (s *Server) kill() {
	if s.process == nil {
		return
	}
	_ = s.process.cmd.Process.Kill() // it may have ended
	<-s.process.exited
	s.process = nil
}

// need skips the test where a file is missing, or fails it on CI.
func need(t testing.TB, what string, files ...string) {
	t.Helper()
	for _, file := range files {
		_, err := os.Stat(file)
		if filepath.Base(file) == file {
			_, err = exec.LookPath(file)
		}
		if err == nil {
			continue
		}
		if os.Getenv("CI") == "" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound)) {
			t.Skipf("no %s here, make deps installs it: %v", what, err)
		}
		t.Fatal(err)
	}
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
