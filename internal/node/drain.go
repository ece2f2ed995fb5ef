package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/comet"
	"gopush/internal/web"
)

// A drain empties the node of subscribers: before it stops, or for an operator who wants it empty. In this order:
//
//	waiting   /readyz is red, and all else is as ever: balancers take drain_delay to notice
//	leaving   who comes to subscribe is sent away; in a cluster the node leaves the ring, and relays from now on
//	telling   subscribers are told to go, drain_rate of them in any second, all within drain_timeout
//	drained   pushes, reads and links go on, until the process stops or the drain is taken back
//
// A node that is alone takes pushes all along: what is stored is there when the devices come back.

// drain is the one of a node. It never ends by itself: stop or Undo ends it.
type drain struct {
	n *Node

	one sync.Mutex // held by who begins or ends a drain

	mu     sync.Mutex // guards all below
	phase  drainPhase
	began  time.Time
	told   int64 // by the gateway before it began
	left   int
	rate   int
	final  bool               // the process is stopping
	cancel context.CancelFunc // ends the goroutine; nil: there is none
	ended  chan struct{}      // closed when the goroutine has
}

type drainPhase uint8

const (
	serving drainPhase = iota
	waiting
	leaving
	telling
	drained
)

func (p drainPhase) String() string {
	return [...]string{"serving", "waiting", "leaving", "telling", "drained"}[p]
}

// How long devices of a node that is alone are asked to stay away beyond its drain, for it to be there again.
const (
	restartTime   = 2 * time.Second
	restartSpread = time.Second
)

// elsewhere is how long those are asked to wait, at most, who come to a node of a cluster that is drained: there are others.
const elsewhere = 500 * time.Millisecond

// Begin implements web.Drain.
func (d *drain) Begin() {
	if d.isFinal() {
		return
	}
	d.one.Lock()
	defer d.one.Unlock()
	d.begin()
}

// begin begins to drain unless that has begun. The caller holds one.
func (d *drain) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	d.cancel, d.ended = cancel, ended
	d.phase, d.began, d.told = waiting, time.Now(), d.n.gateway.Stats.Told.Load()
	d.left, d.rate = 0, d.n.cfg.Load().DrainRate
	go func() { // until it is through or cancel is called; stop and Undo wait for it
		defer close(ended)
		d.run(ctx)
	}()
}

// Undo implements web.Drain.
func (d *drain) Undo() bool {
	if d.isFinal() {
		return false
	}
	d.one.Lock()
	defer d.one.Unlock()
	if !d.end() {
		return true
	}
	d.n.gateway.TurnAway(nil)
	d.become(serving)
	d.n.log.Info("the drain was taken back")
	d.rejoin()
	return true
}

// join has the node own keys for the first time, unless it is drained already.
func (d *drain) join() {
	d.one.Lock()
	defer d.one.Unlock()
	if d.active() == 0 {
		d.rejoin()
	}
}

// rejoin has the node own keys, as soon as that can be. The caller holds one.
func (d *drain) rejoin() {
	if d.n.cluster != nil {
		d.n.joining.begin(d.n.join)
	}
}

// end ends the goroutine, if there is one.
func (d *drain) end() bool {
	d.mu.Lock()
	cancel, ended := d.cancel, d.ended
	d.mu.Unlock()
	if cancel == nil {
		return false
	}
	cancel()
	<-ended
	d.mu.Lock()
	d.cancel = nil
	d.mu.Unlock()
	return true
}

// stop drains for the last time, and returns when all have been told.
func (d *drain) stop() {
	d.mu.Lock()
	d.final = true
	d.mu.Unlock()
	d.one.Lock()
	defer d.one.Unlock()
	d.begin()
	<-d.ended
	d.end()
}

func (d *drain) isFinal() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.final
}

func (d *drain) become(p drainPhase) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.phase = p
}

// run goes through the phases.
func (d *drain) run(ctx context.Context) {
	n, cfg := d.n, d.n.cfg.Load()
	n.log.Info("draining", "connections", n.gateway.Connections(), "rate", cfg.DrainRate, "delay", cfg.DrainDelay, "timeout", cfg.DrainTimeout)
	if pause(ctx, time.Duration(cfg.DrainDelay)) != nil {
		return
	}
	d.become(leaving)
	timeout := time.Duration(cfg.DrainTimeout)
	comeBack := d.comeBack(cfg.DrainRate, timeout)
	n.gateway.TurnAway(d.away(comeBack))
	n.leave(ctx, time.Duration(cfg.ShutdownTimeout)/4)
	if ctx.Err() != nil {
		return
	}
	d.become(telling)
	d.tell(ctx, comet.DrainPlan{Rate: cfg.DrainRate, Deadline: time.Now().Add(timeout), Hint: comeBack})
	if ctx.Err() != nil {
		return
	}
	d.become(drained)
	v := d.View()
	n.log.Info("drained", "told", v.Told, "seconds", v.Seconds)
}

// comeBack is how long after it was told to go a subscriber may connect again. Where there are other nodes that is at once: they are told at a pace
// that these can bear. A node that is alone has to be through, and there again: as all wait for as long they come back at the pace at which they go.
func (d *drain) comeBack(rate int, timeout time.Duration) time.Duration {
	if d.n.hasOthers() {
		return 0
	}
	takes := time.Duration(d.n.gateway.Connections()) * time.Second / time.Duration(rate)
	return min(takes, timeout) + restartTime
}

// away is when those may come back who come to subscribe.
func (d *drain) away(comeBack time.Duration) *comet.Away {
	if comeBack == 0 {
		return &comet.Away{Spread: elsewhere}
	}
	return &comet.Away{Until: time.Now().Add(comeBack), Spread: restartSpread}
}

// progressEvery is how often the log says how far a drain is.
const progressEvery = 5 * time.Second

// tell has the gateway tell all subscribers to go.
func (d *drain) tell(ctx context.Context, plan comet.DrainPlan) {
	logged, raised := time.Now(), plan.Rate
	plan.Progress = func(left, now int) {
		d.mu.Lock()
		d.left, d.rate = left, now
		d.mu.Unlock()
		switch {
		case now > raised+raised/10:
			d.n.log.Warn("drain_rate is too low for drain_timeout: connections are told to go faster", "left", left,
				"seconds", time.Until(plan.Deadline).Round(time.Millisecond).Seconds(), "drain_rate", plan.Rate, "rate", now)
			raised, logged = now, time.Now()
		case time.Since(logged) >= progressEvery:
			d.n.log.Info("draining", "left", left, "rate", now)
			logged = time.Now()
		}
	}
	d.n.gateway.Drain(ctx, plan)
}

// pause waits until d has passed or ctx ends, and returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// View implements web.Drain.
func (d *drain) View() web.DrainView {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := web.DrainView{Phase: d.phase.String(), Connections: d.n.gateway.Connections()}
	if d.phase != serving {
		v.Told, v.Left, v.Rate = d.n.gateway.Stats.Told.Load()-d.told, d.left, d.rate
		v.Seconds = time.Since(d.began).Round(time.Millisecond).Seconds()
	}
	return v
}

// check is why a node that is drained is not ready.
func (d *drain) check() error {
	v := d.View()
	d.mu.Lock()
	phase, final := d.phase, d.final
	d.mu.Unlock()
	what := "draining"
	if final {
		what = "stopping"
	}
	switch phase {
	case serving:
		return nil
	case telling:
		return fmt.Errorf("%s: %d connections told to go, %d left, %d a second", what, v.Told, v.Left, v.Rate)
	}
	return fmt.Errorf("%s: %v", what, phase)
}

// register makes what is known of it metrics.
func (d *drain) register(reg prometheus.Registerer) {
	gauge := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("gopush_draining", "1 while the node is drained, until it stops or takes subscribers again.", func() float64 { return float64(d.active()) })
	gauge("gopush_drain_left", "Connections that a drain has still to tell to go.", func() float64 { return float64(d.View().Left) })
	gauge("gopush_drain_rate", "Connections a second that a drain tells to go.", func() float64 { return float64(d.View().Rate) })
}

// active is 1 while the node is drained, for metrics.
func (d *drain) active() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.phase == serving {
		return 0
	}
	return 1
}
