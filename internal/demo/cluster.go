package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// clusterNodes is how many nodes RunCluster starts.
const clusterNodes = 3

// ClusterConfig says what to run on a cluster. Every field is needed but Rate and Terminal.
type ClusterConfig struct {
	Text    Text          // pushed line by line, each line to every room
	Devices int           // at least as many as rooms
	Rooms   int           // keys that the devices are spread over, at most MaxRooms
	Rate    int           // lines a second; 0: as fast as they are acknowledged
	Session time.Duration // how long a node that is not heard of counts as there
	Command []string      // starts gopush: the program and what stands before a subcommand

	Out      io.Writer // told what happens, a line each
	Terminal bool      // Out is one: there is a progress line at its end
}

// RunCluster does the job on three nodes with one redis-server as their store, of which one is killed and, later, started
// again. What it returns is as with Run.
func RunCluster(ctx context.Context, cfg ClusterConfig) (report ClusterReport, err error) {
	dir, err := os.MkdirTemp("", "gopush-cluster-demo-")
	if err != nil {
		return ClusterReport{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	c := &clusterRun{cfg: cfg, progress: &progress{out: cfg.Out, terminal: cfg.Terminal}}
	c.progress.say("text: %s lines of %s", thousands(len(cfg.Text.Lines)), cfg.Text.Name)
	c.ensemble, err = startEnsemble(ctx, cfg, dir)
	if err != nil {
		return ClusterReport{}, err
	}
	defer c.ensemble.close()
	c.progress.say("store: redis-server, process %d, %s", c.ensemble.store.Process.Pid, c.ensemble.storeAddr)
	for i, n := range c.ensemble.nodes {
		c.progress.say("node %s: process %d, public %s, admin %s", nodeName(i), n.pid(), n.public, n.admin)
	}

	lines := payloads(cfg.Text.Lines)
	journal := newJournal(cfg.Rooms, len(lines))
	c.fleet = newFleet(cfg.Devices, cfg.Rooms, c.ensemble.publics(), lines, journal, fail)
	defer c.fleet.end()
	if c.pushers, err = newPushers(c.ensemble.admins(), cfg.Rooms, lines, journal); err != nil {
		return ClusterReport{}, err
	}
	report, err = c.all(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx) // rather than what came of it
	}
	return report, err
}

// clusterRun is one call of RunCluster.
type clusterRun struct {
	cfg      ClusterConfig
	ensemble *ensemble
	pushers  *pushers
	fleet    *fleet
	progress *progress
}

// all is the whole job in order.
func (c *clusterRun) all(ctx context.Context) (ClusterReport, error) {
	began := time.Now()
	watched, unwatch := context.WithCancel(ctx)
	watching := c.progress.watch(watched, c.status)
	defer watching.Wait()
	defer unwatch()

	if err := c.fleet.connect(ctx, connectTime); err != nil {
		return ClusterReport{}, err
	}
	tcp, webSocket := c.fleet.protocols()
	c.progress.say("devices: %s connected, %s TCP and %s WebSocket, in %s rooms, on %d nodes",
		thousands(tcp+webSocket), thousands(tcp), thousands(webSocket), thousands(c.cfg.Rooms), clusterNodes)
	if err := c.pushAll(ctx); err != nil {
		return ClusterReport{}, err
	}
	c.progress.say("all lines are pushed; waiting for the devices")
	if err := c.fleet.settle(ctx); err != nil {
		return ClusterReport{}, err
	}
	took := time.Since(began)
	if err := sleep(ctx, afterglow); err != nil {
		return ClusterReport{}, err
	}
	c.fleet.end()
	return c.report(took), nil
}

// pushAll has every line pushed, whatever happens between them.
func (c *clusterRun) pushAll(ctx context.Context) error {
	pushing, stop := context.WithCancel(ctx)
	defer stop()
	ended := c.pushers.run(pushing, c.cfg.Rate)
	tick, untick := pace(c.cfg.Rate)
	defer untick()
	for line := range c.cfg.Text.Lines {
		select {
		case <-tick:
		case <-ctx.Done():
			stop()
			<-ended
			return context.Cause(ctx)
		}
		err := c.happen(ctx, line)
		if err == nil {
			err = c.pushers.push(ctx, line)
		}
		if err != nil {
			stop()
			<-ended
			return err
		}
	}
	c.pushers.end()
	<-ended
	return context.Cause(ctx)
}

// happen is what this is about: who goes, comes and falls before a line is pushed.
func (c *clusterRun) happen(ctx context.Context, line int) error {
	count, at := len(c.cfg.Text.Lines), thousands(line+1)
	switch line {
	case count / 5:
		n := c.fleet.leave()
		c.progress.say("line %s: %s devices are gone", at, thousands(n))
	case count * 2 / 5:
		c.progress.say("line %s: kill -9 of node %s", at, nodeName(victim))
		c.pushers.killed()
		c.ensemble.nodes[victim].kill()
	case count * 3 / 5:
		n := c.fleet.comeBack(ctx)
		c.progress.say("line %s: %s devices come back", at, thousands(n))
	case count * 4 / 5:
		c.progress.say("line %s: node %s is started again", at, nodeName(victim))
		return c.ensemble.nodes[victim].startAgain(ctx)
	}
	return nil
}

// status is the progress line.
func (c *clusterRun) status() string {
	return fmt.Sprintf("%s of %s pushes acknowledged, %s devices connected, %s delivered",
		thousands(int(c.pushers.acknowledged.Load())), thousands(len(c.cfg.Text.Lines)*c.cfg.Rooms),
		thousands(int(c.fleet.connected.Load())), thousands(int(c.fleet.delivered.Load())))
}

// victim is the number of the node that is killed.
const victim = 1

func nodeName(i int) string { return fmt.Sprintf("n%d", i+1) }

// report counts. What was not acknowledged may have come to a device or not: it is neither lost nor does it have to be there.
func (c *clusterRun) report(took time.Duration) ClusterReport {
	r := ClusterReport{
		Text: c.cfg.Text.Name, Lines: len(c.cfg.Text.Lines), Rooms: c.cfg.Rooms, Devices: c.cfg.Devices, Nodes: clusterNodes,
		Counts: c.fleet.counts(), Gaps: int(c.fleet.gaps.Load()), Reconnects: int(c.fleet.reconnects.Load()),
		Live: c.fleet.live.summary(), CaughtUp: c.fleet.caughtUp.summary(),
		Acknowledged: int(c.pushers.acknowledged.Load()), Refused: int(c.pushers.refused.Load()),
		Session: c.cfg.Session, Recovered: c.pushers.recovered(), Took: took,
	}
	for _, d := range c.fleet.devices {
		for _, line := range c.pushers.rooms[d.room].unanswered {
			if !d.tally.Came(line) {
				r.Lost--
			}
		}
	}
	for _, room := range c.pushers.rooms {
		r.Unanswered += len(room.unanswered)
	}
	return r
}

// staticRegistry is the setting for nodes at these admin addresses.
func staticRegistry(admins []string) string {
	nodes := make([]string, len(admins))
	for i, addr := range admins {
		nodes[i] = nodeName(i) + "=" + addr
	}
	return "static:" + strings.Join(nodes, ",")
}
