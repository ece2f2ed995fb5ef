package bench

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

const (
	// A node gives memory back within 10 s of a burst of connects (docs/design.md, "The
	// connection engine"); after that its memory is taken as it is.
	settleAtMost = 12 * time.Second
	settleChange = 64 << 10 // bytes that are no change

	defaultCalm = 5 * time.Second
)

// Idle measures what an idle connection costs a server in resident memory: the slope between the
// first and the last of the steps. At the end each connection gets one message, so that it is
// known that all were there. The report comes also with ErrFailed.
func Idle(ctx context.Context, cfg IdleConfig) (*IdleReport, error) {
	runs, err := inTurn(ctx, &cfg.Config, cfg.run)
	if err != nil {
		return nil, err
	}
	report := &IdleReport{Steps: cfg.Steps, Runs: runs}
	for _, run := range runs {
		report.Tally.add(run.Tally)
	}
	return report, report.Tally.Err()
}

func (cfg *IdleConfig) run(ctx context.Context, s subject, which string) (run IdleRun, err error) {
	t, err := cfg.trial(ctx, s, quiet(s, cfg.Steps[len(cfg.Steps)-1]))
	if err != nil {
		return run, err
	}
	defer t.end(ctx, &err)
	run.Subject = s.name()
	for _, n := range cfg.Steps {
		cfg.progress(fmt.Sprintf("%s: %d connections", which, n))
		if err := t.crowd.grow(ctx, n, 0); err != nil {
			return run, err
		}
		rss, err := cfg.settled(ctx, &t.server.Target)
		if err != nil {
			return run, err
		}
		run.RSS = append(run.RSS, rss)
	}
	run.PerConnection = slope(cfg.Steps, run.RSS)
	all, err := t.greetAll(ctx)
	run.Tally = all.tally
	return run, err
}

// slope is what one more connection costs, from the first step to the last.
func slope(steps []int, rss []int64) float64 {
	last := len(steps) - 1
	return float64(rss[last]-rss[0]) / float64(steps[last]-steps[0])
}

// settled returns the memory of a server when it has stopped changing.
func (cfg *IdleConfig) settled(ctx context.Context, server *Target) (rss int64, err error) {
	began := time.Now()
	changed, calm := began, cmp.Or(cfg.Calm, defaultCalm)
	look := time.NewTicker(min(calm, 250*time.Millisecond))
	defer look.Stop()
	for time.Since(changed) < calm && time.Since(began) < settleAtMost {
		now, err := server.rss()
		if err != nil {
			return 0, err
		}
		if max(now-rss, rss-now) > settleChange {
			rss, changed = now, time.Now()
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	return server.rss()
}
