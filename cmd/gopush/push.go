package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"gopush/client"
	"gopush/internal/config"
)

type pushCmd struct {
	Key     string           `arg:"" help:"Key to push to."`
	Message *string          `arg:"" optional:"" help:"Message to push. Without it, or if it is -, each line of standard input is one."`
	Expire  *config.Duration `placeholder:"TIME" help:"How long a message is kept for devices that are away, as 90s, 12h or 7d; 0: not at all, it reaches those connected now. Without it: what the node has as default_expire."`
	Idem    string           `name:"idempotency-key" placeholder:"KEY" help:"What the node knows the push by: run again with the same KEY it is stored once, see idempotency_window. Line N of standard input has KEY#N. Not with --expire 0."`
	Retry   config.Duration  `default:"0s" placeholder:"TIME" help:"How long a push that fails is tried again before this gives up, as 30s; it is stored once all the same (${default})."`
	Addr    string           `default:"127.0.0.1:6970" placeholder:"ADDR" help:"Admin listener of a node: HOST:PORT, http://HOST:PORT or https://HOST:PORT (${default}); several of a cluster with commas between them."`
	APIKey  string           `env:"GOPUSH_API_KEY" placeholder:"SECRET" help:"API key, where the listener asks for one. Others can see a flag in the list of processes; the environment hides it"`

	TLS tlsFlags `embed:""`
}

// Help is printed behind the description.
func (*pushCmd) Help() string {
	return `A message is answered when the node has it on disk. Lines of standard input are pushed in order, many in one call. A line that the node refuses is told by its number, and the others go on; when the node cannot take more now, pushing ends there. It ends with 1 unless all were pushed. Nothing is tried again without --retry; with --idempotency-key the same command may be, as often as it takes.

    gopush push alice 'hello'
    gopush push alice '{"text":"hello"}' --expire 1h
    tail -f app.log | gopush push logs --expire 0
`
}

// Run pushes the message, or the lines of standard input.
func (p *pushCmd) Run(ctx context.Context, app *kong.Kong) error {
	secured, err := p.TLS.config()
	if err != nil {
		return err
	}
	publisher, err := client.NewPublisher(client.PublisherConfig{Addr: p.url(), APIKey: p.APIKey, RetryFor: p.retryFor(), TLS: secured})
	if err != nil {
		return err
	}
	if p.Message != nil && *p.Message != "-" {
		return advise(p.pushOne(ctx, publisher, app.Stdout))
	}
	if isTerminal(os.Stdin) {
		fmt.Fprintln(app.Stderr, "gopush: each line that you type is pushed; Ctrl-D ends")
	}
	lines := &linePusher{cmd: p, publisher: publisher, progress: newProgress(app.Stderr), complaints: app.Stderr}
	err = lines.push(ctx, os.Stdin)
	lines.progress.end()
	fmt.Fprintln(app.Stdout, lines.progress.summary(lines.failed))
	return advise(err)
}

// pushOne pushes the message of the command line.
func (p *pushCmd) pushOne(ctx context.Context, publisher *client.Publisher, out io.Writer) error {
	receipt, err := publisher.Push(ctx, p.Key, []byte(*p.Message), client.Expire(p.expire()), client.IdempotencyKey(p.Idem))
	if err != nil {
		return err
	}
	stored := "not stored"
	switch {
	case receipt.Duplicate:
		stored = "stored before"
	case receipt.Stored:
		stored = "stored"
	}
	_, err = fmt.Fprintf(out, "%s %s, sent to %s\n", receipt.ID, stored, count(receipt.Subscribers, "subscriber"))
	return err
}

func (p *pushCmd) url() string {
	addrs := strings.Split(p.Addr, ",")
	for i, addr := range addrs {
		if !strings.Contains(addr, "://") {
			addrs[i] = "http://" + strings.TrimSpace(addr)
		}
	}
	return strings.Join(addrs, ",")
}

// retryFor is the time of retrying as the client package has it.
func (p *pushCmd) retryFor() time.Duration {
	if p.Retry == 0 {
		return -1
	}
	return time.Duration(p.Retry)
}

// idemKey returns the idempotency key of a line; "": none that was asked for.
func (p *pushCmd) idemKey(line int) string {
	if p.Idem == "" {
		return ""
	}
	return fmt.Sprintf("%s#%d", p.Idem, line)
}

// expire is the expiry as the client package has it.
func (p *pushCmd) expire() time.Duration {
	switch {
	case p.Expire == nil:
		return 0
	case *p.Expire == 0:
		return client.LiveOnly
	}
	return time.Duration(*p.Expire)
}

// advise adds what to do to an error that a person meets first.
func advise(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w; start a node with gopush serve, or name one with --addr", err)
	}
	return err
}
