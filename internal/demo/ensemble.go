package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// storeAge is how old the store has to be when the first device comes, which begins a second before now, since clocks of nodes may differ by that: where the store has
// no record that far back, it is told of a gap.
const storeAge = 1100 * time.Millisecond

// ensemble is the processes of a cluster: its nodes, and the redis-server that they share.
type ensemble struct {
	store     *exec.Cmd
	storeAddr string
	ended     chan struct{} // closed when the store's process has
	nodes     []*node
}

// startEnsemble starts all on free ports of this machine, and returns when the nodes listen.
func startEnsemble(ctx context.Context, cfg ClusterConfig, dir string) (*ensemble, error) {
	ports, err := freePorts(1 + clusterNodes)
	if err != nil {
		return nil, err
	}
	e := &ensemble{}
	if err := e.startStore(ctx, ports[0], dir); err != nil {
		return nil, err
	}
	admins := ports[1:]
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(newSecret()+"\n"), 0o600); err != nil {
		return e, errors.Join(err, e.close())
	}
	for i := range clusterNodes {
		n := newNode(cfg.Command, "redis", filepath.Join(dir, nodeName(i)), len(cfg.Text.Lines),
			"--log-level", "error", // that links break is what this is about
			"--redis.address", e.storeAddr, "--node", nodeName(i),
			"--cluster.registry", staticRegistry(admins), "--cluster.secret-file", secret, "--cluster.session-timeout", cfg.Session.String())
		n.admin = admins[i]
		e.nodes = append(e.nodes, n)
	}
	if err := e.startNodes(ctx); err != nil {
		return nil, errors.Join(err, e.close())
	}
	if err := sleep(ctx, storeAge); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// newSecret returns what the nodes show each other. Nothing beyond this machine reaches them.
func newSecret() string { return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()) }

// startNodes starts all at once: each waits for the others.
func (e *ensemble) startNodes(ctx context.Context) error {
	errs := make([]error, len(e.nodes))
	var starting sync.WaitGroup
	for i, n := range e.nodes {
		starting.Go(func() { errs[i] = n.start(ctx) })
	}
	starting.Wait()
	for i, err := range errs {
		if err != nil { // those of the others say the same
			return fmt.Errorf("%s: %w", nodeName(i), err)
		}
	}
	return nil
}

// startStore starts a redis-server. It is not what is killed.
func (e *ensemble) startStore(ctx context.Context, addr, dir string) error {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return errors.New("redis-server is not installed, and the nodes of a cluster need a store that they share: install it with " +
			"\"apt-get install redis-server\", \"dnf install redis\" or \"brew install redis\"")
	}
	host, port, _ := net.SplitHostPort(addr)
	e.storeAddr, e.ended = addr, make(chan struct{})
	e.store = exec.Command(program, "--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes", "--logfile", filepath.Join(dir, "redis.log"))
	endWithParent(e.store)
	if err := e.store.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	go func() { // until the process has ended, which close waits for
		e.store.Wait()
		close(e.ended)
	}()
	if err := e.awaitStore(ctx); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "redis.log"))
		return errors.Join(fmt.Errorf("start redis-server: %w\n%s", err, log), e.close())
	}
	return nil
}

// awaitStore waits until the store takes connections.
func (e *ensemble) awaitStore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		if c, err := net.Dial("tcp", e.storeAddr); err == nil {
			return c.Close()
		}
		select {
		case <-e.ended:
			return errors.New("it ended")
		case <-time.After(restartPause / 10):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// publics are the addresses where devices connect.
func (e *ensemble) publics() (all []string) {
	for _, n := range e.nodes {
		all = append(all, n.public)
	}
	return all
}

// admins are the addresses where backends do.
func (e *ensemble) admins() (all []string) {
	for _, n := range e.nodes {
		all = append(all, n.admin)
	}
	return all
}

// close ends all processes.
func (e *ensemble) close() error {
	for _, n := range e.nodes {
		n.kill()
	}
	if e.store != nil && e.store.Process != nil {
		e.store.Process.Kill()
		<-e.ended
	}
	return nil
}

// freePorts returns addresses of this machine that nobody listens on. Somebody else may until they are used: then the start fails, and says so.
// They are below those that connections get by themselves.
func freePorts(count int) (addrs []string, err error) {
	const lowest, ports, tries = 10_000, 20_000, 1000
	for range tries {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(ports)))
		if err != nil {
			continue
		}
		defer l.Close() // all are held until there are enough, so that none comes twice
		if addrs = append(addrs, l.Addr().String()); len(addrs) == count {
			return addrs, nil
		}
	}
	return nil, errors.New("found no free ports on 127.0.0.1")
}
