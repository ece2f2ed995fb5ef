package demo

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	startTime = 30 * time.Second // for a node to say where it listens
	// restarts are tried: while the node is down, a connection under way on this machine may
	// have its port as its own end.
	restarts     = 10
	restartPause = 100 * time.Millisecond
)

// node is a gopush node as a child process. Its methods are for the goroutine of Run.
type node struct {
	command []string // without the addresses
	public  string   // address of devices; not known before the first start
	admin   string   // address of backends

	process *exec.Cmd      // the latest; nil: none was started
	output  sync.WaitGroup // on who reads what the process prints, and then waits for its end

	restart chan error    // the outcome of a crash; nil: none is under way
	down    time.Duration // from the kill until it listened again; 0: it was not killed yet
}

// newNode makes a node for a text of so many lines; flags are more of its settings.
func newNode(command []string, store, data string, lines int, flags ...string) *node {
	return &node{command: slices.Concat(command, []string{
		"serve", "--store", store, "--data", data, "--log-level", "warn", "--ops", "127.0.0.1:0",
		// Whoever is away for the whole text must find all of it.
		"--max-stored-per-key", strconv.Itoa(max(1000, lines)),
	}, flags)}
}

func (n *node) pid() int { return n.process.Process.Pid }

// start starts the process and waits until it listens: where it did before, or on free ports.
func (n *node) start(ctx context.Context) error {
	listens, err := n.launch()
	if err != nil {
		return fmt.Errorf("start a node: %w", err)
	}
	timeout := time.NewTimer(startTime)
	defer timeout.Stop()
	select {
	case at, ok := <-listens:
		if !ok {
			return errors.New("start a node: it ended before it listened; what it says stands above")
		}
		n.public, n.admin = at[0], at[1]
		return nil
	case <-timeout.C:
		return fmt.Errorf("start a node: it did not listen within %v", startTime)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// launch starts the process. The channel gives its public and its admin address when it says
// them, and is closed when it ends.
func (n *node) launch() (<-chan [2]string, error) {
	args := slices.Concat(n.command[1:], []string{
		"--public", cmp.Or(n.public, "127.0.0.1:0"), "--admin", cmp.Or(n.admin, "127.0.0.1:0"),
	})
	process := exec.Command(n.command[0], args...)
	process.Env = withoutSettings(os.Environ())
	process.Stderr = os.Stderr
	endWithParent(process)
	stdout, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	n.process = process
	listens := make(chan [2]string, 1)
	n.output.Go(func() {
		read(stdout, listens)
		process.Wait() // how it ended does not matter: it is killed in the end
		close(listens)
	})
	return listens, nil
}

// withoutSettings leaves out what would configure the node: it is to run as it comes.
func withoutSettings(environ []string) []string {
	return slices.DeleteFunc(environ, func(v string) bool { return strings.HasPrefix(v, "GOPUSH_") })
}

// read takes the addresses from what a process prints, and reads on to its end.
func read(stdout io.Reader, listens chan<- [2]string) {
	var at [2]string
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		i := slices.Index([]string{"public", "admin"}, fields[0])
		if i < 0 || at[i] != "" {
			continue
		}
		at[i] = fields[1]
		if at[0] != "" && at[1] != "" {
			listens <- at
		}
	}
}

// kill ends the process at once, as kill -9 does, and waits for its end.
func (n *node) kill() {
	if n.process != nil {
		n.process.Process.Kill() // fails if it has ended by itself
	}
	n.output.Wait()
}

// crash begins to kill the node and to start it again with the same addresses and data. It
// does not wait: recovered does.
func (n *node) crash(ctx context.Context) {
	n.restart = make(chan error, 1)
	go func() { // until it has sent, which recovered and close wait for
		began := time.Now()
		n.kill()
		err := n.startAgain(ctx)
		n.down = time.Since(began)
		n.restart <- err
	}()
}

func (n *node) startAgain(ctx context.Context) (err error) {
	for range restarts {
		if err = n.start(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		n.kill()
		if err := sleep(ctx, restartPause); err != nil {
			return err
		}
	}
	return err
}

// crashing tells that there was a crash that nobody has waited for.
func (n *node) crashing() bool { return n.restart != nil }

// recovered waits until the node is back after a crash, if there was one.
func (n *node) recovered() error {
	if n.restart == nil {
		return nil
	}
	err := <-n.restart
	n.restart = nil
	return err
}

// close ends the process for good. The ctx of a crash under way must have ended.
func (n *node) close() {
	n.recovered() // with its process or without
	n.kill()
}
