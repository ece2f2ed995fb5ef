package bench

import (
	"context"
	"errors"
	"fmt"
)

// Load measures what messages cost a server: a broadcast to all connections or messages to keys
// of which each has one, as fast as a window allows or at a rate, while all stay or while some
// leave and resume. Each subject is measured in turn. What was stored is read back at the end of
// a run. The report comes also with ErrFailed.
func Load(ctx context.Context, cfg LoadConfig) (*LoadReport, error) {
	measure := func(ctx context.Context) ([]LoadRun, error) { return inTurn(ctx, &cfg.Config, cfg.run) }
	if cfg.Stalled > 0 {
		measure = cfg.besideStalled
	}
	runs, err := measure(ctx)
	if err != nil {
		return nil, err
	}
	report := cfg.report(runs)
	return report, errors.Join(report.Tally.Err(), report.ReadBack.Err())
}

func (cfg *LoadConfig) run(ctx context.Context, s subject, which string) (run LoadRun, err error) {
	t, err := cfg.trial(ctx, s, cfg.layout())
	if err != nil {
		return run, err
	}
	defer t.end(ctx, &err)
	if cfg.Stalled > 0 {
		wakeUp, err := t.stall(ctx, cfg.Stalled)
		if err != nil {
			return run, err
		}
		defer wakeUp()
	}
	t.crowd.progress = func(r report) { cfg.progress(cfg.line(which, r)) }
	if err := t.crowd.grow(ctx, cfg.Connections, 0); err != nil {
		return run, err
	}
	l := load{cfg: cfg, trial: t}
	run, err = l.measure(ctx)
	if cfg.Stalled > 0 {
		run.Subject += fmt.Sprintf(" beside %d stalled", cfg.Stalled)
	}
	if err != nil || cfg.Expire == 0 {
		return run, err
	}
	run.ReadBack, err = l.readBack(ctx)
	return run, err
}

func (cfg *LoadConfig) layout() layout {
	l := layout{
		connections: cfg.Connections, shared: cfg.Shared, keys: cfg.keys(),
		publishers: cfg.Publishers, pipelined: cfg.Pipelined, random: cfg.Random,
		batch: cfg.Batch, size: cfg.Size, expire: cfg.Expire,
	}
	if cfg.Expire > 0 {
		l.stored = cfg.all() // if they were all of one key, none is trimmed
	}
	return l
}

// all is how many messages are pushed in a run: those that are measured, others before them, and
// at the end one to each key.
func (cfg *LoadConfig) all() int { return cfg.warmUp() + cfg.Messages + cfg.keys() }

// warmUp is how many messages go before those that are measured: they make what is made once for
// each key, connection and publisher.
func (cfg *LoadConfig) warmUp() int { return max(cfg.keys(), 3*cfg.Batch) }

// line is the line of progress.
func (cfg *LoadConfig) line(what string, r report) string {
	whole := cfg.all()
	if cfg.Shared {
		whole *= cfg.Connections
	}
	if r.Arrived == 0 {
		return fmt.Sprintf("%s: %d of %d connections", what, r.Subscribed, cfg.Connections)
	}
	return fmt.Sprintf("%s: %d of %d deliveries (%d %%)", what, r.Arrived, whole, 100*r.Arrived/whole)
}

// load is one run of Load.
type load struct {
	cfg *LoadConfig
	*trial
}

// measure warms up, measures, and counts what came. That it stalled is part of the result: what
// is lost is counted.
func (l *load) measure(ctx context.Context) (run LoadRun, err error) {
	if err := l.publish(ctx, schedule{messages: l.cfg.warmUp(), window: l.cfg.Window}); err != nil {
		return run, fmt.Errorf("the first messages: %w", err)
	}
	if err := l.tare(ctx); err != nil {
		return run, err
	}
	before, _ := l.crowd.standing()
	m, err := newMeter(l.server)
	if err != nil {
		return run, err
	}
	stalled := l.publish(ctx, schedule{messages: l.cfg.Messages, window: l.cfg.Window, rate: l.cfg.Rate})
	if stalled != nil && !errors.Is(stalled, errStalled) {
		return run, stalled
	}
	costs, err := m.readEach()
	if err != nil {
		return run, err
	}
	all, err := l.crowd.end(ctx, nil)
	if err != nil {
		return run, err
	}
	after, _ := l.crowd.standing()
	run = l.result(costs, all, after.Arrived-before.Arrived)
	run.Tally, err = l.finish(ctx, stalled)
	return run, err
}

// tare begins the measurement.
func (l *load) tare(ctx context.Context) error {
	if err := l.crowd.do(ctx, order{Do: tare}); err != nil {
		return err
	}
	for _, p := range l.pushers {
		p.conn.answered.Reset()
	}
	if l.cfg.Churn == 0 {
		return nil
	}
	return l.crowd.do(ctx, order{Do: churn, Rate: l.cfg.Churn, Away: l.cfg.Away})
}

// finish counts what came to whom. All connections get a last message first, behind which nothing
// can be on its way. stalled is the error of the measurement, if it stalled: then it is known
// already that something is missing.
func (l *load) finish(ctx context.Context, stalled error) (Tally, error) {
	if l.cfg.Churn > 0 {
		for _, o := range []order{{Do: churn}, {Do: comeBack}} {
			if err := l.crowd.do(ctx, o); err != nil {
				return Tally{}, err
			}
		}
	}
	if stalled == nil {
		stalled = l.publish(ctx, schedule{messages: l.cfg.keys(), window: l.cfg.Window})
	}
	all, err := l.crowd.end(ctx, l.sent)
	if err == nil && all.tally.Err() == nil {
		err = stalled
	}
	return all.tally, err
}

// result is what a run comes to whose processes used costs, the owner of all keys first.
func (l *load) result(costs []Cost, all outcome, deliveries int) LoadRun {
	messages, n, cost := float64(l.cfg.Messages), float64(deliveries), Cost{}
	for _, c := range costs {
		cost.add(c)
	}
	run := LoadRun{
		Subject:           l.subject.name(),
		CPUPerDelivery:    per(cost.CPU, n),
		MessagesPerSecond: messages / cost.Seconds,
		Deliveries:        deliveries,
		DeliveriesPerSec:  n / cost.Seconds,
		MessagesPerRead:   per(n, float64(all.reads)),
		BytesPerMessage:   per(float64(all.bytes), n),
		Returned:          int(all.subscribed.TotalCount()),
		Cost:              cost,
		Latency:           latencyOf(all.latency),
		Resumed:           latencyOf(all.resumed),
		Answered:          latencyOf(l.answered()),
	}
	run.spread(costs)
	return run
}

// spread notes what each node of a cluster used, of which each has as many subscribers.
func (r *LoadRun) spread(costs []Cost) {
	if len(costs) == 1 {
		return
	}
	each := float64(r.Deliveries) / float64(len(costs))
	for i, c := range costs {
		r.NodeRSS = max(r.NodeRSS, c.RSS)
		if i == 0 {
			r.OwnerCPU = per(c.CPU, each)
		} else {
			r.RelayCPU += per(c.CPU, each) / float64(len(costs)-1)
		}
	}
}

// readBack lets all subscribers come again as if they had seen nothing, and counts what is there.
func (l *load) readBack(ctx context.Context) (Tally, error) {
	for _, do := range []verb{forget, comeBack} {
		if err := l.crowd.do(ctx, order{Do: do}); err != nil {
			return Tally{}, fmt.Errorf("read back: %w", err)
		}
	}
	whole := 0
	for _, sent := range l.sent {
		whole += int(sent)
	}
	err := l.crowd.until(ctx, func(total report) bool { return total.Through >= whole })
	if err != nil && !errors.Is(err, errStalled) {
		return Tally{}, err
	}
	all, err := l.crowd.end(ctx, l.sent)
	return all.tally, err
}
