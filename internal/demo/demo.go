// Package demo does the main job of a node, or of a cluster, on real input and counts the outcome at the devices.
//
//	text ─> pusher ──POST /v1/push──> node, a child process ──TCP, WebSocket──> devices ─> a Tally each ─> Report
//
// On the way a third of the devices goes away for a while, and the node is killed as kill -9
// does and started again on what it had stored; of a cluster one node is, and the others own its keys. The devices are the SDK's, over real sockets.
// The package promises that every message a device got is compared with what was pushed, and
// that nothing is left when Run returns: no process and no directory. It knows a node as its
// users do, by its command line and its listeners, and nothing of its inside.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	// MaxRooms is how many keys one call takes.
	MaxRooms = 1000
	// connectTime is how long all devices may take for their first connection.
	connectTime = time.Minute
	// afterglow is how long devices listen on when they have everything: a double would come now.
	afterglow = 500 * time.Millisecond
)

// Config says what to run. Every field is needed but Rate and Terminal.
type Config struct {
	Text    Text     // pushed line by line, each line to every room
	Devices int      // at least as many as rooms
	Rooms   int      // keys that the devices are spread over, at most MaxRooms
	Rate    int      // lines a second; 0: as fast as they are acknowledged
	Store   string   // of the node: "pebble" or "memory"
	Command []string // starts gopush: the program and what stands before a subcommand

	Out      io.Writer // told what happens, a line each
	Terminal bool      // Out is one: there is a progress line at its end
}

// Run does the job and returns what was counted. An error says why it could not be done; that
// messages were lost is none, see Report.Err.
func Run(ctx context.Context, cfg Config) (report Report, err error) {
	dir, err := os.MkdirTemp("", "gopush-demo-")
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	n := newNode(cfg.Command, cfg.Store, filepath.Join(dir, "data"), len(cfg.Text.Lines))
	defer n.close()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	p := &progress{out: cfg.Out, terminal: cfg.Terminal}
	p.say("text: %s lines of %s", thousands(len(cfg.Text.Lines)), cfg.Text.Name)
	if err := n.start(ctx); err != nil {
		return Report{}, err
	}
	p.say("node: process %d, store %s, public %s, admin %s", n.pid(), cfg.Store, n.public, n.admin)

	lines := payloads(cfg.Text.Lines)
	journal := newJournal(cfg.Rooms, len(lines))
	pusher, err := newPusher(n.admin, lines, journal)
	if err != nil {
		return Report{}, err
	}
	fleet := newFleet(cfg.Devices, cfg.Rooms, []string{n.public}, lines, journal, fail)
	defer fleet.end()
	r := &run{cfg: cfg, node: n, pusher: pusher, fleet: fleet, progress: p}
	report, err = r.all(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx) // rather than what came of it
	}
	return report, err
}

// run is one call of Run.
type run struct {
	cfg      Config
	node     *node
	pusher   *pusher
	fleet    *fleet
	progress *progress
}

// all is the whole job in order.
func (r *run) all(ctx context.Context) (Report, error) {
	began := time.Now()
	watched, unwatch := context.WithCancel(ctx)
	watching := r.progress.watch(watched, r.status)
	defer watching.Wait()
	defer unwatch()

	if err := r.fleet.connect(ctx, connectTime); err != nil {
		return Report{}, err
	}
	tcp, webSocket := r.fleet.protocols()
	r.progress.say("devices: %s connected, %s TCP and %s WebSocket, in %s rooms",
		thousands(tcp+webSocket), thousands(tcp), thousands(webSocket), thousands(r.cfg.Rooms))
	if err := r.pushAll(ctx); err != nil {
		return Report{}, err
	}
	r.progress.say("all lines are pushed; waiting for the devices")
	if err := r.fleet.settle(ctx); err != nil {
		return Report{}, err
	}
	took := time.Since(began)
	if err := sleep(ctx, afterglow); err != nil {
		return Report{}, err
	}
	r.fleet.end()
	return r.report(took), nil
}

// pushAll pushes every line, whatever happens between them.
func (r *run) pushAll(ctx context.Context) error {
	tick, stop := pace(r.cfg.Rate)
	defer stop()
	for line := range r.cfg.Text.Lines {
		select {
		case <-tick:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		r.happen(ctx, line)
		if err := r.push(ctx, line); err != nil {
			return fmt.Errorf("push line %d: %w", line+1, err)
		}
	}
	return r.node.recovered()
}

// happen is what this is about: who goes, comes and falls before a line is pushed.
func (r *run) happen(ctx context.Context, line int) {
	count, at := len(r.cfg.Text.Lines), thousands(line+1)
	switch line {
	case count / 5:
		n := r.fleet.leave()
		r.progress.say("line %s: %s devices are gone", at, thousands(n))
	case count / 2:
		r.progress.say("line %s: kill -9 of the node", at)
		r.node.crash(ctx) // goes on while the line is pushed
	case count * 3 / 4:
		n := r.fleet.comeBack(ctx)
		r.progress.say("line %s: %s devices come back", at, thousands(n))
	}
}

// push pushes a line, if need be around a crash.
func (r *run) push(ctx context.Context, line int) error {
	_, err := r.pusher.push(ctx, line)
	if err == nil || !uncertain(err) || !r.node.crashing() {
		return err
	}
	if err := r.node.recovered(); err != nil {
		return err
	}
	had, err := r.pusher.push(ctx, line)
	if err != nil {
		return err
	}
	r.progress.say("line %s: the node is back after %v; its answer was cut off, %d of %d rooms had it; going on from there",
		thousands(line+1), r.node.down.Round(time.Millisecond), had, r.cfg.Rooms)
	return nil
}

// pace returns a channel that gives rate times a second, or always if rate is 0.
func pace(rate int) (tick <-chan time.Time, stop func()) {
	if rate == 0 {
		always := make(chan time.Time)
		close(always)
		return always, func() {}
	}
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	return ticker.C, ticker.Stop
}

// status is the progress line.
func (r *run) status() string {
	return fmt.Sprintf("%s of %s lines, %s devices connected, %s delivered",
		thousands(int(r.pusher.done.Load())), thousands(len(r.cfg.Text.Lines)),
		thousands(int(r.fleet.connected.Load())), thousands(int(r.fleet.delivered.Load())))
}

func (r *run) report(took time.Duration) Report {
	return Report{
		Text: r.cfg.Text.Name, Lines: len(r.cfg.Text.Lines), Rooms: r.cfg.Rooms, Devices: r.cfg.Devices,
		Counts: r.fleet.counts(), Gaps: int(r.fleet.gaps.Load()), Reconnects: int(r.fleet.reconnects.Load()),
		Live: r.fleet.live.summary(), CaughtUp: r.fleet.caughtUp.summary(),
		Down: r.node.down, Took: took,
	}
}

// sleep waits for d or until ctx ends, and returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
