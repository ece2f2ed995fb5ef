package bench

import (
	"context"
	"time"
)

// verb is what a worker is told to do.
type verb uint8

const (
	grow     verb = iota // have Connections, at most Rate new ones a second; done when all are subscribed
	leave                // close all connections
	comeBack             // open all that are closed, to resume; done when all are subscribed
	churn                // from now on Rate connections a second leave for the time Away
	forget               // close all, and have seen nothing
	tare                 // measure from now on
	end                  // count what never came; answered with an outcome
)

// order is what the coordinator of a run tells a worker. It goes over a pipe, too.
type order struct {
	Number      int // 1, 2, 3, …
	Do          verb
	Connections int     // of this worker
	Rate        float64 // of this worker
	Away        time.Duration
	Last        []int64 // messages that had to come, for each key
}

// report is what a worker tells its coordinator when it has changed.
type report struct {
	Done       int // number of the last order that was carried out
	Subscribed int // connections that are there
	Arrived    int // messages that came for the first time, at all connections
	Through    int // messages that came to all connections that had to get them
	Moves      int // connections that a server ended or refused, and that came back at another
	Err        string
	Outcome    *snapshot // of the order end
}

// tellEvery is how often a worker reports what is not urgent.
const tellEvery = 100 * time.Millisecond

// worker is a swarm with somebody who tells it what to do. Its goroutine is the one of run.
type worker struct {
	swarm  *swarm
	orders chan order // bounded: the coordinator waits for each order to be done
	tell   func(report)

	doing  order
	told   report        // the last one
	toldAt time.Duration // when
	leaving
}

// leaving is churn: which connections leave when.
type leaving struct {
	every time.Duration // 0: none
	due   time.Duration // when the next leaves
	away  time.Duration
	next  int
}

func newWorker(p plan, tell func(report)) (*worker, error) {
	s, err := newSwarm(p)
	if err != nil {
		return nil, err
	}
	return &worker{swarm: s, orders: make(chan order, 4), tell: tell}, nil
}

// order gives o to the worker, from any goroutine.
func (w *worker) order(o order) {
	w.orders <- o
	w.swarm.awake()
}

// run works until ctx ends, and closes all connections. It reports its own failure.
func (w *worker) run(ctx context.Context) {
	defer w.swarm.close()
	stop := context.AfterFunc(ctx, w.swarm.awake)
	defer stop()
	for ctx.Err() == nil {
		if err := w.turn(); err != nil {
			w.told.Err = err.Error()
			w.tell(w.told)
			return
		}
	}
}

// turn does what there is to do now, after waiting for something for a moment.
func (w *worker) turn() error {
	select {
	case o := <-w.orders:
		w.begin(o)
	default:
	}
	w.churn()
	if err := w.swarm.fill(); err != nil {
		return err
	}
	w.report()
	_, err := w.swarm.pump(w.patience())
	return err
}

// patience is how long to wait for input, so that what is due is not late.
func (w *worker) patience() time.Duration {
	const atMost, short = 100 * time.Millisecond, time.Millisecond
	if w.every > 0 || len(w.swarm.absent) > 0 {
		return short
	}
	return atMost
}

// begin begins to carry out o.
func (w *worker) begin(o order) {
	s := w.swarm
	switch o.Do {
	case grow:
		s.grow(o.Connections, o.Rate)
	case leave:
		s.leave()
	case comeBack:
		s.comeBack()
	case churn:
		w.leaving = leaving{due: s.now(), away: o.Away}
		if o.Rate > 0 {
			w.every = time.Duration(float64(time.Second) / o.Rate)
		}
	case forget:
		s.forget()
	case tare:
		s.tare()
	case end:
		s.end(o.Last)
	}
	w.doing = o
}

// done tells whether the order that was begun is carried out.
func (w *worker) done() bool {
	return w.doing.Do != grow && w.doing.Do != comeBack || w.swarm.complete()
}

// churn lets those connections leave that are due to.
func (w *worker) churn() {
	s := w.swarm
	for w.every > 0 && w.due <= s.now() {
		i := w.next % len(s.subscribers)
		if c := &s.subscribers[i]; c.subscribed > 0 {
			s.hangUp(c)
			s.absent = append(s.absent, absence{i: i, due: w.due + w.away})
		}
		w.next++
		w.due += w.every
	}
}

// report tells the coordinator how things stand, if it has to know.
func (w *worker) report() {
	s := w.swarm
	now := report{
		Done: w.told.Done, Arrived: s.arrived, Through: s.through, Moves: s.moves,
		Subscribed: len(s.subscribers) - s.opening - len(s.absent),
	}
	if w.doing.Number > now.Done && w.done() {
		now.Done = w.doing.Number
		if w.doing.Do == end {
			now.Outcome = s.outcome.snapshot()
		}
	}
	urgent := now.Done > w.told.Done || now.Through > w.told.Through
	changed := now.Arrived != w.told.Arrived || now.Subscribed != w.told.Subscribed || now.Moves != w.told.Moves
	if urgent || changed && s.now() > w.toldAt+tellEvery {
		w.told, w.toldAt = now, s.now()
		w.tell(now)
	}
}
