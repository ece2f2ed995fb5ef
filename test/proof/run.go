package proof

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// run is one call of Run.
type run struct {
	cfg     Config
	ledger  *Ledger
	devices []*device
	http    *http.Client
	over    chan struct{} // closed when the load has ended
}

func newRun(cfg Config) *run {
	cfg.Duration = orElse(cfg.Duration, 20*time.Second)
	cfg.SettleFor = orElse(cfg.SettleFor, 90*time.Second)
	cfg.Pause = orElse(cfg.Pause, time.Second)
	cfg.Lanes, cfg.Load = max(1, cfg.Lanes), cfg.Load.filled()
	r := &run{cfg: cfg, ledger: newLedger(cfg.Load.Keys), over: make(chan struct{})}
	r.http = &http.Client{Timeout: startTime, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, addr string) (net.Conn, error) { return cfg.Topology.dialSoon(ctx, addr) },
	}}
	return r
}

func (r *run) run(ctx context.Context) (report *Report, err error) {
	defer func() { err = errors.Join(err, r.cfg.Topology.stop()) }()
	if err := r.cfg.Topology.start(ctx); err != nil {
		return nil, err
	}
	r.gather()
	ctx, cancel := context.WithCancel(ctx)
	wait := r.start(ctx)
	defer wait()
	defer cancel()
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	loaded := r.ledger.now()
	histories, err := r.settle(ctx)
	if err != nil {
		return nil, err
	}
	cancel()
	wait()
	return r.verify(histories, loaded), nil
}

// load has the load and the faults go on for the duration.
func (r *run) load(ctx context.Context) error {
	defer close(r.over)
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Duration)
	defer cancel()
	var pushing sync.WaitGroup
	pushing.Go(func() { r.push(ctx) })
	defer pushing.Wait()
	err := r.nemesis(ctx)
	if err != nil {
		cancel()
	}
	<-ctx.Done()
	return err
}

// settling tells whether the load has ended.
func (r *run) settling() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

func (r *run) logf(format string, args ...any) {
	if r.cfg.Log != nil {
		fmt.Fprintf(r.cfg.Log, "%8.3f %s\n", r.ledger.now().Seconds(), fmt.Sprintf(format, args...))
	}
}
