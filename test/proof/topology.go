package proof

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
)

// Topology is what a run has under test: nodes, and the servers that they need. Who makes one says in the commands of its processes
// where they run: on this machine's loopback, or in network namespaces of their own.
type Topology struct {
	Name     string // "one node, embedded store"
	Nodes    []*Node
	Store    []*Process // that nodes share, and what it is made of; none: it is within the node
	Registry []*Process // none: it is static, or there is one node

	// Dial connects devices and pushers to a node; nil: as net.Dialer does.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// APIKey is what pushers show admin listeners ("Authorization: Bearer", AUTH), which beyond loopback want it; "": nothing.
	APIKey string
	// MayLose says why acknowledged messages may be lost here, which then is counted and is no failure; empty: they may not.
	MayLose string
	// MayVanish says why a message that was not acknowledged may be read, by who reads what is stored, and be gone later; empty: it may not.
	MayVanish string
	// Close lets go of what is not a process, after all of them have ended; nil: there is nothing.
	Close func() error
}

// Node is one gopush process.
type Node struct {
	*Process
	Public, Admin, Ops string // addresses, the same after every restart
	Data               string // directory of the embedded store; "" where nodes share one
	FaultSocket        string // where a binary with the build tag "proof" takes faults; "" where it is another one
}

// processes are all of t, in the order in which they are started.
func (t *Topology) processes() []*Process {
	all := slices.Concat(t.Store, t.Registry)
	for _, n := range t.Nodes {
		all = append(all, n.Process)
	}
	return all
}

// start starts the servers, then all nodes at once: they wait for each other.
func (t *Topology) start(ctx context.Context) error {
	for _, p := range slices.Concat(t.Store, t.Registry) {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	errs := make([]error, len(t.Nodes))
	var starting sync.WaitGroup
	for i, n := range t.Nodes {
		starting.Go(func() { errs[i] = n.Start(ctx) })
	}
	starting.Wait()
	return errors.Join(errs...)
}

// stop kills all processes, and returns what they should not have said.
func (t *Topology) stop() error {
	var errs []error
	for _, p := range slices.Backward(t.processes()) {
		p.Kill()
		if bug := p.Bug(); bug != "" {
			errs = append(errs, fmt.Errorf("%s has met a bug:\n%s", p.Name, bug))
		}
	}
	if t.Close != nil {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}

// dial connects to a node.
func (t *Topology) dial(ctx context.Context, addr string) (net.Conn, error) {
	if t.Dial != nil {
		return t.Dial(ctx, "tcp", addr)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// dialSoon is dial that does not wait for long.
func (t *Topology) dialSoon(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	return t.dial(ctx, addr)
}
