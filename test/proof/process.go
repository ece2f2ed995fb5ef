package proof

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// startTime is how long a process may take to be ready.
const startTime = 60 * time.Second

// restartPause is how long a process stays away that has ended while it started.
const restartPause = 200 * time.Millisecond

// Process is a program that can be killed, halted, and started again with the same command. Its methods may be called by several
// faults at a time, in any order.
type Process struct {
	Name    string                      // "n1", "store", "registry"
	Command func() *exec.Cmd            // the program, its arguments and where it runs; its output is set by Start
	Ready   func(context.Context) error // asks once whether it is; nil: it is at once
	Log     string                      // file that its output is appended to

	mu     sync.Mutex
	cmd    *exec.Cmd     // nil: it was never started
	ended  chan struct{} // closed when cmd has
	halted bool
}

// Start starts the process unless it runs, and waits until it is ready. One that ends meanwhile is started again, as a supervisor does: what it needs
// may be away.
func (p *Process) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		if err := p.launch(); err != nil {
			return fmt.Errorf("start %s: %w", p.Name, err)
		}
		err := p.AwaitReady(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("start %s: %w; its output is in %s:\n%s", p.Name, err, p.Log, p.tail())
		}
		pause(ctx, restartPause)
	}
}

// launch starts the process unless it runs.
func (p *Process) launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return nil
	}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	cmd, ended := p.Command(), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	withParent(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.ended, p.halted = cmd, ended, false
	go func() { // until the process has ended, which Kill waits for
		cmd.Wait()
		close(ended)
	}()
	return nil
}

// AwaitReady waits until the process is ready, or has ended.
func (p *Process) AwaitReady(ctx context.Context) error {
	for p.Ready != nil {
		err := p.Ready(ctx)
		if err == nil {
			return nil
		}
		if !p.Running() {
			return fmt.Errorf("it ended: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// Running tells whether the process is there, halted or not.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running()
}

// PID returns the number of the process; 0: it does not run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *Process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Kill ends the process at once, as kill -9 does, and waits for its end. It is no matter whether it runs.
func (p *Process) Kill() {
	p.mu.Lock()
	cmd, ended := p.cmd, p.ended
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	cmd.Process.Kill()
	<-ended
}

// Terminate asks the process to end, as SIGTERM does, and waits for it, at longest until ctx ends.
func (p *Process) Terminate(ctx context.Context) error {
	p.mu.Lock()
	cmd, ended := p.cmd, p.ended
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := terminate(cmd.Process); err != nil && p.Running() {
		return fmt.Errorf("terminate %s: %w", p.Name, err)
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s is still there after SIGTERM: %w", p.Name, ctx.Err())
	}
}

// Halt stops the process as a machine that hangs does; its connections stay.
func (p *Process) Halt() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return nil
	}
	p.halted = true
	return halt(p.cmd.Process)
}

// Proceed has a process go on that was halted.
func (p *Process) Proceed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() || !p.halted {
		return nil
	}
	p.halted = false
	return proceed(p.cmd.Process)
}

// Bug returns what the process has said if it has met a bug of ours; else "".
func (p *Process) Bug() string {
	said, err := os.ReadFile(p.Log)
	if err != nil {
		return ""
	}
	for _, bug := range []string{"WARNING: DATA RACE", "panic: ", "fatal error: "} {
		if i := bytes.Index(said, []byte(bug)); i >= 0 {
			return string(said[i:min(len(said), i+8<<10)])
		}
	}
	return ""
}

// tail returns the end of what the process has said.
func (p *Process) tail() string {
	said, _ := os.ReadFile(p.Log)
	return string(said[max(0, len(said)-4<<10):])
}
