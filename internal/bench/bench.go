// Package bench measures a running server from outside, over real sockets: what messages,
// connections and devices that come back cost it in CPU and memory, and how long they take.
//
//	pusher ── publisher ──> subject (a process of its own) ── sockets ──> swarm: one thread, epoll, only counts
//	   ^ payload: sequence number, time it was due                           │ Tally, latencies
//	   └─ gate (window) or pace (rate) <── crowd: all workers <── report ── worker
//
// It promises that every message of every run is accounted for at the connections that had to
// get it: lost, doubled or out of order is part of each result, and an error. What the server
// spent is read from the kernel and from its own /stat, never guessed from the load. It knows a
// server only by its addresses and its process id, and needs Linux for the sockets' side.
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
	Name   string // as a node of a cluster
}

// Config is what every measurement is told.
type Config struct {
	Subjects  []string      // measured in turn: "gopush tcp", "gopush streams", "floor", a peer
	Floor     string        // program made of bench/floor.c, for the subject "floor"
	Binary    string        // gopush, started as "gopush serve" on free ports for each run, and as "gopush bench worker"
	Target    *Target       // measured instead, if not nil
	Nodes     int           // of the subjects "cluster …"; 0: 3
	Store     Store         // where what is stored has to be when a push is answered
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

// inTurn measures every subject once, and all of them again, as often as c says. which is the
// subject and the number of the run, for progress.
func inTurn[R any](ctx context.Context, c *Config, measure func(ctx context.Context, s subject, which string) (R, error)) (all []R, err error) {
	runs := max(1, c.Runs)
	for i := range runs {
		for _, name := range c.Subjects {
			s, err := c.subject(name)
			if err != nil {
				return nil, err
			}
			run, err := measure(ctx, s, fmt.Sprintf("%s, run %d of %d", name, i+1, runs))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all = append(all, run)
		}
	}
	return all, nil
}

// Protocol is how subscribers of a measurement speak, and publishers.
type Protocol string

// The protocols: docs/design.md, "legacy RESP" and "legacy WebSocket", both with pushes over HTTP and without or with TLS for subscribers, and "Dialect: Redis", spoken
// by the same code to a node and to redis-server.
const (
	TCP       Protocol = "tcp"
	WebSocket Protocol = "ws"
	TLS       Protocol = "tls"     // TCP over TLS
	WSS       Protocol = "wss"     // WebSocket over TLS
	Redis     Protocol = "redis"   // SUBSCRIBE and PUBLISH, RESP2
	Streams   Protocol = "streams" // XREAD BLOCK and XADD, RESP2: whatever is pushed is stored
)

// Store is where what is stored has to be when a push is answered.
type Store string

// The stores.
const (
	AsItComes Store = "default" // as the server does it if nobody says: gopush on disk, redis-server in memory
	Memory    Store = "memory"  // lost with the process
	Disk      Store = "disk"    // synced
)
