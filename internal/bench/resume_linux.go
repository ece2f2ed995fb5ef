package bench

import (
	"context"
	"errors"
	"fmt"
)

// Resume measures how devices get what they missed that come back all at once: each has seen one
// message, left, and has a backlog of stored ones. The report comes also with ErrFailed.
func Resume(ctx context.Context, cfg ResumeConfig) (*ResumeReport, error) {
	runs, err := inTurn(ctx, &cfg.Config, cfg.run)
	if err != nil {
		return nil, err
	}
	report := &ResumeReport{Connections: cfg.Connections, Backlog: cfg.Backlog, Size: cfg.Size, Runs: runs}
	for _, run := range runs {
		report.Tally.add(run.Tally)
	}
	return report, report.Tally.Err()
}

func (cfg *ResumeConfig) run(ctx context.Context, s subject, which string) (run ResumeRun, err error) {
	const hour = 3600
	l := quiet(s, cfg.Connections)
	l.size, l.expire, l.stored = cfg.Size, hour, cfg.Backlog+2
	t, err := cfg.trial(ctx, s, l)
	if err != nil {
		return run, err
	}
	defer t.end(ctx, &err)
	t.crowd.progress = func(r report) {
		cfg.progress(fmt.Sprintf("%s: %d of %d devices, %d messages", which, r.Subscribed, cfg.Connections, r.Arrived))
	}
	if err := cfg.miss(ctx, t); err != nil {
		return run, err
	}
	if run, err = cfg.measure(ctx, t); err != nil && !errors.Is(err, errStalled) {
		return run, err
	}
	all, err := t.greetAll(ctx)
	run.Tally = all.tally
	return run, err
}

// miss lets all devices see one message, leave, and miss the backlog.
func (cfg *ResumeConfig) miss(ctx context.Context, t *trial) error {
	if err := t.crowd.grow(ctx, cfg.Connections, 0); err != nil {
		return err
	}
	if err := t.publish(ctx, schedule{messages: cfg.Connections}); err != nil {
		return fmt.Errorf("the first messages: %w", err)
	}
	if err := t.crowd.do(ctx, order{Do: leave}); err != nil {
		return err
	}
	if err := t.pushOnly(ctx, schedule{messages: cfg.Connections * cfg.Backlog}); err != nil {
		return fmt.Errorf("push the backlog: %w", err)
	}
	return t.crowd.do(ctx, order{Do: tare})
}

// measure lets all come back. It ends with errStalled if they do not get all.
func (cfg *ResumeConfig) measure(ctx context.Context, t *trial) (run ResumeRun, err error) {
	messages := cfg.Connections * cfg.Backlog
	before, _ := t.crowd.standing()
	m, err := newMeter(t.server)
	if err != nil {
		return run, err
	}
	if err := t.crowd.do(ctx, order{Do: comeBack}); err != nil {
		return run, err
	}
	stalled := t.crowd.until(ctx, func(total report) bool { return total.Through >= before.Through+messages })
	cost, err := m.read()
	if err != nil {
		return run, err
	}
	all, err := t.crowd.end(ctx, nil)
	devices := float64(cfg.Connections)
	return ResumeRun{
		Subject:           t.subject.name(),
		Seconds:           cost.Seconds,
		CPUPerDevice:      cost.CPU / devices,
		CPUPerMessage:     cost.CPU / float64(messages),
		MessagesPerSecond: float64(messages) / cost.Seconds,
		Subscribed:        latencyOf(all.subscribed),
		Resumed:           latencyOf(all.resumed),
		Cost:              cost,
	}, errors.Join(stalled, err)
}
