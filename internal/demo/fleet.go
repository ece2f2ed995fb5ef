package demo

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// How long the devices may be silent before what has not come is lost.
const (
	settleLook = 50 * time.Millisecond
	quiet      = 3 * time.Second  // with all devices connected
	quietAway  = 40 * time.Second // else: the SDK pauses up to 30 s between attempts
)

// fleet is all the devices. Its methods are for the goroutine of Run.
type fleet struct {
	devices []*device // never changed
	lines   int       // that each is to get
	journal *journal
	fail    context.CancelCauseFunc // ends the run when a device is refused

	arrived chan struct{}         // a device is connected for the first time; holds all
	trouble atomic.Pointer[error] // why a connection was lost or not made, the latest

	// For the progress line and the report; written by the devices.
	connected, delivered, reconnects, gaps atomic.Int64
	live, caughtUp                         *latencies
}

// newFleet makes so many devices in so many rooms. nodes are the public addresses of those that they connect to: each begins at one,
// devices of a room at all in turn, and goes on to the next when that one is gone.
func newFleet(devices, rooms int, nodes []string, lines [][]byte, j *journal, fail context.CancelCauseFunc) *fleet {
	f := &fleet{
		lines: len(lines), journal: j, fail: fail, arrived: make(chan struct{}, devices),
		live: newLatencies(), caughtUp: newLatencies(),
	}
	for i := range devices {
		visit := i / rooms // of its room
		f.devices = append(f.devices, &device{
			fleet: f, name: fmt.Sprintf("device %d", i+1), room: i % rooms,
			addr: addresses(protocol(visit), nodes, visit/2), tally: NewTally(lines),
		})
	}
	return f
}

// addresses are those of nodes in one protocol, beginning with the first-th.
func addresses(protocol string, nodes []string, first int) string {
	all := make([]string, len(nodes))
	for i := range nodes {
		all[i] = protocol + nodes[(first+i)%len(nodes)]
	}
	return strings.Join(all, ",")
}

// protocol alternates, so that each room has both.
func protocol(i int) string {
	if i%2 == 0 {
		return "tcp://"
	}
	return "ws://"
}

func (f *fleet) protocols() (tcp, webSocket int) {
	for _, d := range f.devices {
		if strings.HasPrefix(d.addr, "tcp:") {
			tcp++
		}
	}
	return tcp, len(f.devices) - tcp
}

// connect starts all devices and waits until each is connected.
func (f *fleet) connect(ctx context.Context, within time.Duration) error {
	for _, d := range f.devices {
		d.start(ctx)
	}
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	for n := range f.devices {
		select {
		case <-f.arrived:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timeout.C:
			return fmt.Errorf("only %d of %d devices connected within %v%s; is \"ulimit -n\" high enough?",
				n, len(f.devices), within, f.why())
		}
	}
	return nil
}

// why tells the latest trouble of a device.
func (f *fleet) why() string {
	if err := f.trouble.Load(); err != nil {
		return fmt.Sprintf(" (the latest trouble: %v)", *err)
	}
	return ""
}

// leavers are a third of the devices: of every room, and of both protocols.
func (f *fleet) leavers() []*device { return f.devices[:(len(f.devices)+2)/3] }

// leave takes the leavers away and returns how many.
func (f *fleet) leave() int {
	stop(f.leavers())
	return len(f.leavers())
}

// comeBack starts the leavers again.
func (f *fleet) comeBack(ctx context.Context) int {
	for _, d := range f.leavers() {
		d.start(ctx)
	}
	return len(f.leavers())
}

// settle waits until every device has every line, or nothing comes any more.
func (f *fleet) settle(ctx context.Context) error {
	all := int64(len(f.devices) * f.lines)
	last, since := f.delivered.Load(), time.Now()
	for last < all && time.Since(since) < f.patience() {
		if err := sleep(ctx, settleLook); err != nil {
			return err
		}
		if now := f.delivered.Load(); now != last {
			last, since = now, time.Now()
		}
	}
	return nil
}

func (f *fleet) patience() time.Duration {
	if int(f.connected.Load()) < len(f.devices) {
		return quietAway
	}
	return quiet
}

// end stops all devices. It may be called again.
func (f *fleet) end() { stop(f.devices) }

func stop(devices []*device) {
	for _, d := range devices {
		d.stop()
	}
	for _, d := range devices {
		d.stopped()
	}
}

// counts adds up all devices, which must have ended.
func (f *fleet) counts() (sum Counts) {
	for _, d := range f.devices {
		sum.Add(d.tally.Counts())
	}
	return sum
}
