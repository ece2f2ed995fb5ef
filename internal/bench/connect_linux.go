package bench

import (
	"context"
	"errors"
	"fmt"
)

// Connect measures what a new connection that subscribes costs a server. At the end each gets a
// message, so that it is known that all were there. The report comes also with ErrFailed.
func Connect(ctx context.Context, cfg ConnectConfig) (*ConnectReport, error) {
	runs, err := inTurn(ctx, &cfg.Config, cfg.run)
	if err != nil {
		return nil, err
	}
	report := &ConnectReport{Connections: cfg.Connections, Rate: cfg.Rate, Runs: runs}
	for _, run := range runs {
		report.Tally.add(run.Tally)
	}
	return report, report.Tally.Err()
}

func (cfg *ConnectConfig) run(ctx context.Context, s subject, which string) (run ConnectRun, err error) {
	t, err := cfg.trial(ctx, s, quiet(s, cfg.Connections))
	if err != nil {
		return run, err
	}
	defer t.end(ctx, &err)
	t.crowd.progress = func(r report) {
		cfg.progress(fmt.Sprintf("%s: %d of %d connections", which, r.Subscribed, cfg.Connections))
	}
	m, err := newMeter(t.server)
	if err != nil {
		return run, err
	}
	if err := t.crowd.grow(ctx, cfg.Connections, cfg.Rate); err != nil {
		return run, err
	}
	cost, err := m.read()
	if err != nil {
		return run, err
	}
	all, err := t.greetAll(ctx)
	n := float64(cfg.Connections)
	return ConnectRun{
		Subject:              s.name(),
		CPUPerConnection:     cost.CPU / n,
		ConnectionsPerSecond: n / cost.Seconds,
		Latency:              latencyOf(all.subscribed),
		Cost:                 cost,
		Tally:                all.tally,
	}, err
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
