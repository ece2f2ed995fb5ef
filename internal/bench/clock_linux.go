package bench

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// clock tells the time since the machine was started, CLOCK_MONOTONIC, so that what one process
// sends at can be compared with what another receives at.
type clock struct {
	base time.Time
	at   time.Duration // of base
}

func newClock() (clock, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return clock{}, fmt.Errorf("clock_gettime: %w", err)
	}
	return clock{base: time.Now(), at: time.Duration(t.Nano())}, nil
}

func (c clock) now() time.Duration { return c.at + time.Since(c.base) }

// sleepUntil returns at t or when ctx ends. It blocks its thread: the runtime's own timers are a
// millisecond late.
func (c clock) sleepUntil(ctx context.Context, t time.Duration) {
	const atATime = 50 * time.Millisecond // after which ctx is looked at
	for ctx.Err() == nil {
		left := t - c.now()
		if left <= 0 {
			return
		}
		wait := unix.NsecToTimespec(int64(min(left, atATime)))
		unix.Nanosleep(&wait, nil) // what interrupts it is seen as time that is left
	}
}
