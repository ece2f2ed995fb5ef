package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"gopush/internal/config"
	"gopush/internal/demo"
)

type clusterDemoCmd struct {
	File           string          `arg:"" optional:"" type:"existingfile" help:"Text to push line by line; else one that the system has: its package list, its logs, the sources of Go."`
	Devices        int             `default:"600" help:"Devices that subscribe, half over TCP, half over WebSocket, on all nodes."`
	Rooms          int             `default:"12" help:"Keys that the devices are spread over, and the nodes own."`
	Lines          int             `default:"2000" help:"Most lines of the text to push."`
	Rate           int             `default:"100" help:"Lines a second, each to all rooms; 0: as fast as they are acknowledged."`
	SessionTimeout config.Duration `default:"3s" help:"How long a node that is not heard of counts as there; then others own its keys. 1s to 1m."`
}

// Help is printed behind the description.
func (*clusterDemoCmd) Help() string {
	return `Starts a redis-server (it must be installed) and three nodes on free ports of this machine, all in a temporary directory, with a static registry: they are one push service. Devices connect to all of them, and every line of a text is pushed to every room, each time at another node, whichever owns the room.

A third of the devices goes away on the way and comes back. One node is killed with kill -9: its devices go on at the others, which own its keys when it has not been heard of for --session-timeout; until then pushes to these keys are refused, and made again. Later it is started again, and takes its keys back. In the end stands a table of what the devices counted, comparing every message with what was pushed. It ends with 0 only if nothing that was acknowledged was lost, and nothing doubled or out of order.

    gopush cluster-demo
    gopush cluster-demo --rate 0 --lines 10000 /var/log/syslog
    gopush cluster-demo --devices 5000 --session-timeout 1s

A cluster of your own: docs/cluster.md.
`
}

// Validate is called by kong.
func (d *clusterDemoCmd) Validate() error {
	session := time.Duration(d.SessionTimeout)
	switch {
	case d.Rooms < 1 || d.Rooms > demo.MaxRooms:
		return fmt.Errorf("--rooms=%d: want 1 to %d", d.Rooms, demo.MaxRooms)
	case d.Devices < d.Rooms:
		return fmt.Errorf("--devices=%d: want at least one for each of %d rooms", d.Devices, d.Rooms)
	case d.Lines < demo.MinLines:
		return fmt.Errorf("--lines=%d: want at least %d", d.Lines, demo.MinLines)
	case d.Rate < 0:
		return fmt.Errorf("--rate=%d: want at least 0", d.Rate)
	case session < time.Second || session > time.Minute:
		return fmt.Errorf("--session-timeout=%v: want 1s to 1m", session)
	}
	return nil
}

// Run does the demonstration. Also a closed terminal or pipe lets it clean up behind itself.
func (d *clusterDemoCmd) Run(ctx context.Context, app *kong.Kong) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	text, err := (&demoCmd{File: d.File, Lines: d.Lines}).text(ctx)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, isFile := app.Stdout.(*os.File)
	report, err := demo.RunCluster(ctx, demo.ClusterConfig{
		Text: text, Devices: d.Devices, Rooms: d.Rooms, Rate: d.Rate, Session: time.Duration(d.SessionTimeout),
		Command: []string{self}, Out: app.Stdout, Terminal: isFile && isTerminal(out),
	})
	if errors.Is(err, context.Canceled) {
		return errors.New("cluster-demo: interrupted; its processes and its directory are gone")
	}
	if err != nil {
		return fmt.Errorf("cluster-demo: %w", err)
	}
	return errors.Join(report.Print(app.Stdout), report.Err())
}
