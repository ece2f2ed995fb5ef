package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/alecthomas/kong"

	"gopush/internal/bench"
)

// benchLoad are the flags of measurements that push.
type benchLoad struct {
	Messages int `short:"m" placeholder:"N" help:"Messages of each run. By default as many as take some seconds."`
	Size     int `default:"128" help:"Payload in bytes."`
	Batch    int `default:"1" help:"Messages that a publisher writes in one call."`
}

// check judges the flags.
func (l *benchLoad) check() error {
	return errors.Join(atLeast("messages", l.Messages, 0), atLeast("size", l.Size, bench.MinPayload), atLeast("batch", l.Batch, 1))
}

// fill puts the flags into c. messages is what is pushed if nobody said how much.
func (l *benchLoad) fill(c *bench.LoadConfig, messages int) {
	c.Messages, c.Size, c.Batch = l.Messages, l.Size, l.Batch
	if c.Messages == 0 {
		c.Messages = messages
	}
}

// measure measures a load and prints what came of it.
func (f *benchFlags) measure(ctx context.Context, app *kong.Kong, done func(), c bench.LoadConfig) error {
	report, err := bench.Load(ctx, c)
	done()
	return f.print(app.Stdout, report, err)
}

type benchBroadcastCmd struct {
	benchFlags
	benchLoad
	Connections int     `short:"n" default:"10000" help:"Connections, all subscribed to one key."`
	Pipelined   bool    `help:"The publisher writes on before it is answered, all that the window has room for in one write."`
	Window      int     `default:"1" help:"Messages on their way at a time; 1: the next is pushed when the last has come everywhere."`
	Rate        float64 `placeholder:"N" help:"Messages a second, each at its time, instead of a window."`
	Stalled     int     `placeholder:"N" help:"So many of the connections stop reading before it begins; each run is measured without any, and with them."`
}

// Help is printed behind the description.
func (*benchBroadcastCmd) Help() string {
	return `One publisher pushes to one key on which all connections are. With a window above 1, or several messages in a write (--batch), a server can join what goes to a connection: messages/read shows it.

    gopush bench broadcast --subject floor,gopush --runs 5
    gopush bench broadcast -n 2000 -m 400 --window 8
    gopush bench broadcast -n 2000 -m 3200 --window 128 --batch 16
    gopush bench broadcast -n 2000 -m 500 --rate 50
    gopush bench broadcast -n 10000 -m 400 --rate 20 --stalled 100
`
}

// Validate is called by kong.
func (b *benchBroadcastCmd) Validate() error {
	if b.Stalled >= b.Connections {
		return fmt.Errorf("--stalled=%d: want fewer than the %d connections", b.Stalled, b.Connections)
	}
	return errors.Join(b.benchFlags.check(), b.benchLoad.check(), atLeast("connections", b.Connections, 1), atLeast("stalled", b.Stalled, 0), checkPace(b.Window, b.Rate, b.Batch))
}

// Run measures and prints.
func (b *benchBroadcastCmd) Run(ctx context.Context, app *kong.Kong) error {
	cfg, done, err := b.config(app)
	if err != nil {
		return err
	}
	c := bench.LoadConfig{
		Config: cfg, Shared: true, Connections: b.Connections, Publishers: 1, Pipelined: b.Pipelined, Window: b.Window, Rate: b.Rate, Stalled: b.Stalled,
	}
	const deliveries = 500_000
	b.fill(&c, max(20, deliveries/b.Connections)*b.Batch)
	if c.Rate > 0 {
		c.Window = 0
	}
	return b.measure(ctx, app, done, c)
}

// checkRate judges how many of what are to come a second; 0: it is not said.
func checkRate(rate float64, what string) error {
	if rate >= 0 && !math.IsInf(rate, 0) {
		return nil
	}
	return fmt.Errorf("--rate=%g: want %s a second", rate, what)
}

// checkPace judges the window, or the rate that is given instead.
func checkPace(window int, rate float64, batch int) error {
	if err := checkRate(rate, "messages"); err != nil {
		return err
	}
	if rate == 0 && window < batch {
		return fmt.Errorf("--window=%d: want room for a batch, at least %d", window, batch)
	}
	return nil
}

type benchUnicastCmd struct {
	benchFlags
	benchLoad
	Connections int     `short:"n" default:"2000" help:"Connections, each subscribed to a key of its own."`
	Publishers  int     `short:"p" default:"4" help:"Publishers at a time, each with a kept-alive connection and keys of its own."`
	Pipelined   bool    `help:"Publishers write on before they are answered, all that the window has room for in one write."`
	Random      bool    `help:"Push to the keys at random, not in turn."`
	Expire      int     `placeholder:"SECONDS" help:"Messages are stored for so long, answered when they are on disk, and read back at the end. By default they are live only."`
	Window      int     `default:"64" help:"Messages on their way at a time."`
	Rate        float64 `placeholder:"N" help:"Messages a second, each at its time, instead of a window."`
}

// Help is printed behind the description.
func (*benchUnicastCmd) Help() string {
	return `Publishers push to keys of which each has one subscriber; CPU is of push and delivery together. A publisher that is not pipelined pushes when its last push was answered.

    gopush bench unicast
    gopush bench unicast --publishers 1 --pipelined --window 256
    gopush bench unicast --rate 10000 --random
    gopush bench unicast -n 64 -p 64 --expire 3600
`
}

// Validate is called by kong.
func (b *benchUnicastCmd) Validate() error {
	if b.Publishers > b.Connections {
		return fmt.Errorf("--publishers=%d: want at most one for each of the %d keys", b.Publishers, b.Connections)
	}
	return errors.Join(b.benchFlags.check(), b.benchLoad.check(), atLeast("connections", b.Connections, 1), atLeast("publishers", b.Publishers, 1),
		atLeast("expire", b.Expire, 0), checkPace(b.Window, b.Rate, b.Batch))
}

// Run measures and prints.
func (b *benchUnicastCmd) Run(ctx context.Context, app *kong.Kong) error {
	cfg, done, err := b.config(app)
	if err != nil {
		return err
	}
	c := bench.LoadConfig{
		Config: cfg, Connections: b.Connections, Publishers: b.Publishers, Pipelined: b.Pipelined,
		Random: b.Random, Expire: b.Expire, Window: b.Window, Rate: b.Rate,
	}
	const messages = 60_000
	b.fill(&c, messages)
	if c.Rate > 0 {
		c.Window = 0
	}
	return b.measure(ctx, app, done, c)
}

type benchMixedCmd struct {
	benchFlags
	benchLoad
	Connections int           `short:"n" default:"2000" help:"Connections, each subscribed to a key of its own."`
	Publishers  int           `short:"p" default:"16" help:"Publishers at a time, each with a kept-alive connection and keys of its own."`
	Expire      int           `default:"3600" help:"Seconds that messages are stored."`
	Rate        float64       `default:"2000" help:"Messages a second, each at its time."`
	Churn       float64       `default:"200" help:"Connections a second that leave."`
	Away        time.Duration `default:"500ms" help:"How long each is away; then it resumes after what it saw last."`
}

// Help is printed behind the description.
func (*benchMixedCmd) Help() string {
	return `A steady load of stored messages while connections leave and come back. Each must get everything once and in order, what was pushed while it was away included. "delivery" is the latency of messages to connections that were there, "missed" the time from when a connection was due to come back until it had a message that it had missed.

    gopush bench mixed
    gopush bench mixed --rate 1000 --churn 1000 --away 100ms --protocol ws
`
}

// Validate is called by kong.
func (b *benchMixedCmd) Validate() error {
	if b.Publishers > b.Connections {
		return fmt.Errorf("--publishers=%d: want at most one for each of the %d keys", b.Publishers, b.Connections)
	}
	if b.Rate <= 0 || b.Churn <= 0 || b.Away < 0 {
		return fmt.Errorf("--rate=%g --churn=%g --away=%s: want more than nothing a second", b.Rate, b.Churn, b.Away)
	}
	return errors.Join(b.benchFlags.check(), b.benchLoad.check(), atLeast("connections", b.Connections, 1), atLeast("publishers", b.Publishers, 1),
		atLeast("expire", b.Expire, 1))
}

// Run measures and prints.
func (b *benchMixedCmd) Run(ctx context.Context, app *kong.Kong) error {
	cfg, done, err := b.config(app)
	if err != nil {
		return err
	}
	c := bench.LoadConfig{
		Config: cfg, Connections: b.Connections, Publishers: b.Publishers, Expire: b.Expire,
		Rate: b.Rate, Churn: b.Churn, Away: b.Away,
	}
	const seconds = 10
	b.fill(&c, int(seconds*b.Rate))
	return b.measure(ctx, app, done, c)
}
