package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

const (
	network  = "10.77.0" // of all hosts; nobody else sees it
	mostHost = 250
)

// Lab is hosts that reach each other.
type Lab struct {
	home  *os.File   // the namespace of the process
	wire  *namespace // has the switch
	late  *latecomer // carries what is to come late
	mu    sync.Mutex // of the fields below, held while programs of a few milliseconds run
	hosts []*Host
	rules []*Rule // that hold, in the order in which they were imposed
}

// New returns a network without hosts. The error says what is missing.
func New() (*Lab, error) {
	if err := Missing(); err != nil {
		return nil, err
	}
	home, err := os.Open(thisThread)
	if err != nil {
		return nil, err
	}
	l := &Lab{home: home, late: newLatecomer()}
	if l.wire, err = unshare(home); err == nil {
		err = l.wire.ip("link add switch type bridge\nlink set switch up")
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Missing is why there can be no Lab here; nil: there can be one, as far as is known without making one.
func Missing() error {
	var missing []string
	for program, of := range map[string]string{"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, of)
		}
	}
	slices.Sort(missing)
	switch {
	case len(missing) > 0:
		return fmt.Errorf("no %s here, make deps installs it", strings.Join(missing, ", no "))
	case os.Geteuid() != 0:
		return errors.New("network namespaces need root")
	}
	return nil
}

// Host adds a host.
func (l *Lab) Host(name string) (*Host, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.hosts) == mostHost {
		return nil, fmt.Errorf("host %s: there are %d", name, mostHost)
	}
	h := &Host{Name: name, lab: l}
	err := h.plugIn(len(l.hosts) + 1)
	if err != nil {
		h.close()
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	l.hosts = append(l.hosts, h)
	return h, nil
}

// Close ends the network. What still runs on a host goes on, unplugged.
func (l *Lab) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.hosts {
		h.close()
	}
	l.late.close()
	if l.wire != nil {
		l.wire.close()
	}
	l.home.Close()
}

// Hosts returns all hosts, in the order in which they came.
func (l *Lab) Hosts() []*Host {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hosts)
}

// change imposes and lifts rules, and has the hosts that they are about obey those that hold then.
func (l *Lab) change(ctx context.Context, impose, lift []*Rule) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = slices.DeleteFunc(l.rules, func(r *Rule) bool { return slices.Contains(lift, r) })
	l.rules = append(l.rules, impose...)
	var errs []error
	for _, h := range l.hosts {
		about := func(r *Rule) bool { return r.From == h || r.To == h }
		if slices.ContainsFunc(impose, about) || slices.ContainsFunc(lift, about) {
			errs = append(errs, h.obey(l.rules))
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}
