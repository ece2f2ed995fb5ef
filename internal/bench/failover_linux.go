package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// failoverLook is how often it is looked whether something has come to its end.
const failoverLook = 10 * time.Millisecond

// Failover measures how long a cluster takes to go on without one of its nodes. All devices are on a node that owns all of
// their keys; publishers push to these keys at another one, without a pause. Then the node is killed, or asked to end. Each registry is
// measured in turn. The report comes also with ErrFailed.
func Failover(ctx context.Context, cfg FailoverConfig) (*FailoverReport, error) {
	report := &FailoverReport{Connections: cfg.Connections, Publishers: cfg.Publishers, Session: cfg.Session.Seconds()}
	for i := range max(1, cfg.Runs) {
		for _, registry := range cfg.Registries {
			for _, end := range cfg.Ends {
				f := failover{cfg: &cfg, registry: registry, end: end}
				run, err := f.run(ctx, fmt.Sprintf("%s, %s, run %d of %d", end, registry, i+1, max(1, cfg.Runs)))
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", end, registry, err)
				}
				report.Runs = append(report.Runs, run)
				report.Tally.add(run.Tally)
			}
		}
	}
	return report, report.Tally.Err()
}

// failover is one run of Failover.
type failover struct {
	cfg           *FailoverConfig
	registry, end string
	*trial
	pushing []*persistent
	began   time.Time // the signal
}

func (f *failover) run(ctx context.Context, which string) (run FailoverRun, err error) {
	setting, stop, err := startRegistry(ctx, f.registry)
	if err != nil {
		return run, err
	}
	defer stop()
	s := &cluster{binary: f.cfg.Binary, protocol: TCP, nodes: f.cfg.nodes(), registry: setting, session: f.cfg.Session}
	if err := f.begin(ctx, s); err != nil {
		return run, err
	}
	defer f.close()
	f.crowd.progress = func(r report) {
		f.cfg.progress(fmt.Sprintf("%s: %d of %d devices, %d messages", which, r.Subscribed, f.cfg.Connections, r.Arrived))
	}
	if err := f.crowd.grow(ctx, f.cfg.Connections, 0); err != nil {
		return run, err
	}
	run, err = f.measure(ctx)
	run.Subject = f.end + ", " + f.registry
	return run, err
}

// begin starts the cluster, and a crowd whose connections all go to the node that is to end, and then to the others.
func (f *failover) begin(ctx context.Context, s *cluster) error {
	const hour, stored = 3600, 100_000
	server, err := s.start(ctx, needs{stored: stored})
	if err != nil {
		return err
	}
	l := layout{connections: f.cfg.Connections, keys: f.cfg.Connections, size: f.cfg.Size, expire: hour, servers: []string{server.nodes[0].Public}}
	for _, n := range server.nodes[1:] {
		l.later = append(l.later, n.Public)
	}
	f.trial = &trial{subject: s, layout: l, server: server, sent: make([]int64, l.keys)}
	if err := f.populate(ctx, &f.cfg.Config); err != nil {
		f.close()
		return err
	}
	return nil
}

// measure lets publishers push, ends the node, and waits until all is as it was.
func (f *failover) measure(ctx context.Context) (run FailoverRun, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pushing := f.publishOn(ctx)
	defer pushing.Wait()
	defer cancel()
	if err := f.wait(ctx, func() bool { return f.least(time.Time{}) > 0 }); err != nil {
		return run, fmt.Errorf("pushes to all keys before anything happens: %w", err)
	}
	f.began = time.Now()
	if err := f.signal(); err != nil {
		return run, err
	}
	left := false // all devices have to leave before they can be back
	seconds := func(at *float64, done bool) {
		if done && *at == 0 {
			*at = time.Since(f.began).Seconds()
		}
	}
	err = f.wait(ctx, func() bool {
		total, _ := f.crowd.standing()
		left = left || total.Subscribed == 0 || total.Moves >= f.cfg.Connections
		seconds(&run.Resumed, left && total.Subscribed == f.cfg.Connections)
		seconds(&run.Pushed, f.again())
		seconds(&run.All, f.least(f.began) > 0)
		return run.Resumed > 0 && run.Pushed > 0 && run.All > 0
	})
	if err != nil {
		return run, fmt.Errorf("after %.1f s: devices back %.1f s, pushes %.1f s, to all keys %.1f s: %w", time.Since(f.began).Seconds(), run.Resumed, run.Pushed, run.All, err)
	}
	cancel()
	pushing.Wait()
	return f.count(context.WithoutCancel(ctx), run)
}

// count ends the run: it waits for what was pushed, and counts.
func (f *failover) count(ctx context.Context, run FailoverRun) (FailoverRun, error) {
	whole := 0
	for _, p := range f.pushing {
		run.Refused += p.refused
		run.Unknown += p.unknown
		if p.err != nil {
			return run, p.err
		}
	}
	for _, sent := range f.sent {
		whole += int(sent)
	}
	err := f.crowd.until(ctx, func(total report) bool { return total.Arrived >= whole })
	if err != nil && !errors.Is(err, errStalled) {
		return run, err
	}
	run.Delivery = time.Since(f.began).Seconds()
	total, _ := f.crowd.standing()
	run.Moves = total.Moves
	all, err := f.crowd.end(ctx, f.sent)
	run.Tally = all.tally
	return run, err
}

// signal ends the node that owns all keys.
func (f *failover) signal() error {
	s := syscall.SIGKILL
	if f.end == "term" {
		s = syscall.SIGTERM
	}
	return syscall.Kill(f.server.nodes[0].PID, s)
}

// wait looks until done.
func (f *failover) wait(ctx context.Context, done func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, failoverAtMost+2*f.cfg.Session, errStalled)
	defer cancel()
	look := time.NewTicker(failoverLook)
	defer look.Stop()
	for !done() {
		if _, err := f.crowd.standing(); err != nil {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// failoverAtMost is how long a cluster may take, beside its session timeout.
const failoverAtMost = time.Minute

// publishOn starts the publishers, each with keys of its own.
func (f *failover) publishOn(ctx context.Context) *sync.WaitGroup {
	pushing := new(sync.WaitGroup)
	for i := range f.cfg.Publishers {
		p := newPersistent(f.server.nodes[1].Admin, f.cfg.Size, f.clock)
		for key := i; key < f.cfg.Connections; key += f.cfg.Publishers {
			p.keys = append(p.keys, &pushedKey{number: key, name: f.crowd.plan.keyOf(key), sent: &f.sent[key]})
		}
		f.pushing = append(f.pushing, p)
		pushing.Go(func() { p.run(ctx) })
	}
	return pushing
}

// least is how many pushes that were begun after a time each key had acknowledged at least: 0 or 1.
func (f *failover) least(after time.Time) int {
	for _, p := range f.pushing {
		for _, k := range p.keys {
			if last := k.acked.Load(); last == 0 || last < after.UnixNano() && !after.IsZero() {
				return 0
			}
		}
	}
	return 1
}

// again tells whether every publisher had a push acknowledged that was begun after the signal.
func (f *failover) again() bool {
	for _, p := range f.pushing {
		if p.last.Load() < f.began.UnixNano() {
			return false
		}
	}
	return true
}
