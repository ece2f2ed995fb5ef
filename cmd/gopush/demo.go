package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"gopush/internal/demo"
)

type demoCmd struct {
	File    string `arg:"" optional:"" type:"existingfile" help:"Text to push line by line; else one that the system has: its package list, its logs, the sources of Go."`
	Devices int    `default:"1000" help:"Devices that subscribe, half over TCP, half over WebSocket."`
	Rooms   int    `default:"10" help:"Keys that the devices are spread over."`
	Lines   int    `default:"3000" help:"Most lines of the text to push."`
	Rate    int    `default:"100" help:"Lines a second, each to all devices; 0: as fast as the node acknowledges them."`
	Store   string `default:"pebble" enum:"pebble,memory" help:"Store of the node: pebble, or memory to see what is lost without one."`
}

// Help is printed behind the description.
func (*demoCmd) Help() string {
	return `Starts a node of its own in a temporary directory, connects the devices to it over real sockets and pushes every line of a text to every room. A third of the devices goes away on the way and comes back; the node is killed with kill -9 in the middle and started again. In the end stands a table of what the devices counted, comparing every message with what was pushed. It ends with 0 only if nothing was lost, doubled or out of order.

    gopush demo
    gopush demo --rate 0 --lines 10000 /var/log/syslog
    gopush demo --store memory
`
}

// Validate is called by kong.
func (d *demoCmd) Validate() error {
	switch {
	case d.Rooms < 1 || d.Rooms > demo.MaxRooms:
		return fmt.Errorf("--rooms=%d: want 1 to %d", d.Rooms, demo.MaxRooms)
	case d.Devices < d.Rooms:
		return fmt.Errorf("--devices=%d: want at least one for each of %d rooms", d.Devices, d.Rooms)
	case d.Lines < demo.MinLines:
		return fmt.Errorf("--lines=%d: want at least %d", d.Lines, demo.MinLines)
	case d.Rate < 0:
		return fmt.Errorf("--rate=%d: want at least 0", d.Rate)
	}
	return nil
}

// Run does the demonstration. Also a closed terminal or pipe lets it clean up behind itself.
func (d *demoCmd) Run(ctx context.Context, app *kong.Kong) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	text, err := d.text(ctx)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, isFile := app.Stdout.(*os.File)
	report, err := demo.Run(ctx, demo.Config{
		Text: text, Devices: d.Devices, Rooms: d.Rooms, Rate: d.Rate, Store: d.Store,
		Command: []string{self}, Out: app.Stdout, Terminal: isFile && isTerminal(out),
	})
	if errors.Is(err, context.Canceled) {
		return errors.New("demo: interrupted; its node and its directory are gone")
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return errors.Join(report.Print(app.Stdout), report.Err())
}

func (d *demoCmd) text(ctx context.Context) (demo.Text, error) {
	if d.File != "" {
		return demo.ReadText(d.File, d.Lines)
	}
	return demo.SystemText(ctx, d.Lines)
}
