package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"gopush/client"
)

// maxComplaints is how many refused lines are told one by one.
const maxComplaints = 20

// linePusher pushes each line of its input as a message, in order.
type linePusher struct {
	cmd        *pushCmd
	publisher  *client.Publisher
	progress   *progress
	complaints io.Writer // where refused lines are told
	failed     int       // lines that were refused
}

// push pushes lines until the input ends, ctx ends, or the node takes no more.
func (l *linePusher) push(ctx context.Context, in io.Reader) error {
	batches := make(chan batch)
	ended := make(chan error, 1)
	// Reading a terminal cannot be interrupted: if ctx ends first, this ends with the process.
	go func() { ended <- readBatches(ctx, newLineReader(in), batches) }()
	for {
		select {
		case b := <-batches:
			if err := l.pushBatch(ctx, b); err != nil {
				return err
			}
		case err := <-ended:
			return l.result(err)
		case <-ctx.Done():
			return fmt.Errorf("interrupted after line %d", l.progress.lines+l.failed)
		}
	}
}

// readBatches hands on batches until the input or ctx ends.
func readBatches(ctx context.Context, lines *lineReader, batches chan<- batch) error {
	for {
		b, err := lines.next()
		if len(b.lines) > 0 {
			select {
			case batches <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
	}
}

// result is the error for input that was read to its end, or to err.
func (l *linePusher) result(err error) error {
	if err == nil && l.failed > 0 {
		return fmt.Errorf("%s refused", count(l.failed, "line"))
	}
	return err
}

// pushBatch pushes b, in several calls if a line is refused: the node skips those after it.
func (l *linePusher) pushBatch(ctx context.Context, b batch) error {
	for len(b.lines) > 0 {
		results, err := l.publisher.PushAll(ctx, l.pushes(b))
		if err != nil {
			return fmt.Errorf("%s: %s: %w", b, outcome(err), err)
		}
		done, err := l.take(b, results)
		if err != nil {
			return err
		}
		l.progress.show()
		b = batch{b.first + done, b.lines[done:]}
	}
	return nil
}

func (l *linePusher) pushes(b batch) []client.Push {
	pushes := make([]client.Push, len(b.lines))
	for i, line := range b.lines {
		pushes[i] = client.Push{Key: l.cmd.Key, Payload: line, Expire: l.cmd.expire(), IdempotencyKey: l.cmd.idemKey(b.first + i)}
	}
	return pushes
}

// take counts the results of a call, up to the first line that was skipped. The error says
// that the node takes no more now.
func (l *linePusher) take(b batch, results []client.Result) (done int, err error) {
	for i, result := range results {
		refusal, refused := errors.AsType[*client.Error](result.Err)
		switch {
		case !refused:
			l.progress.add(len(b.lines[i]))
		case refusal.Code == client.CodeSkipped && i > 0:
			return i, nil
		case refusal.Code == client.CodeTooLarge:
			l.refuse(b.first+i, refusal)
		default:
			line := b.first + i
			return i, fmt.Errorf("line %d: %s: %w; tail -n +%d gives it and the lines after it, none of which was pushed",
				line, outcome(refusal), refusal, line)
		}
	}
	return len(results), nil
}

// refuse counts a line that the node does not take, and tells it.
func (l *linePusher) refuse(number int, reason error) {
	l.failed++
	l.progress.end()
	switch {
	case l.failed < maxComplaints:
		fmt.Fprintf(l.complaints, "gopush: line %d: %v\n", number, reason)
	case l.failed == maxComplaints:
		fmt.Fprintf(l.complaints, "gopush: line %d: %v; more of them are only counted\n", number, reason)
	}
}

// outcome says what became of pushes that were answered with err.
func outcome(err error) string {
	if refusal, ok := errors.AsType[*client.Error](err); ok && !refusal.Unknown() {
		return "not pushed"
	}
	if network, ok := errors.AsType[*net.OpError](err); ok && network.Op == "dial" {
		return "not pushed"
	}
	return "may or may not have been pushed"
}
