package bench

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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
		for _, p := range cfg.Protocols {
			run, tally, err := cfg.run(ctx, p, i+1)
			if err != nil {
				return nil, err
			}
			report.Runs = append(report.Runs, run)
			report.Tally.add(tally)
		}
	}
	return report, report.Tally.Err()
}

func (cfg *IdleConfig) run(ctx context.Context, p Protocol, number int) (run IdleRun, tally Tally, err error) {
	node, err := cfg.node(ctx)
	if err != nil {
		return run, tally, err
	}
	defer node.stop()
	s, err := cfg.swarm(node.Public, p, func(arrival, time.Time) {})
	if err != nil {
		return run, tally, err
	}
	defer s.close()
	run.Protocol = p
	for _, n := range cfg.Steps {
		cfg.progress(fmt.Sprintf("idle, %s, run %d: %d connections", p, number, n))
		if err := s.grow(ctx, n, idleKey); err != nil {
			return run, tally, err
		}
		rss, err := cfg.settled(ctx, s, &node.Target)
		if err != nil {
			return run, tally, err
		}
		run.RSS = append(run.RSS, rss)
	}
	run.PerConnection = slope(cfg.Steps, run.RSS)
	if err := pushToEach(node.Admin, len(s.subscribers)); err != nil {
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
func pushToEach(admin string, n int) error {
	const keysPerCall = 500
	keys := make([]string, n)
	for i := range keys {
		keys[i] = idleKey(i)
	}
	for some := range slices.Chunk(keys, keysPerCall) {
		if err := pushBatch(admin, some, appendPayload(nil, MinPayload, 1, 0)); err != nil {
			return err
		}
	}
	return nil
}

// pushBatch pushes one live-only message to all keys in one call.
func pushBatch(admin string, keys []string, payload json.RawMessage) error {
	body, err := json.Marshal(map[string]any{
		"messages": []any{map[string]any{"keys": keys, "payload": payload, "expire": 0}},
	})
	if err != nil {
		return err
	}
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	resp, err := client.Post("http://"+admin+"/v1/push", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("push to %d keys: %s", len(keys), resp.Status)
	}
	return nil
}
