package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gopush/client"
)

// device is one device with the SDK on it: away, or with a call of client.Subscribe running.
type device struct {
	fleet *fleet
	name  string
	addr  string // tcp:// or ws://
	room  int
	tally *Tally

	// Owned by the goroutine of the running Subscribe; by the fleet while there is none.
	after     string        // id of the last message that was taken, or where it began
	connected time.Duration // when the connection was made, by the journal
	up        bool          // whether it is connected
	visits    int           // connections so far

	cancel  context.CancelFunc // ends the running Subscribe; nil: it is away
	running sync.WaitGroup     // on it
}

// start begins to listen: anew, or where the device was when it stopped.
func (d *device) start(ctx context.Context) {
	ctx, d.cancel = context.WithCancel(ctx)
	d.running.Go(func() {
		err := client.Subscribe(ctx, client.Config{
			Addr: d.addr, Key: roomKey(d.room), After: d.after,
			OnConnect: d.connect, OnDisconnect: d.disconnect,
			OnGap: func(client.Gap) { d.fleet.gaps.Add(1) },
		}, d.take)
		d.hangUp()
		if ctx.Err() == nil {
			d.fleet.fail(fmt.Errorf("%s in %s: %w", d.name, roomKey(d.room), err))
		}
	})
}

// stop ends the SDK and with it the connection. stopped waits for it.
func (d *device) stop() {
	if d.cancel != nil {
		d.cancel()
		d.cancel = nil
	}
}

func (d *device) stopped() { d.running.Wait() }

func (d *device) connect(after string) {
	d.after, d.connected, d.up = after, d.fleet.journal.now(), true
	if d.visits++; d.visits == 1 {
		d.fleet.arrived <- struct{}{}
	} else {
		d.fleet.reconnects.Add(1)
	}
	d.fleet.connected.Add(1)
}

func (d *device) disconnect(err error, _ time.Duration) {
	d.fleet.trouble.Store(&err)
	d.hangUp()
}

func (d *device) hangUp() {
	if d.up {
		d.up = false
		d.fleet.connected.Add(-1)
	}
}

// take counts a message. What was pushed before this connection was made was caught up with:
// its latency is that of coming back, not of having been away.
func (d *device) take(m client.Message) error {
	now := d.fleet.journal.now()
	d.after = m.ID
	line, isNew := d.tally.Take(m.Payload)
	if !isNew {
		return nil
	}
	d.fleet.delivered.Add(1)
	if pushed := d.fleet.journal.pushed(d.room, line); pushed < d.connected {
		d.fleet.caughtUp.add(now - d.connected)
	} else {
		d.fleet.live.add(now - pushed)
	}
	return nil
}
