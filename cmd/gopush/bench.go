package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"gopush/internal/bench"
)

type benchCmd struct {
	Idle      benchIdleCmd      `cmd:"" help:"Memory of a node for each idle subscribed connection."`
	Broadcast benchBroadcastCmd `cmd:"" help:"CPU of a node for each delivery of messages to one key."`
	Push      benchPushCmd      `cmd:"" help:"Pushes a second from many publishers, live only and stored."`
}

// Help is printed behind the description.
func (*benchCmd) Help() string {
	return `Starts a node of its own in a temporary directory (TMPDIR says where) for each run, with the settings that GOPUSH_ variables give it, or measures one that runs already on this machine. Every message is counted where it had to come: it ends with 0 only if nothing was lost, doubled or out of order and no connection was closed. Published figures and how to read them: docs/benchmarks.md.

    gopush bench idle --protocol tcp,ws
    gopush bench broadcast --connections 10000 --floor bin/floor
    gopush bench push --publishers 64
    gopush bench idle --server 127.0.0.1:6969 --admin 127.0.0.1:6970 --ops 127.0.0.1:6971 --pid $(pidof gopush)
`
}

// benchFlags are those that every measurement has.
type benchFlags struct {
	Server string `placeholder:"HOST:PORT" help:"Public address of a node that runs already, instead of one of its own; needs --admin, --ops and --pid too."`
	Admin  string `placeholder:"HOST:PORT" help:"Admin address of that node."`
	Ops    string `placeholder:"HOST:PORT" help:"Ops address of that node."`
	PID    int    `name:"pid" placeholder:"PID" help:"Process id of that node."`
	Runs   int    `default:"3" help:"How often all is repeated; the table has medians."`
	JSON   bool   `name:"json" help:"Print the figures of every run as JSON instead of a table."`
}

// check judges the flags; kong calls only the Validate of a command itself.
func (f *benchFlags) check() error {
	given := []bool{f.Server != "", f.Admin != "", f.Ops != "", f.PID > 0}
	if slices.Contains(given, true) && slices.Contains(given, false) {
		return errors.New("a node that runs already is named by --server, --admin, --ops and --pid together")
	}
	return atLeast("runs", f.Runs, 1)
}

// atLeast checks the value of a flag.
func atLeast(flag string, value, least int) error {
	if value < least {
		return fmt.Errorf("--%s=%d: want at least %d", flag, value, least)
	}
	return nil
}

// config is what the flags come to. done removes the line of progress.
func (f *benchFlags) config(app *kong.Kong) (c bench.Config, done func(), err error) {
	c = bench.Config{Runs: f.Runs}
	done = func() {}
	if f.Server != "" {
		c.Target = &bench.Target{Public: f.Server, Admin: f.Admin, Ops: f.Ops, PID: f.PID}
	} else if c.Binary, err = os.Executable(); err != nil {
		return c, done, err
	}
	if out, ok := app.Stderr.(*os.File); ok && isTerminal(out) {
		c.Progress = func(what string) { fmt.Fprintf(out, "\r%s\x1b[K", what) }
		done = func() { fmt.Fprint(out, "\r\x1b[K") }
	}
	return c, done, nil
}

// benchReport is what all measurements return.
type benchReport interface{ WriteTable(io.Writer) error }

// print writes the report of a measurement that came to its end, whatever its result was.
func (f *benchFlags) print(w io.Writer, r benchReport, err error) error {
	if err != nil && !errors.Is(err, bench.ErrFailed) {
		return fmt.Errorf("bench: %w", err)
	}
	if !f.JSON {
		return errors.Join(r.WriteTable(w), err)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return errors.Join(out.Encode(r), err)
}

type benchIdleCmd struct {
	benchFlags
	Protocol []bench.Protocol `default:"tcp,ws" enum:"tcp,ws" help:"What subscribers speak: tcp, ws, or both in turn."`
	Steps    []int            `default:"2000,6000,10000,14000,18000" help:"Numbers of connections at which memory is read; the result is the slope between the first and the last."`
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
	for _, p := range b.Protocol {
		cfg.Subjects = append(cfg.Subjects, "gopush "+string(p))
	}
	report, err := bench.Idle(ctx, bench.IdleConfig{Config: cfg, Steps: b.Steps})
	done()
	return b.print(app.Stdout, report, err)
}

// benchMessage is what the messages of a measurement are like.
type benchMessage struct {
	Protocol bench.Protocol `default:"tcp" enum:"tcp,ws" help:"What subscribers speak: tcp or ws."`
	Size     int            `default:"128" help:"Payload in bytes."`
}

// check judges the flags.
func (m *benchMessage) check() error { return atLeast("size", m.Size, bench.MinPayload) }

type benchBroadcastCmd struct {
	benchFlags
	benchMessage
	Connections int    `short:"n" default:"10000" help:"Connections, all subscribed to one key."`
	Messages    int    `short:"m" default:"50" help:"Messages of each run."`
	Window      int    `default:"1" help:"Messages on their way at a time; 1: the next is pushed when the last has come everywhere."`
	Floor       string `type:"existingfile" placeholder:"FILE" help:"Program made of bench/floor.c, to be measured in turn with the node."`
}

// Validate is called by kong.
func (b *benchBroadcastCmd) Validate() error {
	return errors.Join(b.benchFlags.check(), b.benchMessage.check(),
		atLeast("connections", b.Connections, 1), atLeast("messages", b.Messages, 1), atLeast("window", b.Window, 1),
	)
}

// Run measures and prints.
func (b *benchBroadcastCmd) Run(ctx context.Context, app *kong.Kong) error {
	cfg, done, err := b.config(app)
	if err != nil {
		return err
	}
	if cfg.Floor = b.Floor; b.Floor != "" {
		cfg.Subjects = append(cfg.Subjects, "floor")
	}
	cfg.Subjects = append(cfg.Subjects, "gopush "+string(b.Protocol))
	report, err := bench.Broadcast(ctx, bench.BroadcastConfig{
		Config: cfg, Connections: b.Connections, Messages: b.Messages,
		Size: b.Size, Window: b.Window,
	})
	done()
	return b.print(app.Stdout, report, err)
}

type benchPushCmd struct {
	benchFlags
	benchMessage
	Publishers int `short:"p" default:"64" help:"Publishers at a time, each with a connection, a key and a subscriber of its own."`
	Messages   int `short:"m" default:"500" help:"Messages of each publisher, each pushed when the one before was acknowledged."`
	Expire     int `default:"3600" help:"Seconds that stored messages are kept."`
}

// Validate is called by kong.
func (b *benchPushCmd) Validate() error {
	return errors.Join(b.benchFlags.check(), b.benchMessage.check(),
		atLeast("publishers", b.Publishers, 1), atLeast("messages", b.Messages, 1), atLeast("expire", b.Expire, 1),
	)
}

// Run measures and prints.
func (b *benchPushCmd) Run(ctx context.Context, app *kong.Kong) error {
	cfg, done, err := b.config(app)
	if err != nil {
		return err
	}
	cfg.Subjects = []string{"gopush " + string(b.Protocol)}
	report, err := bench.Push(ctx, bench.PushConfig{
		Config: cfg, Publishers: b.Publishers, Messages: b.Messages,
		Size: b.Size, Expire: b.Expire,
	})
	done()
	return b.print(app.Stdout, report, err)
}
