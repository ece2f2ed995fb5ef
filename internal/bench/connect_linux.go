package bench

import (
	"context"
	"errors"
	"fmt"
)

// Connect measures what a new connection that subscribes costs a server. At the end each gets a
// message, so that it is known that all were there. The report comes also with ErrFailed.
func Connect(ctx context.Context, cfg ConnectConfig) (*ConnectReport, error) {
	report := &ConnectReport{Connections: cfg.Connections, Rate: cfg.Rate}
	err := cfg.each(ctx, func(ctx context.Context, subject subject, line string) error {
		run, tally, err := cfg.run(ctx, subject, line)
		report.Runs = append(report.Runs, run)
		report.Tally.add(tally)
		return err
	})
	if err != nil {
		return nil, err
	}
	return report, report.Tally.Err()
}

func (cfg *ConnectConfig) run(ctx context.Context, subject subject, line string) (run ConnectRun, tally Tally, err error) {
	t, err := cfg.trial(ctx, subject, quiet(subject, cfg.Connections))
	if err != nil {
		return run, tally, err
	}
	defer t.close()
	t.crowd.progress = func(r report) {
		cfg.progress(fmt.Sprintf("%s: %d of %d connections", line, r.Subscribed, cfg.Connections))
	}
	m, err := newMeter(&t.server.Target)
	if err != nil {
		return run, tally, err
	}
	if err := t.crowd.grow(ctx, cfg.Connections, cfg.Rate); err != nil {
		return run, tally, err
	}
	cost, err := m.read()
	if err != nil {
		return run, tally, err
	}
	all, err := t.greetAll(ctx)
	n := float64(cfg.Connections)
	return ConnectRun{
		Subject:              subject.name(),
		CPUPerConnection:     cost.CPU / n,
		ConnectionsPerSecond: n / cost.Seconds,
		Latency:              latencyOf(all.subscribed),
		Cost:                 cost,
	}, all.tally, err
}

// quiet is the layout of connections to which next to nothing is pushed, with a key each, or with
// one key for all where the subject knows no keys.
func quiet(s subject, connections int) layout {
	const most = 500 // messages in a call
	l := layout{connections: connections, shared: keyless(s), keys: connections, publishers: 1, size: MinPayload}
	if l.shared {
		l.keys = 1
	}
	l.batch = min(most, l.keys)
	return l
}

// greetAll pushes one message to each connection, so that it is known which are there, and returns
// what all have counted.
func (t *trial) greetAll(ctx context.Context) (outcome, error) {
	err := t.publish(ctx, schedule{messages: len(t.sent)})
	if err != nil && !errors.Is(err, errStalled) {
		return outcome{}, err
	}
	return t.crowd.end(ctx, t.sent)
}
