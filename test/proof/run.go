package proof

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// run is one call of Run.
type run struct {
	cfg    Config
	ledger *Ledger
}

func newRun(cfg Config) *run {
	if cfg.Duration == 0 {
		cfg.Duration = 20 * time.Second
	}
	if cfg.Pause == 0 {
		cfg.Pause = time.Second
	}
	cfg.Lanes, cfg.Load = max(1, cfg.Lanes), cfg.Load.filled()
	return &run{cfg: cfg, ledger: newLedger()}
}

func (r *run) run(ctx context.Context) (report *Report, err error) {
	defer func() { err = errors.Join(err, r.cfg.Topology.stop()) }()
	if err := r.cfg.Topology.start(ctx); err != nil {
		return nil, err
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	return r.report(), nil
}

// load has the load and the faults go on for the duration.
func (r *run) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Duration)
	defer cancel()
	return r.nemesis(ctx)
}

func (r *run) report() *Report {
	report := &Report{Seed: r.cfg.Seed, Topology: r.cfg.Topology.Name, Seconds: r.ledger.now().Seconds(), Faults: map[string]int{}}
	for _, f := range r.ledger.faults {
		report.Faults[f.kind]++
	}
	return report
}

func (r *run) logf(format string, args ...any) {
	if r.cfg.Log != nil {
		fmt.Fprintf(r.cfg.Log, "%8.3f %s\n", r.ledger.now().Seconds(), fmt.Sprintf(format, args...))
	}
}
