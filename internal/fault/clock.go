//go:build proof

package fault

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// clock is the machine's, set forward or back as a machine's is: what is measured with it goes on as it was, since that is
// measured with another clock, which only goes forward (package time, "Monotonic Clocks").
type clock struct{ ahead atomic.Int64 } // whole seconds

func (c *clock) set(ahead time.Duration) { c.ahead.Store(int64(ahead / time.Second)) }

func (c *clock) now() time.Time { return moved(time.Now(), c.ahead.Load()) }

// moved moves what t says of the time by so many seconds, and not what it says of the other clock, which no method of Time does. A Time that has
// both begins with 64 bits of which the seconds are those above the lowest 30, but for the highest bit; a test tells when that changes.
func moved(t time.Time, seconds int64) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t))
	*wall += uint64(seconds << 30)
	return t
}
