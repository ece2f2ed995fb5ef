package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"gopush/internal/bench"
)

type benchIdleCmd struct {
	benchFlags
	Steps []int `default:"2000,6000,10000,14000,18000" help:"Numbers of connections at which memory is read; the result is the slope between the first and the last."`
}

// Help is printed behind the description.
func (*benchIdleCmd) Help() string {
	return `Each connection subscribes to a key of its own and is silent. Memory is the resident memory of the server when it has not moved for 5 s, 12 s after the last connect at the latest. At the end each connection gets one message, so that it is known that all were there.

    gopush bench idle --protocol tcp,ws
    gopush bench idle --steps 1000,10000 --runs 1
`
}

// Validate is called by kong.
func (b *benchIdleCmd) Validate() error {
	if len(b.Steps) < 2 || b.Steps[0] < 1 || !slices.IsSorted(b.Steps) || b.Steps[0] == b.Steps[len(b.Steps)-1] {
		return fmt.Errorf("--steps=%v: want at least two numbers, growing", b.Steps)
	}
	return b.benchFlags.check()
}

// Run measures and prints.
func (b *benchIdleCmd) Run(ctx context.Context, app *kong.Kong) error {
	cfg, done, err := b.config(app)
	if err != nil {
		return err
	}
	report, err := bench.Idle(ctx, bench.IdleConfig{Config: cfg, Steps: b.Steps})
	done()
	return b.print(app.Stdout, report, err)
}

type benchConnectCmd struct {
	benchFlags
	Connections int     `short:"n" default:"10000" help:"Connections, each subscribes to a key of its own."`
	Rate        float64 `placeholder:"N" help:"Connections a second, each at its time. By default as fast as they can, 256 at a time."`
}

// Help is printed behind the description.
func (*benchConnectCmd) Help() string {
	return `CPU and latency are of accepting and subscribing together; with --rate latency counts from when a connection was due. At the end each connection gets one message, so that it is known that all were there.

    gopush bench connect --protocol tcp,ws --subject floor,gopush
    gopush bench connect -n 15000 --rate 5000
`
}

// Validate is called by kong.
func (b *benchConnectCmd) Validate() error {
	if err := checkRate(b.Rate, "connections"); err != nil {
		return err
	}
	return errors.Join(b.benchFlags.check(), atLeast("connections", b.Connections, 1))
}

// Run measures and prints.
func (b *benchConnectCmd) Run(ctx context.Context, app *kong.Kong) error {
	cfg, done, err := b.config(app)
	if err != nil {
		return err
	}
	report, err := bench.Connect(ctx, bench.ConnectConfig{Config: cfg, Connections: b.Connections, Rate: b.Rate})
	done()
	return b.print(app.Stdout, report, err)
}

type benchResumeCmd struct {
	benchFlags
	Connections int `short:"n" default:"15000" help:"Devices, each with a key of its own."`
	Backlog     int `short:"b" default:"10" help:"Messages that wait for each."`
	Size        int `default:"128" help:"Payload in bytes."`
}

// Help is printed behind the description.
func (*benchResumeCmd) Help() string {
	return `All devices see one message and leave; while they are away the backlog is pushed and stored. Then they come back at once, and everything counts until the last of them has all.

    gopush bench resume
    gopush bench resume -n 2000 --backlog 100 --protocol ws
`
}

// Validate is called by kong.
func (b *benchResumeCmd) Validate() error {
	return errors.Join(b.benchFlags.check(), atLeast("connections", b.Connections, 1),
		atLeast("backlog", b.Backlog, 1), atLeast("size", b.Size, bench.MinPayload))
}

// Run measures and prints.
func (b *benchResumeCmd) Run(ctx context.Context, app *kong.Kong) error {
	cfg, done, err := b.config(app)
	if err != nil {
		return err
	}
	report, err := bench.Resume(ctx, bench.ResumeConfig{
		Config: cfg, Connections: b.Connections, Backlog: b.Backlog, Size: b.Size,
	})
	done()
	return b.print(app.Stdout, report, err)
}

type benchWorkerCmd struct{}

// Run does what the process that started it says.
func (*benchWorkerCmd) Run(ctx context.Context, app *kong.Kong) error {
	return bench.Work(ctx, os.Stdin, app.Stdout)
}
