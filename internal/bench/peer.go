package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// peer is another server that does what gopush does; the files peer_NAME.go say how. It runs as
// it comes but for three things: its limits are raised, it does not log connections, and, unless
// it is asked to, it does not write to disk, since a node does neither under the same loads.
type peer struct {
	label      string
	program    string   // beside gopush, in PATH, or in /usr/sbin
	args       []string // before the name of its configuration file
	config     string   // what stands there: PORT and DIR are a free port, and a directory of its own
	disk       string   // what is added there for a store on disk; "": it has none
	worker     bool     // its only child does the work, and is what is measured
	subscriber func(t *Target) dialect
	publisher  func(t *Target) backend
}

// peerConnections is what a peer that has a limit of connections is given.
const peerConnections = "50000"

func (p *peer) name() string { return p.label }

func (p *peer) dialect(t *Target) dialect { return p.subscriber(t) }

// backend leaves expire out: what a peer stores it keeps until it ends.
func (p *peer) backend(t *Target, _ int) backend { return p.publisher(t) }

func (p *peer) start(ctx context.Context, need needs) (*process, error) {
	config := p.config
	if need.store == Disk {
		if p.disk == "" {
			return nil, errors.New("it has no store on disk")
		}
		config += p.disk
	}
	program, err := findProgram(p.program)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gopush-bench-"+p.program+"-")
	if err != nil {
		return nil, err
	}
	started, err := p.startIn(ctx, dir, program, config)
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start %s: %w", p.program, err)
	}
	end := started.stop
	started.stop = func() {
		end()
		os.RemoveAll(dir)
	}
	return started, nil
}

// startIn starts p with dir for all that it writes, and returns when it takes connections. template is its
// configuration, with PORT and DIR still in it.
func (p *peer) startIn(ctx context.Context, dir, program, template string) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	file, log := filepath.Join(dir, "config"), filepath.Join(dir, "log")
	text := strings.NewReplacer("PORT", strconv.Itoa(port), "DIR", dir).Replace(template)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	said, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer said.Close()
	cmd := exec.Command("sh", append([]string{"-c", withDescriptors, program}, append(p.args, file)...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
	ended, stop, err := launch(ctx, cmd)
	if err != nil {
		return nil, err
	}
	target := Target{Public: loopback(port), Admin: loopback(port), PID: cmd.Process.Pid}
	if err := until(ended, func() bool { return p.ready(&target) }); err != nil {
		stop()
		text, _ := os.ReadFile(log)
		return nil, fmt.Errorf("%w; it said: %s", err, text)
	}
	return &process{Target: target, stop: stop, ended: ended}, nil
}

// withDescriptors starts a program with all descriptors that a process can have here.
const withDescriptors = `ulimit -n "$(ulimit -H -n)" && exec "$0" "$@"`

// ready tells whether t takes connections, and finds the process that does the work.
func (p *peer) ready(t *Target) bool {
	c, err := net.Dial("tcp", t.Public)
	if err != nil {
		return false
	}
	c.Close()
	if p.worker {
		t.PID, err = onlyChild(t.PID)
	}
	return err == nil
}

// findProgram looks where this repository builds programs, in PATH, and where Debian has servers.
func findProgram(name string) (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", err
	}
	for _, path := range []string{filepath.Join(filepath.Dir(own), name), name, filepath.Join("/usr/sbin", name)} {
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: \"make peers-deps\" installs all that can be measured", name)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePort returns a port that nobody uses, below those that connections get by themselves: one
// of these could be gone until the server asks for it.
func freePort() (int, error) {
	const lowest, ports, tries = 10_000, 20_000, 100
	for range tries {
		port := lowest + rand.IntN(ports)
		if l, err := net.Listen("tcp", loopback(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("found no free port")
}

// until waits until a process is ready.
func until(ended <-chan struct{}, ready func() bool) error {
	late := time.After(patience)
	for !ready() {
		select {
		case <-ended:
			return errors.New("it ended")
		case <-late:
			return fmt.Errorf("it was not ready after %s", patience)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// onlyChild returns the process that pid has started, or pid with the error.
func onlyChild(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		return pid, err
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return pid, fmt.Errorf("children of %d: %w", pid, err)
	}
	return child, nil
}
