// Package bench measures a running node from outside, over real sockets: what an idle
// connection costs in memory, what a delivery costs in CPU, how many pushes it takes a second.
//
//	publisher ── HTTP ──> node (a process of its own) ── sockets ──> swarm: one thread, epoll, only counts
//	    └ payload: sequence number, send time                           └ Tally, latencies
//
// It promises that every message of every run is accounted for at the connections that had to
// get it: lost, doubled or out of order is part of each result, and an error. What the node
// spent is read from /proc and from its own /stat, never guessed from the load. It knows a node
// only by its addresses and its process id, and needs Linux for the sockets' side.
package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrFailed is wrapped by the error of a measurement that came to its end, but at whose end
// messages or connections were missing. What was measured is returned beside it.
var ErrFailed = errors.New("not every message came exactly once and in order")

// patience is how long a measurement waits for an answer.
const patience = 10 * time.Second

// Target is a node, or a peer, that runs already on this machine.
type Target struct {
	Public string // HOST:PORT where devices subscribe
	Admin  string // HOST:PORT where backends push
	Ops    string // HOST:PORT where /stat is; "" for a peer
	PID    int    // of its process
}

// Config is what every measurement is told.
type Config struct {
	Subjects  []string      // measured in turn: "gopush tcp", "gopush ws", "floor", a peer
	Floor     string        // program made of bench/floor.c, for the subject "floor"
	Binary    string        // gopush, started as "gopush serve" on free ports for each run, and as "gopush bench worker"
	Target    *Target       // measured instead, if not nil
	Runs      int           // how often all is repeated; at least once
	Processes int           // that subscribers are spread over; 0: as many as the limit of open files asks for
	Patience  time.Duration // without any message, until what is missing is lost; 0: 10 s
	Progress  func(string)  // is told what is going on, in a few words; nil: nobody
}

func (c *Config) progress(what string) {
	if c.Progress != nil {
		c.Progress(what)
	}
}

// each lets f measure every subject in turn, run after run. line says which, for progress.
func (c *Config) each(ctx context.Context, f func(ctx context.Context, s subject, line string) error) error {
	runs := max(1, c.Runs)
	for i := range runs {
		for _, name := range c.Subjects {
			s, err := c.subject(name)
			if err != nil {
				return err
			}
			if err := f(ctx, s, fmt.Sprintf("%s, run %d of %d", name, i+1, runs)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// Protocol is how subscribers of a measurement speak.
type Protocol string

// The protocols, docs/design.md, "legacy RESP" and "legacy WebSocket".
const (
	TCP       Protocol = "tcp"
	WebSocket Protocol = "ws"
)
