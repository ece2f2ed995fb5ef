package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is what is measured: a node, the nodes of a cluster, or the floor, and how to end it if it is ours.
type process struct {
	Target          // where publishers push
	nodes  []Target // of a cluster: all of them, first the one that owns all keys
	stop   func()
	ended  <-chan struct{} // closed when the process has ended; nil: it is not ours
}

// all are the targets that there are.
func (p *process) all() []Target {
	if len(p.nodes) > 0 {
		return p.nodes
	}
	return []Target{p.Target}
}

// gone tells whether the process has ended by itself. Its connections break a moment before that is known.
func (p *process) gone() bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(patience / 20):
		return false
	}
}

// start runs binary and returns when it has printed the address of the last kind.
func start(ctx context.Context, last, binary string, args ...string) (*process, error) {
	cmd := exec.Command(binary, args...)
	said := &addresses{last: last, complete: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = said, os.Stderr
	ended, stop, err := launch(ctx, cmd)
	if err != nil {
		return nil, err
	}
	select {
	case <-said.complete:
	case <-ended:
	case <-time.After(patience):
	}
	target, ok := said.target()
	if !ok {
		stop()
		return nil, fmt.Errorf("%s: did not say where it listens", strings.Join(cmd.Args, " "))
	}
	target.PID = cmd.Process.Pid
	return &process{Target: target, stop: stop, ended: ended}, nil
}

// launch starts cmd. ended is closed when its process has ended; stop asks it to, and waits. So
// does the end of ctx, without waiting.
func launch(ctx context.Context, cmd *exec.Cmd) (ended <-chan struct{}, stop func(), err error) {
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	end := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		cmd.Wait()
		close(end)
	})
	terminate := func() { cmd.Process.Signal(syscall.SIGTERM) }
	left := context.AfterFunc(ctx, terminate)
	stop = func() {
		left()
		terminate()
		select {
		case <-end:
		case <-time.After(2 * patience):
			cmd.Process.Kill()
		}
		waiting.Wait()
	}
	return end, stop, nil
}

// addresses takes from what a process prints, "  public  127.0.0.1:6969 …", where it listens.
type addresses struct {
	last     string        // the kind that is printed last
	complete chan struct{} // closed when it was

	mu   sync.Mutex
	text []byte
	done bool
}

func (a *addresses) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.done {
		a.text = append(a.text, p...)
		if _, ok := a.of(a.last); ok {
			a.done = true
			close(a.complete)
		}
	}
	return len(p), nil
}

// of returns the address of a kind, if its line is complete. a.mu is held.
func (a *addresses) of(kind string) (string, bool) {
	for line := range bytes.Lines(a.text) {
		fields := strings.Fields(string(line))
		if len(fields) >= 2 && fields[0] == kind && bytes.HasSuffix(line, []byte("\n")) {
			return fields[1], true
		}
	}
	return "", false
}

// target returns all addresses; ok is false if the last is not there.
func (a *addresses) target() (t Target, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t.Public, _ = a.of("public")
	t.Admin, _ = a.of("admin")
	t.Ops, _ = a.of("ops")
	return t, a.done
}
