package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const (
	// A node gives memory back within 10 s of a burst of connects (docs/design.md, "The
	// connection engine"); after that its memory is taken as it is.
	settleAtMost = 12 * time.Second
	settleChange = 64 << 10 // bytes that are no change

	defaultCalm = 5 * time.Second
)

// Idle measures what an idle connection costs a node in resident memory: the slope between the
// first and the last of the steps. At the end each connection gets one message, so that it is
// known that all were there. The report comes also with ErrFailed.
func Idle(ctx context.Context, cfg IdleConfig) (*IdleReport, error) {
	report := &IdleReport{Steps: cfg.Steps}
	for i := range max(1, cfg.Runs) {
		for _, name := range cfg.Subjects {
			run, tally, err := cfg.run(ctx, name, i+1)
			if err != nil {
				return nil, err
			}
			report.Runs = append(report.Runs, run)
			report.Tally.add(tally)
		}
	}
	return report, report.Tally.Err()
}

func (cfg *IdleConfig) run(ctx context.Context, name string, number int) (run IdleRun, tally Tally, err error) {
	subject, err := cfg.subject(name)
	if err != nil {
		return run, tally, err
	}
	server, err := subject.start(ctx, needs{})
	if err != nil {
		return run, tally, err
	}
	defer server.stop()
	s, err := cfg.swarm(server.Public, subject.dialect(&server.Target), func(arrival, time.Time) {})
	if err != nil {
		return run, tally, err
	}
	defer s.close()
	run.Subject = name
	for _, n := range cfg.Steps {
		cfg.progress(fmt.Sprintf("idle, %s, run %d: %d connections", name, number, n))
		if err := s.grow(ctx, n, idleKey); err != nil {
			return run, tally, err
		}
		rss, err := cfg.settled(ctx, s, &server.Target)
		if err != nil {
			return run, tally, err
		}
		run.RSS = append(run.RSS, rss)
	}
	run.PerConnection = slope(cfg.Steps, run.RSS)
	p, err := newPublisher(server.Admin, subject.backend(&server.Target, 0))
	if err != nil {
		return run, tally, err
	}
	defer p.close()
	if err := pushToEach(p, len(s.subscribers)); err != nil {
		return run, tally, err
	}
	if err := s.until(ctx, func() bool { return s.tally.Received >= len(s.subscribers) }); err != nil && err != errStalled {
		return run, tally, err
	}
	return run, s.end(func(int) int64 { return 1 }), nil
}

func idleKey(i int) string { return "idle-" + strconv.Itoa(100_000+i) }

// slope is what one more connection costs, from the first step to the last.
func slope(steps []int, rss []int64) float64 {
	last := len(steps) - 1
	return float64(rss[last]-rss[0]) / float64(steps[last]-steps[0])
}

// settled returns the memory of a node when it has stopped changing.
func (cfg *IdleConfig) settled(ctx context.Context, s *swarm, node *Target) (rss int64, err error) {
	began := time.Now()
	changed, calm := began, cmp.Or(cfg.Calm, defaultCalm)
	for time.Since(changed) < calm && time.Since(began) < settleAtMost {
		now, err := node.rss()
		if err != nil {
			return 0, err
		}
		if max(now-rss, rss-now) > settleChange {
			rss, changed = now, time.Now()
		}
		if _, err := s.pump(250 * time.Millisecond); err != nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
	}
	return node.rss()
}

// pushToEach pushes one live-only message to each of the first n keys.
func pushToEach(p *publisher, n int) error {
	const pushesPerCall = 500
	pushes := make([]push, n)
	payload := appendPayload(nil, MinPayload, 1, 0)
	for i := range pushes {
		pushes[i] = push{idleKey(i), payload}
	}
	for some := range slices.Chunk(pushes, pushesPerCall) {
		if err := p.push(some); err != nil {
			return err
		}
	}
	return nil
}
