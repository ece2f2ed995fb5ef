package proof

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// healTime is how long a fault may take to be healed.
const healTime = 2 * startTime

// nemesis injects the faults of a run, each lane one after the other, until ctx ends, and heals each.
func (r *run) nemesis(ctx context.Context) error {
	errs := make([]error, r.cfg.Lanes)
	var lanes sync.WaitGroup
	for i := range errs {
		steps := schedule(r.cfg.Seed+uint64(i)<<32, r.cfg.Faults, r.cfg.Duration, r.cfg.Pause)
		lanes.Go(func() { errs[i] = r.lane(ctx, steps) })
	}
	lanes.Wait()
	return errors.Join(errs...)
}

// lane injects and heals the steps of a schedule.
func (r *run) lane(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if pause(ctx, s.after); ctx.Err() != nil {
			return nil
		}
		if err := r.step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// step has one fault in force for its time. It is healed also when ctx ends.
func (r *run) step(ctx context.Context, s step) error {
	f := s.kind.New(r.cfg.Topology, rand.New(rand.NewPCG(s.seed, 0)))
	heal, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.lasts+healTime)
	defer cancel()
	began := r.ledger.fault(s.kind.Name, f.Name())
	r.logf("%s for %v", f.Name(), s.lasts.Round(time.Millisecond))
	injected := f.Inject(heal)
	if injected == nil {
		pause(ctx, s.lasts)
	}
	healed := f.Heal(heal)
	r.ledger.healed(began)
	if err := errors.Join(injected, healed); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}

// pause waits for d, or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
